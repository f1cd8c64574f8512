"""One model in which every unit stands in two forms, and an input per unit chooses: `If` around each.

Measuring what each unit alone does in another form would otherwise take a model, and a session, per unit. A unit is
taken out with the activations that follow it, since they may become part of its form, and put back as both branches
of an `If`: as it was, and as the form's own writer makes it. All inputs that choose are false by default.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from ...contracts import LayerForm
from ..onnx_model import is_standard, to_tensor
from .graphs import Names, Use, fixed_initializers, replace_nodes, uses
from .trial import copy_model
from .weights import drop_stale_shapes

# Turns the unit of a model that holds nothing else to its form, in place; says what became of it.
Writer = Callable[[ModelProto, str], Sequence[LayerForm]]

# What a form may take into its unit: activations, and what passes 8-bit values on.
_FOLLOWERS = frozenset(
    {
        "Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "DepthToSpace", "Flatten", "GlobalAveragePool",
        "HardSigmoid", "HardSwish", "LeakyRelu", "MaxPool", "Mul", "Relu", "Reshape", "Resize", "Sigmoid", "Slice",
        "Squeeze", "Tanh", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
_HOPS = 6
_MIN_IR = 4  # below, every initializer is an input already


@dataclass(frozen=True)
class Cut:
    """A unit taken out of its graph.

    Attributes:
        nodes: the unit, then what follows it.
        model: nothing but these nodes, with the weights that they read.
        outputs: what the rest of the graph reads of them.
    """

    nodes: list[NodeProto]
    model: ModelProto
    outputs: list[str]


class Cutter:
    """Takes units out of the main graph of a model, which stays as it is."""

    def __init__(self, model: ModelProto) -> None:
        self._model = model
        self._constants = fixed_initializers(model.graph)
        self._readers: Mapping[str, list[Use]] = uses(model.graph)
        self._given = {each.name for each in model.graph.output}
        self._own = {id(node) for node in model.graph.node}

    def cut(self, node: NodeProto, units: Iterable[str] = (), gone: Container[str] = ()) -> Cut:
        """Take out `node` with what follows it alone, up to the next of `units` or what gives one of `gone`."""
        chain, others = [node], set(units)
        while len(chain) <= _HOPS and (after := self._follower(chain[-1])) is not None:
            if after.name in others or _key(after) in gone:
                break
            chain.append(after)
        made = {name for each in chain for name in each.output if name}
        outputs = [name for name in dict.fromkeys(chain[-1].output) if name and self._is_read(name)]
        read = dict.fromkeys(name for each in chain for name in each.input if name and name not in made)
        return Cut(chain, self._alone(chain, list(read), outputs), outputs)

    def _follower(self, node: NodeProto) -> NodeProto | None:
        if len(node.output) != 1 or node.output[0] in self._given:
            return None
        readers = self._readers.get(node.output[0], [])
        if len(readers) != 1 or id(readers[0].node) not in self._own or readers[0].index < 0:
            return None
        after = readers[0].node
        fits = after.op_type in _FOLLOWERS and is_standard(after) and len(after.output) == 1
        return after if fits else None

    def _is_read(self, name: str) -> bool:
        return name in self._given or name in self._readers

    def _alone(self, chain: Sequence[NodeProto], read: Sequence[str], outputs: Sequence[str]) -> ModelProto:
        given = [name for name in read if name not in self._constants]
        graph = helper.make_graph(
            [],
            "unit",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in given],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        )
        graph.node.extend(chain)
        graph.initializer.extend(self._constants[name] for name in read if name in self._constants)
        return helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)


class Switchboard:
    """Puts an `If` around units of a model, one after the other."""

    def __init__(self, model: ModelProto) -> None:
        self._model = copy_model(model)
        self._model.ir_version = max(self._model.ir_version, _MIN_IR)
        self._cutter = Cutter(model)
        self._names = Names(model)
        self._at: dict[str, NodeProto] = {node.name: node for node in model.graph.node if node.name}
        # Keyed by what a node gives first: not every node has a name.
        self._replaced: dict[str, NodeProto] = {}
        self._gone: set[str] = set()
        self._domains: dict[str, int] = {each.domain: each.version for each in model.opset_import}

    def add(self, unit: str, units: Iterable[str], write: Writer) -> tuple[str, LayerForm] | None:
        """Give `unit` its other form.

        Args:
            unit: name of a node.
            units: all names that are units.
            write: turns it to its form.

        Returns:
            The input that chooses the form, and what the writer says; None where the unit cannot be taken out, or not
            take the form.
        """
        node = self._at.get(unit)
        if node is None:
            return None
        cut = self._cutter.cut(node, units, self._gone)
        keys = [_key(each) for each in cut.nodes]
        if not cut.outputs or keys[0] in self._gone:
            return None
        written = copy_model(cut.model)
        layer = next((each for each in write(written, unit) if each.name == unit), None)
        if layer is None or layer.form == "fp32":
            return None
        switch = self._names.fresh("switch")
        self._domains.update((each.domain, each.version) for each in written.opset_import)
        other = [self._branch(graph, cut.outputs) for graph in (written.graph, _without_weights(cut.model.graph))]
        choice = helper.make_node("If", [switch], cut.outputs, self._names.fresh("choice"))
        for name, branch in zip(("then_branch", "else_branch"), other, strict=True):
            choice.attribute.append(helper.make_attribute(name, branch))
        self._replaced[keys[-1]] = choice
        self._gone.update(keys)
        self._add_switch(switch)
        return switch, layer

    def _add_switch(self, switch: str) -> None:
        self._model.graph.input.append(helper.make_tensor_value_info(switch, TensorProto.BOOL, []))
        self._model.graph.initializer.append(to_tensor(np.array(False), switch))

    def _branch(self, graph: GraphProto, outputs: Sequence[str]) -> GraphProto:
        """Return a branch of what `graph` holds, with names of its own for everything that it makes."""
        branch = GraphProto()
        branch.CopyFrom(graph)
        del branch.input[:], branch.output[:], branch.value_info[:]
        made = [name for node in branch.node for name in node.output if name]
        own = {name: self._names.fresh(name) for name in (*made, *(each.name for each in branch.initializer))}
        for node in branch.node:
            node.input[:] = [own.get(name, name) for name in node.input]
            node.output[:] = [own.get(name, name) for name in node.output]
            node.name = self._names.fresh(node.name)
        for tensor in branch.initializer:
            tensor.name = own[tensor.name]
        branch.output.extend(helper.make_tensor_value_info(own[name], TensorProto.FLOAT, None) for name in outputs)
        branch.name = self._names.fresh("branch")
        return branch

    def finished(self) -> ModelProto:
        """Return the model with all that was added."""
        kept = [node for node in self._model.graph.node if _key(node) not in self._gone or _key(node) in self._replaced]
        # Where the last of them stood, everything that the branches read is there.
        replace_nodes(self._model.graph, [self._replaced.get(_key(node), node) for node in kept])
        del self._model.opset_import[:]
        self._model.opset_import.extend(helper.make_opsetid(*each) for each in self._domains.items())
        drop_stale_shapes(self._model.graph)
        return self._model


def _key(node: NodeProto) -> str:
    return next((name for name in node.output if name), "")


def _without_weights(graph: GraphProto) -> GraphProto:
    """Return the graph without initializers: the branch reads those of the graph around it."""
    bare = GraphProto()
    bare.CopyFrom(graph)
    del bare.initializer[:]
    return bare
