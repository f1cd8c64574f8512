"""The distance of a student's answers from its teacher's; 1 is as far as the teacher's mean answer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .distil_targets import Target

_TEMPERATURE = 2.0
_LEAST = 1e-8


@dataclass(frozen=True)
class Distances:
    """Distances of the targets; `scales`: what each is divided by."""

    targets: Sequence[Target]
    scales: Sequence[float]

    def of(self, found: Sequence[Tensor], wanted: Sequence[Tensor], seen: Tensor | None) -> Tensor:
        """Return the distance of each target, (targets,); `seen` (batch, length) is 0 where there is padding."""
        each = [
            _apart(target, ours, theirs, seen) / scale
            for target, ours, theirs, scale in zip(self.targets, found, wanted, self.scales, strict=True)
        ]
        return torch.stack(each)


def scaled(targets: Sequence[Target], wanted: Sequence[Sequence[Tensor]], seen: Sequence[Tensor | None]) -> Distances:
    """Return distances in units of how far the teacher's answers are from their mean; `wanted` are batches of them."""
    scales: list[float] = []
    for target, batches in zip(targets, zip(*wanted, strict=True), strict=True):
        mean = _mean(target, batches)
        apart = [
            float(_apart(target, mean.expand_as(_rows(target, each)).reshape(each.shape), each, mask))
            for each, mask in zip(batches, seen, strict=True)
        ]
        scales.append(max(sum(apart) / len(apart), _LEAST))
    return Distances(targets, scales)


def _rows(target: Target, values: Tensor) -> Tensor:
    """Return scores of a softmax that takes all from its axis on as one, as (rows, scores)."""
    return values.flatten(0, target.scores - 1).flatten(1) if target.flat and target.scores else values


def _mean(target: Target, batches: Sequence[Tensor]) -> Tensor:
    """Return the one answer that is nearest to all: of scores the mean probabilities, of values the mean."""
    if target.scores is None:
        return torch.cat([each.reshape(-1) for each in batches]).mean()
    axis = 1 if target.flat else target.scores
    shares = [torch.softmax(_rows(target, each) / _TEMPERATURE, axis).movedim(axis, -1) for each in batches]
    mean = torch.cat([each.reshape(-1, each.shape[-1]) for each in shares]).mean(0)
    after = _rows(target, batches[0]).dim() - 1 - axis % _rows(target, batches[0]).dim()
    return (_TEMPERATURE * mean.clamp_min(_LEAST).log()).reshape(-1, *[1] * after)


def _apart(target: Target, ours: Tensor, theirs: Tensor, seen: Tensor | None) -> Tensor:
    if target.scores is None:
        each = (ours - theirs) ** 2
    else:
        axis = 1 if target.flat else target.scores
        log = torch.log_softmax(_rows(target, ours) / _TEMPERATURE, axis)
        other = torch.log_softmax(_rows(target, theirs) / _TEMPERATURE, axis)
        each = (other.exp() * (other - log)).reshape(theirs.shape)
    if seen is None or each.dim() < 3 or each.shape[:2] != seen.shape:
        return each.mean()
    mask = seen.to(each.dtype).reshape(*seen.shape, *[1] * (each.dim() - 2)).expand_as(each)
    return (each * mask).sum() / mask.sum().clamp_min(1)
