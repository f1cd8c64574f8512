"""Edit an exported program: its graph, its tensors and the signature that binds the two.

`torch.export.ExportedProgram` is meant to be read. What a pass changes has to agree in three places (placeholders,
signature, state); this is the only file that knows how.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch._export.verifier import SpecViolationError
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.export.graph_signature import (
    CustomObjArgument,
    ExportGraphSignature,
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)
from torch.fx import Node

from ...contracts import ToolError
from ..onnx_model import one_line

_MUTATIONS = frozenset({OutputKind.BUFFER_MUTATION, OutputKind.PARAMETER_MUTATION, OutputKind.USER_INPUT_MUTATION})
# A torch.fx.Node. Its arguments may be of two dozen types; what they are is the operator's schema's business, and
# type checkers cannot read that.
Call: TypeAlias = Any

_HELD = frozenset({InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR})


def load_program(path: Path) -> ExportedProgram:
    """Open a `.pt2` file.

    Raises:
        ToolError: torch cannot open it.
    """
    try:
        return torch.export.load(str(path))
    except (RuntimeError, ValueError, KeyError, OSError, AssertionError, NotImplementedError) as error:
        raise ToolError(f"torch cannot load the program: {one_line(str(error))}") from error


def save_program(program: ExportedProgram, path: Path) -> None:
    """Write a `.pt2` file; equal programs give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, str(path))


def schema(call: Call) -> Any | None:
    """Return the schema of the operator that is called; None where it is a plain function."""
    return getattr(call.target, "_schema") if isinstance(call.target, OpOverload) else None  # noqa: B009 — it is public in all but name


