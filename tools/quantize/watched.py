"""Where damage is told: at the logits where an output has some, which a Softmax or Sigmoid after them would hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onnx import ModelProto

from ..measure.logits import logits_of, unmasked, with_outputs
from ..onnx_model import delete_named


@dataclass(frozen=True)
class Watched:
    """A model whose outputs are where damage is told, and what is fed back.

    Attributes:
        told: whether damage is told at each output; `logits`: whether it is logits.
        state: input → place of the output that it is fed.
    """

    model: ModelProto
    told: Sequence[bool]
    logits: Sequence[bool]
    state: Mapping[str, int]

    def heard(self, outputs: Sequence[Any]) -> list[Any]:
        """Return the outputs that damage is told at, logits without what is masked."""
        return [
            unmasked(each) if masked else each
            for each, told, masked in zip(outputs, self.told, self.logits, strict=True)
            if told
        ]


def watch(model: ModelProto, state: Mapping[str, str], told: str | None) -> Watched:
    """Return the model that gives out the logits of each output, or itself where it has none, and all states."""
    logits = logits_of(model)
    outputs = [each.name for each in model.graph.output]
    heard = {logits.get(name, name) for name in ([told] if told is not None else outputs)}
    watched = with_outputs(model, sorted(heard))
    delete_named(watched.graph.output, set(outputs) - heard - set(state.values()))
    names = [each.name for each in watched.graph.output]
    return Watched(
        watched,
        [name in heard for name in names],
        [name in logits.values() for name in names],
        {name: names.index(output) for name, output in state.items()},
    )
