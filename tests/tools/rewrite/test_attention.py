"""Attention is recognised however its heads are split, scaled, masked and joined, at sizes that nobody declared too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper, numpy_helper

from shipfit.tools.quantize.dynamic import quantize_dynamic
from shipfit.tools.rewrite.attention import fuse_attention
from shipfit.tools.rewrite.attention_weights import fuse_attention_weights

from ... import models

SIZE = 4
SPLITS = ["three products", "split before", "slice", "gather", "split", "one axis", "length first"]
# Where a scale stands: scores, Q, K.
SCALES = [(), ("s",), ("q",), ("q", "k"), ("k", "s")]
FIXED, FREE = ["constant", "by head", "two axes"], ["none", "keys", "each"]
# How a mask is applied: added, or a number in the place of scores, which may leave a query no key.
APPLIED = ["added", "replacing", "replaced", "guarded"]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


class Lines:
    """Nodes and constants, each named by what it is given."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def __call__(self, op: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        return self.several(op, *inputs, to=[to or f"v{len(self.nodes)}"], **attributes)[0]

    def several(self, op: str, *inputs: str, to: list[str], **attributes: Any) -> list[str]:
        self.nodes.append(helper.make_node(op, list(inputs), to, **attributes))
        return to

    def constant(self, value: Any) -> str:
        name = f"c{len(self.weights)}"
        self.weights[name] = np.asarray(value)
        return name