def copy_program(program: ExportedProgram) -> ExportedProgram:
    """Return a copy that shares nothing; through the file format, because copying a graph renames its inputs."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    return torch.export.load(buffer)


class ProgramEditor:
    """A program that passes change in place. The program given is used up; take what `finish` returns."""

    def __init__(self, program: ExportedProgram) -> None:
        self.program = program
        self.module = program.graph_module
        self.graph = program.graph_module.graph
        self._inputs: dict[str, InputSpec] = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
        self._outputs: list[OutputSpec] = list(program.graph_signature.output_specs)
        self._state: dict[str, Any] = dict(program.state_dict)
        self._constants: dict[str, Any] = dict(program.constants)
        mutated = {spec.target for spec in self._outputs if spec.kind in _MUTATIONS}
        self._fixed = {name for name, spec in self._inputs.items() if spec.target in mutated}

    def calls(self, *targets: Any) -> Iterator[Call]:
        """Yield the calls of `targets` (all calls without any), in order; the graph may change meanwhile."""
        for node in list(self.graph.nodes):
            if node.op == "call_function" and (not targets or node.target in targets):
                yield node

    def holds(self, node: Any) -> bool:
        """Tell whether `node` stands for a tensor that the program holds and never writes to."""
        spec = self._inputs.get(node.name) if isinstance(node, Node) and node.op == "placeholder" else None
        return spec is not None and spec.kind in _HELD and node.name not in self._fixed

    def held(self) -> list[Call]:
        """Return the placeholders of all tensors that the program holds and never writes to."""
        return [node for node in self.graph.nodes if self.holds(node)]

    def tensor(self, node: Any) -> torch.Tensor:
        """Return the tensor that the placeholder `node` stands for, without its history."""
        target = self._inputs[node.name].target
        assert target is not None
        value = self._state[target] if target in self._state else self._constants[target]
        return value.detach()

    def optional(self, node: Any) -> torch.Tensor | None:
        """Return the tensor of `node`, None where the argument is absent."""
        return None if node is None else self.tensor(node)

    def add_tensor(self, name: str, value: torch.Tensor) -> Call:
        """Hold another tensor under a free name like `name`, and return its placeholder."""
        name = self._free(name)
        node = self._placeholder(f"b_{name}")
        node.meta["val"] = self._fake(value)
        self._state[name] = value.detach().clone(memory_format=torch.preserve_format)
        self._add(InputSpec(InputKind.BUFFER, TensorArgument(node.name), name, persistent=True))
        return node

    def add_object(self, name: str, value: Any) -> Call:
        """Hold one of torch's own script objects, such as prepacked weights, and return its placeholder."""
        name = self._free(name)
        node = self._placeholder(f"obj_{name}")
        argument = CustomObjArgument(name=node.name, class_fqn=value._type().qualified_name())
        node.meta["val"] = argument
        self._constants[name] = value
        self._add(InputSpec(InputKind.CUSTOM_OBJ, argument, name))
        return node

    def replace(self, old: Call, new: Call) -> None:
        """Let every reader of `old` read `new`, and take out what nothing reads any more."""
        old.replace_all_uses_with(new)
        self.erase(old)

    def erase(self, node: Call) -> None:
        """Take out a call that nothing reads, and the calls that only it read."""
        if node.users or node.op != "call_function":
            return
        before = list(node.all_input_nodes)
        self.graph.erase_node(node)
        for each in before:
            if each.op == "call_function" and not each.is_impure():
                self.erase(each)

    def call(self, before: Call, target: Any, args: tuple[Any, ...], like: Any) -> Call:
        """Insert a call before `before`; `like` is the fake tensor that says what it answers."""
        with self.graph.inserting_before(before):
            node = self.graph.call_function(target, args)
        node.meta["val"] = like
        return node

    def finish(self) -> ExportedProgram:
        """Return the program with unused tensors dropped.

        Raises:
            ToolError: what the passes left is no valid program.
        """
        self._drop_unused()
        answers = next(node for node in self.graph.nodes if node.op == "output").args[0]
        outputs = [
            OutputSpec(spec.kind, TensorArgument(node.name), spec.target)
            if isinstance(spec.arg, TensorArgument) and isinstance(node, Node)
            else spec
            for spec, node in zip(self._outputs, answers, strict=True)
        ]
        inputs = [self._inputs[node.name] for node in self.graph.nodes if node.op == "placeholder"]
        self.graph.lint()
        self.module.recompile()
        try:
            return ExportedProgram(
                root=self.module,
                graph=self.graph,
                graph_signature=ExportGraphSignature(inputs, outputs),
                state_dict=self._state,
                range_constraints=self.program.range_constraints,
                module_call_graph=self.program.module_call_graph,
                example_inputs=self.program.example_inputs,
                constants=self._constants,
                verifiers=self.program.verifiers,
            )
        except SpecViolationError as error:
            raise ToolError(f"the rewritten program is not valid: {one_line(str(error))}") from error

    def _drop_unused(self) -> None:
        for node in list(self.graph.nodes):
            spec = self._inputs.get(node.name)
            if node.op != "placeholder" or spec is None or spec.kind is InputKind.USER_INPUT or node.users:
                continue
            if node.name not in self._fixed:
                self.graph.erase_node(node)
                del self._inputs[node.name]
        used = {spec.target for spec in self._inputs.values()} | {spec.target for spec in self._outputs}
        self._state = {name: value for name, value in self._state.items() if name in used}
        self._constants = {name: value for name, value in self._constants.items() if name in used}

    def _placeholder(self, name: str) -> Call:
        """Insert before the inputs of the user, where all that the program holds comes."""
        first = next(
            node
            for node in self.graph.nodes
            if node.op != "placeholder" or self._inputs[node.name].kind is InputKind.USER_INPUT
        )
        with self.graph.inserting_before(first):
            return self.graph.placeholder(name.replace(".", "_"))

    def _free(self, name: str) -> str:
        taken = self._state.keys() | self._constants.keys()
        return next(each for each in (name, *(f"{name}_{n}" for n in range(1, 10**6))) if each not in taken)

    def _add(self, spec: InputSpec) -> None:
        self._inputs[spec.arg.name] = spec

    def _fake(self, value: torch.Tensor) -> Any:
        """Return the description of a tensor in the mode of this program's other descriptions."""
        for node in self.graph.nodes:
            fake: Any = node.meta.get("val")
            if isinstance(fake, FakeTensor):
                return fake.fake_mode.from_tensor(value.detach(), static_shapes=True)
        return value.detach().to("meta")
