"""A model's graph as a torch module, with initializers as parameters; the graph stays the source of truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from onnx import ModelProto
from torch import Tensor, nn

from ...contracts import ToolError
from ..onnx_model import one_line, quoted
from .call import DTYPES, Inputs, Value
from .plan import Plan, Step, plan_of
from .weights import LEARNED_TYPES, held_tensors, learned

_FAULTS = (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError)


@dataclass
class _Scope:
    """The values of one graph while it runs, and around it those of the graph that it stands in."""

    values: dict[str, Value] = field(default_factory=dict)
    outer: _Scope | None = None

    def find(self, name: str) -> Value:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        raise ToolError(f"nothing gives {quoted(name)}")


class TrainableGraph(nn.Module):
    """Executes `model` in torch, on the CPU.

    Args:
        model: as `model_files.load` gives it; it is read, never written to.
        trainable: names of the initializers (and Constants) that become parameters; None: what `weights.learned` finds.
            Parameters are float32 however they are stored, and rounded to what is stored each time they are used.
        double: compute in 64 bits throughout, for numerical checks of gradients.

    Raises:
        ToolError: an operator or a name is not there; the message names it.
    """

    def __init__(self, model: ModelProto, trainable: Collection[str] | None = None, double: bool = False) -> None:
        super().__init__()
        self._model, self._double = model, double
        self._main = plan_of(model, double)
        chosen = learned(model) if trainable is None else frozenset(trainable)
        self._weights = nn.ParameterList()
        self._places: dict[str, int] = {}
        self._kinds: dict[str, torch.dtype] = {}
        self._keys: dict[int, dict[str, str]] = {}
        self._fixed: dict[str, Tensor] = {}
        self._hold(chosen)
        self._known: dict[str, Tensor] = {}
        self._prepared: dict[frozenset[str], tuple[Step, ...]] = {}
        self._fold()

    def _hold(self, chosen: frozenset[str]) -> None:
        for held in held_tensors(self._model):
            self._keys.setdefault(held.graph, {})[held.name] = held.key
            if held.key in chosen:
                if held.kind not in LEARNED_TYPES:
                    raise ToolError(f"{quoted(held.key)} holds whole numbers and cannot be trained")
                self._kinds[held.key] = self._float(DTYPES[held.kind])
                self._places[held.key] = len(self._weights)
                wide = torch.float64 if self._double else torch.float32
                self._weights.append(nn.Parameter(held.tensor().to(wide)))
            else:
                self._fixed[held.key] = self._typed(held.tensor())
        if lacking := sorted(chosen - self._places.keys()):
            raise ToolError(f"the model holds no {', '.join(quoted(each) for each in lacking[:4])}")

    def _float(self, kind: torch.dtype) -> torch.dtype:
        return torch.float64 if self._double and kind.is_floating_point else kind

    def _typed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._float(tensor.dtype))

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        """The parameters by name."""
        return {name: self._weights[index] for name, index in self._places.items()}

    @property
    def input_names(self) -> tuple[str, ...]:
        return self._main.inputs

    @property
    def output_names(self) -> tuple[str, ...]:
        return self._main.outputs

    def forward(self, feed: Mapping[str, Tensor], wanted: Collection[str] | None = None) -> dict[str, Tensor]:
        """Return the outputs, or whichever values of the main graph are `wanted`, and compute no more than they need.

        Raises:
            ToolError: an input is missing, nothing gives a wanted name, or a node cannot be computed.
        """
        names = self._main.outputs if wanted is None else tuple(wanted)
        scope = _Scope(dict(self._known))
        scope.values.update(self._held(0))
        scope.values.update({name: self._typed(value) for name, value in feed.items()})
        self._run(self._steps_for(frozenset(names)), scope, frozenset(names))
        return {name: _present(scope.find(name), name) for name in names}

    def _held(self, graph: int) -> dict[str, Value]:
        return {name: self._value(key) for name, key in self._keys.get(graph, {}).items()}

    def _value(self, key: str) -> Tensor:
        if key in self._places:
            weight = self._weights[self._places[key]]
            return weight if weight.dtype == self._kinds[key] else weight.to(self._kinds[key])
        return self._fixed[key]

    def _steps_for(self, names: frozenset[str]) -> tuple[Step, ...]:
        if names not in self._prepared:
            if len(self._prepared) > 64:
                self._prepared.clear()
            needed, kept = set(names), list[Step]()
            for step in reversed(self._main.steps):
                if needed.intersection(step.outputs) and not self._known.keys() >= set(filter(None, step.outputs)):
                    kept.append(step)
                    needed |= step.reads
            self._prepared[names] = tuple(reversed(kept))
        return self._prepared[names]

    def _fold(self) -> None:
        """Compute once what depends on fixed tensors alone."""
        scope = _Scope({name: value for name, value in self._held(0).items() if self._keys[0][name] in self._fixed})
        with torch.no_grad():
            for step in self._main.steps:
                if not step.bodies and step.inputs and step.reads <= scope.values.keys():
                    self._perform(step, scope)
                    self._known.update({name: _present(scope.find(name), name) for name in step.outputs if name})

    def _run(self, steps: Sequence[Step], scope: _Scope, kept: frozenset[str]) -> None:
        """Execute `steps`; a value goes when its last reader has read it, unless it is `kept`."""
        last = {name: index for index, step in enumerate(steps) for name in step.reads}
        going: dict[int, list[str]] = {}
        for name, index in last.items():
            if name not in kept:
                going.setdefault(index, []).append(name)
        for index, step in enumerate(steps):
            self._perform(step, scope)
            for name in going.get(index, ()):
                scope.values.pop(name, None)

    def _perform(self, step: Step, scope: _Scope) -> None:
        inputs = Inputs([scope.find(name) if name else None for name in step.inputs])
        call = step.call
        if step.bodies:
            call = replace(call, bodies={name: partial(self._body, plan, scope) for name, plan in step.bodies.items()})
        try:
            answer = step.function(call, inputs)
        except ToolError as error:
            raise _told(step, error.message) from error
        except _FAULTS as error:
            raise _told(step, one_line(str(error))) from error
        answers: tuple[Value, ...] = answer if isinstance(answer, tuple) else (answer,)
        if len(answers) < step.call.outputs:
            raise _told(step, f"it gives {len(answers)} of the {step.call.outputs} outputs that are asked for")
        scope.values.update({name: value for name, value in zip(step.outputs, answers, strict=False) if name})

    def _body(self, plan: Plan, scope: _Scope, inputs: Sequence[Value]) -> list[Tensor]:
        inner = _Scope(dict(zip(plan.inputs, inputs, strict=False)), scope)
        inner.values.update(self._held(plan.index))
        self._run(plan.steps, inner, frozenset(plan.outputs))
        return [_present(inner.find(name), name) for name in plan.outputs]

    def write_back(self) -> ModelProto:
        """Return a copy of the model with every parameter that changed; all else stays as it was, to the byte.

        Raises:
            ToolError: a parameter is no longer finite.
        """
        model = ModelProto()
        model.CopyFrom(self._model)
        for held in held_tensors(model):
            if held.key not in self._places:
                continue
            before = held.array()
            after = self._weights[self._places[held.key]].detach().numpy().astype(before.dtype)
            if not np.array_equal(before, after):
                if not np.isfinite(after).all():
                    raise ToolError(f"{quoted(held.key)} is no longer finite")
                held.write(after)
        return model


def _present(value: Value, name: str) -> Tensor:
    if value is None:
        raise ToolError(f"{quoted(name)} is not computed")
    return value


def _told(step: Step, reason: str) -> ToolError:
    label = f"{step.call.op[:40]} {quoted(step.call.name or next(iter(step.outputs), ''))}"
    return ToolError(f"{label} cannot be computed in torch: {reason}")
