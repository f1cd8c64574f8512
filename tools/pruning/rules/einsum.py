"""Sums of products by letters: axes of one letter meet, and are mixed where the result has none of it."""

from __future__ import annotations

from onnx import NodeProto

from ...quantize.graphs import attribute
from ..labels import Axis
from ..trace import Outputs, Trace, UnclearError


def einsum(trace: Trace, node: NodeProto) -> Outputs:
    """Equations with an arrow, without an ellipsis and without a letter twice in one term."""
    terms, made = _terms(node)
    operands = [trace.known(name) for name in node.input]
    if len(terms) != len(operands) or any(len(one) != len(other) for one, other in zip(terms, operands, strict=True)):
        raise UnclearError("its equation does not fit its operands")
    found: dict[str, Axis] = {}
    for index, (term, axes) in enumerate(zip(terms, operands, strict=True)):
        for at, (letter, axis) in enumerate(zip(term, axes, strict=True)):
            found[letter] = trace.tie(found[letter], axis) if letter in found else axis
            if letter not in made:
                trace.mix(index, at)
    for letter, axis in found.items():
        if letter not in made and sum(letter in term for term in terms) == 1:
            trace.freeze(axis, "it is summed up")
    for name, term in zip(node.input, terms, strict=True):
        for letter, axis in zip(term, trace.known(name), strict=True):
            (trace.giving if letter in made else trace.reading)(name, axis)
    return [trace.like(node.output[0], tuple(found[letter] for letter in made))]


def _terms(node: NodeProto) -> tuple[list[str], str]:
    found = attribute(node, "equation")
    equation = "" if found is None else found.s.decode("utf-8", "replace").replace(" ", "")
    before, arrow, made = equation.partition("->")
    terms = before.split(",")
    known = set("".join(terms))
    if not arrow or not all(each.isalpha() and len(set(each)) == len(each) for each in (*terms, made) if each):
        raise UnclearError("its equation cannot be followed")
    if not set(made) <= known:
        raise UnclearError("its equation cannot be followed")
    return terms, made