@dataclass(frozen=True)
class Case:
    split: str = "three products"
    scaled: tuple[str, ...] = ("s",)
    mask: str = "none"
    applied: str = "added"
    heads: int = 2
    length: int | None = None
    twice: bool = False
    apart: bool = False

    def model(self, outputs: tuple[str, ...] = ("y",), axis: int = -1) -> onnx.ModelProto:
        lines = Lines()
        query, key, value = self._heads(lines)
        product = lines("MatMul", self._scale(lines, "q", query), self._scale(lines, "k", key))
        scores, inputs = self._scale(lines, "s", product), [models.spec("x", ["batch", self._time, self.width])]
        if self.mask in FIXED:
            mask = lines.constant(noise(*self._mask_shape(1, self.length or 0), seed=7))
        else:
            mask = "mask"
            inputs += [models.spec("mask", self._mask_shape("batch", self._time))] if self.mask != "none" else []
        scores = scores if self.mask == "none" else self._masked(lines, scores, mask)
        weights = lines("Softmax", scores, axis=axis, to="p")
        if self.mask != "none" and self.applied == "guarded":
            weights = lines("Where", lines("IsNaN", weights), lines.constant(np.float32(0)), weights)
        self._join(lines, lines("MatMul", weights, value))
        ranks = {"y": 4 if self.apart else 3, "p": 4}
        specs = [models.spec(each, [None] * ranks[each]) for each in outputs]
        return models.build(lines.nodes, inputs, specs, lines.weights)

    def _masked(self, lines: Lines, scores: str, mask: str) -> str:
        if self.applied == "added":
            return lines("Add", scores, mask)
        none = lines.constant(np.float32(-np.inf if self.applied == "guarded" else np.finfo(np.float32).min))
        low = lines("Less", mask, lines.constant(np.float32(0)))
        if self.applied == "guarded":
            return lines("Add", lines("Where", low, none, lines.constant(np.float32(0))), scores)
        return lines("Where", low, *([none, scores] if self.applied == "replaced" else [scores, none]))

    def feeds(self, batch: int, time: int) -> dict[str, np.ndarray]:
        found = {"x": noise(batch, time, self.width, seed=1)}
        if self.mask in ("keys", "each"):
            found["mask"] = noise(*self._mask_shape(batch, time), seed=2) * 3
        return found

    @property
    def width(self) -> int:
        return self.heads * SIZE

    @property
    def _time(self) -> int | str:
        return self.length or "time"

    def _mask_shape(self, batch: Any, time: Any) -> list[Any]:
        rows = {"constant": [1, 1, time], "by head": [1, self.heads, time], "two axes": [time], "keys": [batch, 1, 1]}
        return [*rows.get(self.mask, [batch, self.heads, time]), time]

    def _scale(self, lines: Lines, where: str, name: str) -> str:
        if where not in self.scaled:
            return name
        number = lines.constant(np.float32(0.6))
        return lines("Mul", number, name) if where == "k" else lines("Div" if self.twice else "Mul", name, number)

    def _heads(self, lines: Lines) -> list[str]:
        """Return Q as (…, queries, size), K as (…, size, keys) and V as (…, keys, size)."""
        if self.split == "length first":
            return self._length_first(lines)
        if self.split in ("gather", "split"):
            query, key, value = self._of_five_axes(lines)
            return [query, lines("Transpose", key, perm=[0, 1, 3, 2]), value]
        shape = lines.constant([0, 0, self.heads, SIZE])
        turns = ([0, 2, 1, 3], [0, 2, 1, 3] if self.twice or self.split == "one axis" else [0, 2, 3, 1], [0, 2, 1, 3])
        heads = [
            lines("Transpose", lines("Reshape", flat, shape), perm=perm)
            for flat, perm in zip(self._flat(lines), turns, strict=True)
        ]
        if self.split == "one axis":  # batch and heads
            target = lines.constant([-1, self.length, SIZE])
            heads = [lines("Reshape", each, target) for each in heads]
            heads[1] = lines("Transpose", heads[1], perm=[0, 2, 1])
        elif self.twice:
            heads[1] = lines("Transpose", heads[1], perm=[0, 1, 3, 2])
        return heads

    def _length_first(self, lines: Lines) -> list[str]:
        """As torch's own layer: the length before the batch, and the batch in one axis with the heads."""
        rows = lines.constant([self.length, -1, SIZE])
        four = lines.constant([-1, self.heads, self.length, SIZE])
        product = self._product(lines, 3 * self.width, 0, lines("Transpose", "x", perm=[1, 0, 2]))
        flat = lines.several("Split", product, lines.constant([self.width] * 3), to=["q", "k", "v"], axis=2)
        turned = [lines("Transpose", lines("Reshape", each, rows), perm=[1, 0, 2]) for each in flat]
        query, key, value = (lines("Reshape", each, four) for each in turned)
        return [query, lines("Transpose", key, perm=[0, 1, 3, 2]), value]

    def _flat(self, lines: Lines) -> list[str]:
        if self.split in ("three products", "one axis"):
            return [self._product(lines, self.width, seed) for seed in range(3)]
        product = self._product(lines, 3 * self.width, 0)
        if self.split == "split before":
            sizes = lines.constant([self.width] * 3)
            return lines.several("Split", product, sizes, to=["q", "k", "v"], axis=-1)
        ends = [lines.constant([at * self.width]) for at in range(4)]
        axis = lines.constant([2])
        return [lines("Slice", product, ends[at], ends[at + 1], axis) for at in range(3)]

    def _of_five_axes(self, lines: Lines) -> list[str]:
        five = lines.constant([0, 0, 3, self.heads, SIZE])
        product = lines("Reshape", self._product(lines, 3 * self.width, 0), five)
        if self.split == "gather":
            thrice = lines("Transpose", product, perm=[2, 0, 3, 1, 4])
            return [lines("Gather", thrice, lines.constant(at)) for at in range(3)]
        parts = lines.several("Split", product, lines.constant([1, 1, 1]), to=["q", "k", "v"], axis=2)
        axis = lines.constant([2])
        return [lines("Transpose", lines("Squeeze", each, axis), perm=[0, 2, 1, 3]) for each in parts]

    def _product(self, lines: Lines, columns: int, seed: int, source: str = "x") -> str:
        product = lines("MatMul", source, lines.constant(noise(self.width, columns, seed=seed)))
        return lines("Add", lines.constant(noise(columns, seed=seed + 3)), product)

    def _join(self, lines: Lines, heads: str) -> None:
        if self.split == "one axis":
            heads = lines("Reshape", heads, lines.constant([-1, self.heads, self.length, SIZE]))
        perm = [2, 0, 1, 3] if self.split == "length first" else [0, 2, 1, 3]
        if self.apart:
            lines("Transpose", heads, perm=perm, to="y")
        else:
            joined = lines.constant([0, 0, self.width])
            lines("Reshape", lines("Transpose", heads, perm=perm), joined, to="y")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    split, mask = draw(st.sampled_from(SPLITS)), draw(st.sampled_from(FREE + FIXED))
    if split == "one axis":
        mask = "none"
    fixed = split in ("one axis", "length first") or mask in FIXED or draw(st.booleans())
    length = draw(st.integers(1, 5)) if fixed else None
    scaled, applied = draw(st.sampled_from(SCALES)), draw(st.sampled_from(APPLIED))
    heads = draw(st.sampled_from([1, 2, 3]))
    return Case(split, scaled, mask, applied, heads, length, draw(st.booleans()), draw(st.booleans()))


