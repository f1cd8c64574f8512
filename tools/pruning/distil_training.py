"""The loop of distillation: a race of rates, one schedule fitted to the time, the best weights kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from math import inf, isfinite
from typing import Any, Self

import numpy as np
import torch
from onnx import ModelProto
from torch import Tensor

from ...contracts import ToolError
from ..quantize.trial import opened
from ..trainable.graph import TrainableGraph
from .distil import Distilled, Kept, Told
from .distil_losses import Distances, scaled
from .distil_samples import Arrays, alone, arrays_of, batches, by_shape, padding_of, stacked
from .distil_steps import Adam, schedule
from .distil_targets import Target, Teacher, targets_of, telling

# Rates are shares of a weight's own size, so that they mean the same in any model.
_RATES = (0.1, 0.03, 0.01)
# Of the time, for each rate of the race; a race of too few steps tells nothing, and the middle rate is taken.
_RACE, _LEAST_RACE_STEPS = 0.04, 5
_WARM_UP = 0.05
_HELD_SHARE, _MOST_HELD = 0.2, 128
_MOST_BATCH, _STEPS_WANTED = 64, 300
_FEATURES_WEIGH = 2.0
_FALLS, _LOWER = 3, 0.3
_TOLD_EVERY = 1.0
# Judging takes at most about a tenth of the time.
_JUDGE_EVERY = 10.0
_JUDGED_TOGETHER = 32


class _Diverged(Exception):
    """The loss is no longer a number."""


class Training:
    """One distillation, with its clock running from the start; enter it before running."""

    def __init__(
        self,
        teacher: ModelProto,
        student: ModelProto,
        feeds: Sequence[Mapping[str, Any]],
        seconds: float,
        seed: int,
        trainable: Collection[str] | None,
        tensors: Kept,
    ) -> None:
        self._started, self._seconds = time.perf_counter(), seconds
        self._teacher_model, self._student = teacher, student
        self._feeds = [arrays_of(feed) for feed in feeds]
        self._graph = TrainableGraph(student, trainable)
        self._weights = list(self._graph.weights.values())
        if not self._weights:
            raise ToolError("nothing in this model can be trained", "pruning")
        self._targets = targets_of(teacher, student, tensors)
        self._rng = np.random.default_rng(seed)
        self._open = ExitStack()
        self._steps = 0
        self._best: list[Tensor] | None = None

    def __enter__(self) -> Self:
        with self._open:
            self._together = self._settle()
            session = self._session(self._teacher_model, self._targets)
            self._teacher = Teacher(session, self._targets, self._feeds, self._together)
            self._distances = Distances(self._targets, [1.0] * len(self._targets))
            self._divide()
            self._distances = self._scales()
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _session(self, model: ModelProto, targets: Sequence[Target]) -> Any:
        return self._open.enter_context(opened(telling(model, targets)))

    def _settle(self) -> bool:
        """Leave out what cannot be compared, find the padding, and tell whether samples may go in one call."""
        answers = [target for target in self._targets if not target.feature]
        session = self._session(self._teacher_model, answers)
        floats = [each.type in ("tensor(float)", "tensor(double)", "tensor(float16)") for each in session.get_outputs()]
        answers = [target for target, is_float in zip(answers, floats, strict=True) if is_float]
        if not answers:
            raise ToolError("no output of this model is a number that could be come near to", "pruning")
        self._padding = padding_of(session, self._feeds)
        self._targets = answers + [target for target in self._targets if target.feature]
        joined = [self._joined(model) for model in (self._teacher_model, self._student)]
        if any(found is None or not found >= set(range(len(answers))) for found in joined):
            return False
        both = set.intersection(*(found for found in joined if found is not None))
        self._targets = [target for index, target in enumerate(self._targets) if index in both]
        return True

    def _joined(self, model: ModelProto) -> set[int] | None:
        return alone(self._session(model, self._targets), self._feeds)

    def _divide(self) -> None:
        """Hold samples back for judging, and find how many make a batch that leaves time for enough steps."""
        order = self._rng.permutation(len(self._feeds)).tolist()
        count = max(2, min(_MOST_HELD, int(_HELD_SHARE * len(order))))
        self._held, self._trained = order[:count], order[count:]
        self._size = 4 if self._together else 1
        first = self._chunks(self._trained, self._size)[0]
        each = min(self._timed(first) for _ in range(3)) / len(first)
        affordable = self._seconds / _STEPS_WANTED / max(each, 1e-9)
        self._size = int(2 ** np.floor(np.log2(np.clip(min(affordable, len(self._trained) / 4), 1, _MOST_BATCH))))

    def _timed(self, chunk: list[int]) -> float:
        began = time.perf_counter()
        self._loss(chunk).sum().backward()
        return time.perf_counter() - began

    def _chunks(self, indices: Sequence[int], size: int) -> list[list[int]]:
        groups = by_shape([self._feeds[index] for index in indices])
        return [
            [indices[at] for at in group[start : start + size]]
            for group in groups
            for start in range(0, len(group), size)
        ]

    def _scales(self) -> Distances:
        chunks = [each for chunk in self._chunks(self._held, _JUDGED_TOGETHER) for each in self._calls(chunk)]
        answers = [[torch.from_numpy(each) for each in self._teacher.answers(chunk)] for chunk in chunks]
        return scaled(self._targets, answers, [self._seen(self._feed(chunk)) for chunk in chunks])

    def _calls(self, chunk: list[int]) -> list[list[int]]:
        return [chunk] if self._together else [[index] for index in chunk]

    def _feed(self, chunk: Sequence[int]) -> Arrays:
        feeds = [self._feeds[index] for index in chunk]
        return stacked(feeds) if len(feeds) > 1 else feeds[0]

    def _seen(self, feed: Arrays) -> Tensor | None:
        return None if self._padding is None else torch.from_numpy(feed[self._padding])

    def _loss(self, chunk: list[int]) -> Tensor:
        """Return the distance of each target on a batch, (targets,)."""
        calls = self._calls(chunk)
        return torch.stack([self._distance(call) for call in calls]).mean(0)

    def _distance(self, call: list[int]) -> Tensor:
        feed = self._feed(call)
        wanted = [torch.from_numpy(each) for each in self._teacher.answers(call)]
        names = [target.name for target in self._targets]
        found = self._graph({name: torch.from_numpy(np.array(each)) for name, each in feed.items()}, names)
        return self._distances.of([found[name] for name in names], wanted, self._seen(feed))

    def _judge(self) -> float:
        """Return the mean distance of the answers, features aside, on held samples."""
        answers = sum(not target.feature for target in self._targets)
        total = 0.0
        with torch.no_grad():
            for chunk in self._chunks(self._held, _JUDGED_TOGETHER):
                total += float(self._loss(chunk)[:answers].mean()) * len(chunk)
        return total / len(self._held) if isfinite(total) else inf

    def run(self, progress: Callable[[Told], None], cancelled: Callable[[], bool]) -> Distilled:
        """Train until the time is up."""
        self._progress, self._cancelled, self._told = progress, cancelled, 0.0
        began = time.perf_counter()
        self._before = self._least = self._judge()
        self._judging = time.perf_counter() - began
        self._given = self._state()
        try:
            reason = self._train()
        except KeyboardInterrupt:
            reason = "interrupted"
        self._restore(self._best or self._given)
        return Distilled(
            model=self._graph.write_back(),
            before=self._before,
            after=self._least,
            steps=self._steps,
            samples=(len(self._trained), len(self._held)),
            seconds=self._spent,
            reason=reason,
        )

    @property
    def _spent(self) -> float:
        return time.perf_counter() - self._started

    def _state(self) -> list[Tensor]:
        return [weight.detach().clone() for weight in self._weights]

    def _restore(self, state: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for weight, held in zip(self._weights, state, strict=True):
                weight.copy_(held)

    def _train(self) -> str:
        groups = by_shape([self._feeds[index] for index in self._trained])
        stream = batches([[self._trained[at] for at in group] for group in groups], self._size, self._rng)
        rate = self._race(stream)
        for fall in range(_FALLS):
            self._restore(self._best or self._given)
            try:
                return self._go(stream, rate * _LOWER**fall, self._seconds - self._spent)
            except _Diverged:
                continue
        return f"it diverged {_FALLS} times, at lower rates too"

    def _race(self, stream: Iterator[list[int]]) -> float:
        """Return the rate that comes nearest to the teacher in a little time, each from the same start."""
        found: dict[float, float] = {}
        for rate in _RATES:
            self._restore(self._given)
            before = self._steps
            try:
                self._go(stream, rate, _RACE * self._seconds)
            except _Diverged:
                found[rate] = inf
                continue
            if self._steps - before < _LEAST_RACE_STEPS:
                return _RATES[1]
            found[rate] = self._judge()
        return min(found, key=lambda rate: found[rate])

    def _go(self, stream: Iterator[list[int]], rate: float, seconds: float) -> str:
        """Train for `seconds`, the rate rising and then falling to nothing in that time.

        Raises:
            _Diverged: the loss is no number.
        """
        adam = Adam(self._weights)
        began, judged, longest = time.perf_counter(), time.perf_counter(), 0.0
        while (spent := time.perf_counter() - began) + longest + 2 * self._judging < seconds:
            if self._cancelled():
                self._keep_best()
                return "cancelled"
            self._step(adam, next(stream), rate * schedule(spent / seconds, _WARM_UP))
            longest = max(longest, time.perf_counter() - began - spent)
            if time.perf_counter() - judged > max(_JUDGE_EVERY * self._judging, 0.05 * seconds):
                self._keep_best()
                judged = time.perf_counter()
            self._tell()
        self._keep_best()
        return "the time was up"

    def _step(self, adam: Adam, chunk: list[int], rate: float) -> None:
        adam.clear()
        weighing = torch.tensor([_FEATURES_WEIGH if target.feature else 1.0 for target in self._targets])
        loss = (self._loss(chunk) * weighing).sum() / weighing.sum()
        if not bool(torch.isfinite(loss)):
            raise _Diverged
        loss.backward()
        adam.step(rate)
        self._steps += 1

    def _keep_best(self) -> None:
        found = self._judge()
        if found < self._least:
            self._least, self._best = found, self._state()

    def _tell(self) -> None:
        if self._spent - self._told >= _TOLD_EVERY:
            self._told = self._spent
            left = max(0.0, self._seconds - self._spent)
            nearest = self._least / self._before if self._before else 1.0
            self._progress(Told(min(1.0, self._spent / self._seconds), left, nearest))
