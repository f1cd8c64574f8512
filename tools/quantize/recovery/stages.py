"""Run a model part by part on a few samples, so that what lies before a change is not computed again.

The values that the rest of the model reads are held between the parts. Nodes that depend on constants alone are never
held: a correction may change them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper

from ....contracts import ToolError
from ...onnx_model import node_graphs, read_names
from ..calibrate import Feeds
from ..trial import opened, run
from .channels import Moments, Tap, moments

HELD_BYTES = 256 * 2**20


class Stages:
    """The values of a model on samples, up to where it was last brought.

    Args:
        model: may be changed from outside, but not before what was reached.
        feeds: samples; as many are used as have values that fit in 256 MB, at least one.
        wanted: tensors that will be measured; what none of them needs is never run.
    """

    def __init__(self, model: ModelProto, feeds: Feeds, wanted: Collection[str]) -> None:
        self._model, self._wanted = model, set(wanted)
        self._done: set[str] = set()
        self._values: list[dict[str, Any]] = [dict(feed) for feed in feeds]

    @property
    def samples(self) -> int:
        """How many samples there are values of."""
        return len(self._values)

    def reach(self, tensors: Iterable[str]) -> None:
        """Compute `tensors` and all before them; a name that no node gives is passed over.

        Raises:
            ToolError: the model does not run on the samples, or has values between its nodes that are no arrays.
        """
        varying, nodes = self._varying(), self._before(tensors)
        made = [name for node in nodes for name in node.output if name in varying]
        self._done.update(made)
        read = {name for node in self._before(self._wanted) for name in _reads(node)} | self._wanted
        kept = [name for name in self._values[0] if name in read]
        self._values = self._run(nodes, [name for name in made if name in read], kept)

    def values(self, tensors: Collection[str]) -> Iterator[dict[str, Any]]:
        """Yield, sample by sample, tensors that are wanted and were reached."""
        return ({name: each[name] for name in tensors} for each in self._values)

    def forget(self, tensors: Iterable[str]) -> None:
        """Hold tensors no longer than what comes after them is computed."""
        self._wanted.difference_update(tensors)

    def moments(self, taps: Sequence[Tap]) -> dict[str, Moments]:
        """Return the moments of tensors that are computed from what was reached."""
        nodes = self._before(tap.tensor for tap in taps)
        part, inputs = self._part(nodes, [])
        return moments(part, taps, [{name: each[name] for name in inputs} for each in self._values])

    def _varying(self) -> set[str]:
        """Names of values that are not the same for every sample."""
        found = {each.name for each in self._model.graph.input} | set(self._values[0])
        for node in self._model.graph.node:
            if any(name in found for name in _reads(node)):
                found.update(name for name in node.output if name)
        return found

    def _before(self, tensors: Iterable[str]) -> list[NodeProto]:
        """Return the nodes that `tensors` still need, in order."""
        needed, nodes = set(tensors) - self._done, list[NodeProto]()
        for node in reversed(self._model.graph.node):
            if any(name in needed for name in node.output):
                nodes.append(node)
                needed |= _reads(node) - self._done
        return nodes[::-1]

    def _run(self, nodes: Sequence[NodeProto], made: Sequence[str], kept: Sequence[str]) -> list[dict[str, Any]]:
        if not made:
            return [{name: values[name] for name in kept} for values in self._values]
        part, inputs = self._part(nodes, made)
        held, found = 0, list[dict[str, Any]]()
        with opened(part, as_shipped=False) as session:
            for values in self._values:
                if held > HELD_BYTES:
                    break
                new = dict(zip(made, run(session, {name: values[name] for name in inputs}), strict=True))
                if not all(isinstance(each, np.ndarray) for each in new.values()):
                    raise ToolError("the model hands on values that are no arrays")
                found.append({**{name: values[name] for name in kept}, **new})
                held += sum(int(np.asarray(each).nbytes) for each in found[-1].values())
        return found

    def _part(self, nodes: Sequence[NodeProto], outputs: Sequence[str]) -> tuple[ModelProto, list[str]]:
        """Return a model of `nodes` alone, and its inputs: those of the values held that they read."""
        read = {name for node in nodes for name in _reads(node)}
        inputs = [name for name in self._values[0] if name in read]
        part = ModelProto(ir_version=self._model.ir_version)
        part.opset_import.extend(self._model.opset_import)
        part.functions.extend(self._model.functions)
        part.graph.name = "part"
        part.graph.node.extend(nodes)
        part.graph.initializer.extend(each for each in self._model.graph.initializer if each.name in read)
        part.graph.sparse_initializer.extend(
            each for each in self._model.graph.sparse_initializer if each.values.name in read
        )
        stated = {each.name: each for each in self._model.graph.input}
        part.graph.input.extend(stated.get(name) or _typed(name, self._values[0][name]) for name in inputs)
        part.graph.output.extend(map(helper.make_empty_tensor_value_info, outputs))
        return part, inputs


def _typed(name: str, value: Any) -> Any:
    array = np.asarray(value)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, [None] * array.ndim)


def _reads(node: NodeProto) -> set[str]:
    return {*node.input, *(name for graph in node_graphs(node) for name in read_names(graph))} - {""}