@settings(max_examples=40, deadline=None)
@given(cases(), st.integers(1, 3), st.integers(1, 6))
def test_attention(before, case: Case, batch: int, time: int):
    found = before(case.model(), case.feeds(batch, case.length or time))
    assert found.rewritten(fuse_attention) == 1
    assert "MultiHeadAttention" in found.types
    assert not {"Softmax", "Slice"} & {*found.types}
    assert case.split == "length first" or "Transpose" not in found.types
    whole = case.mask == "none"
    assert found.rewritten(fuse_attention_weights) == whole
    if whole:
        turned = ["Transpose"] if case.split == "length first" else []
        assert found.types == ["Attention", *turned, *(["Reshape"] if case.apart else [])]


OTHERS = {
    "softmax over queries": Case().model(axis=2),
    "weights given out": Case().model(outputs=("y", "p")),
    "a mask by another batch": Case(mask="keys").model(),
    "a number that scores would show beside": Case(mask="keys", applied="replaced").model(),
}
_low = next(each for each in OTHERS["a number that scores would show beside"].graph.initializer if each.name == "c8")
_low.CopyFrom(numpy_helper.from_array(np.array(-1e4, np.float32), _low.name))
OTHERS["a mask by another batch"].graph.input[1].type.tensor_type.shape.dim[0].dim_param = "other"


@pytest.mark.parametrize("name", OTHERS)
def test_other_expressions_stay(before, name: str):
    masked = len(OTHERS[name].graph.input) > 1
    assert before(OTHERS[name], Case(mask="keys" if masked else "none").feeds(2, 3)).rewritten(fuse_attention) == 0


def test_layers_share_what_a_mask_becomes(before):
    first, second = (Case(mask="keys").model() for _ in range(2))
    for node in second.graph.node:
        for names in (node.input, node.output):
            names[:] = [
                "y" if each == "x" else each if each == "mask" or each.startswith("c") else f"{each}_" for each in names
            ]
    first.graph.node.extend(second.graph.node)
    first.graph.output[0].name = "y_"
    found = before(first, Case(mask="keys").feeds(2, 3))
    assert found.rewritten(fuse_attention) == 2
    assert found.types.count("Expand") == 1


def test_weights_that_others_read_stay(before):
    model = Case().model()
    weights = [node for node in model.graph.node if node.op_type == "MatMul"][:2]
    weights[1].input[1] = weights[0].input[1]
    found = before(model, Case().feeds(2, 3))
    assert found.rewritten(fuse_attention) == 1
    assert found.rewritten(fuse_attention_weights) == 0


def test_dynamic_int8_of_what_it_becomes(before):
    found = before(Case("gather", heads=3).model(), Case(heads=3).feeds(2, 5))
    found.rewritten(fuse_attention)
    found.rewritten(fuse_attention_weights)
    quantize_dynamic(found.model, {"Attention"})
    assert found.types == ["DynamicQuantizeLinear", "QAttention"]
    assert models.decibels(found.answers[0], models.run(found.model, found.feeds)[0]) > 25
