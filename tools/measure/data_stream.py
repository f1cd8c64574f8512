"""Streams: samples that are sequences of calls, with states fed back from one call to the next.

A sample's arrays have the calls as their second axis. The canonical data hold each call as a feed of its own, with the
states that the original had reached, so that calibration and timing see states as they occur; an evaluation feeds each
model its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...contracts import DataError, Part, Session, ToolError
from .data_fit import Layout, fit
from .data_spool import TARGET, Spool
from .sources.sample import MAX_BYTES, RawSample
from .synthesize import InputSpec, shape_text

Feed = Mapping[str, np.ndarray]


def check_state(state: Mapping[str, str], specs: Sequence[InputSpec], session: Session) -> list[InputSpec]:
    """Return the inputs that are fed back.

    Raises:
        DataError: a name that is no input or no output, or nothing left that samples could give.
    """
    names = {spec.name: spec for spec in specs}
    for name, output in state.items():
        if name not in names:
            raise DataError(f"state names {name[:80]!r}, which is no input; inputs: {', '.join(map(repr, names))}")
        if output not in session.output_names:
            outputs = ", ".join(map(repr, session.output_names))
            raise DataError(f"state feeds {name!r} from {output[:80]!r}, which is no output; outputs: {outputs}")
    if state and len(state) == len(names):
        raise DataError("state lists every input, so nothing is left that a sample could give; leave one out")
    return [spec for spec in specs if spec.name in state]


def first_states(states: Sequence[InputSpec], given: Feed, where: str) -> dict[str, np.ndarray]:
    """Return the states of a stream's first call: as given, else zeros (free dimensions become 1)."""
    zeros = {
        spec.name: np.zeros([dim if isinstance(dim, int) else 1 for dim in spec.shape], spec.dtype) for spec in states
    }
    sample = RawSample({**zeros, **given}, None, where)
    return fit(list(states), Layout((), 1), sample)


def unroll(specs: Sequence[InputSpec], sample: RawSample) -> list[RawSample]:
    """Return the calls of a stream, each a sample as the model takes it, with or without its batch axis.

    An input that is one number for the model may be given once for the whole stream.

    Raises:
        DataError: an input without an axis of calls, or inputs that differ in their number of calls.
    """
    lengths: dict[str, int] = {}
    for spec in specs:
        row = sample.inputs[spec.name]
        if row.ndim == 0 and len(spec.shape) <= 1:
            continue
        if row.ndim not in (max(len(spec.shape), 1), len(spec.shape) + 1):
            raise DataError(
                f"{sample.where}: {spec.name!r} has shape {list(row.shape)} per sample, but a stream of calls that "
                f"take {shape_text(spec)} is expected; its first axis is the sample, its second the calls"
            )
        lengths[spec.name] = row.shape[0]
    if not lengths or len(set(lengths.values())) > 1 or 0 in lengths.values():
        listed = ", ".join(f"{name!r} {length}" for name, length in lengths.items()) or "none"
        raise DataError(f"{sample.where}: the inputs must agree in their number of calls, one at least ({listed})")
    return [
        RawSample(
            {spec.name: sample.inputs[spec.name][call] if spec.name in lengths else sample.inputs[spec.name]
             for spec in specs},
            None,
            f"call {call} of {sample.where}",
        )
        for call in range(next(iter(lengths.values())))
    ]  # fmt: skip


def roll(calls: Sequence[Feed]) -> dict[str, np.ndarray]:
    """Return fitted calls as one sample.

    Raises:
        ValueError: calls of different shapes.
    """
    return {name: np.stack([call[name] for call in calls]) for name in calls[0]}


class Recorder:
    """Runs the original over streams, and keeps each call with the states it met.

    Args:
        session: the original.
        specs: all inputs of the model, in order.
        plan: how rows become feeds.
        state: input → output.
        labels: the targets of the streams are class indices of their calls.
    """

    def __init__(
        self,
        session: Session,
        specs: Sequence[InputSpec],
        plan: Layout,
        state: Mapping[str, str],
        *,
        labels: bool = False,
    ) -> None:
        self._labels = labels
        self._session = session
        self._specs = specs
        self._plan = plan
        self._state = state
        self._bytes = 0

    def record(
        self, streams: Spool, parts: Mapping[Part, list[int]], calls: Spool
    ) -> tuple[dict[Part, list[int]], dict[Part, list[int]]]:
        """Put the calls of every stream into `calls`.

        Returns:
            part → indices of calls, and part → lengths of streams. Calibration calls are dealt out in turns, because
            its first samples are all that some tools look at.
        """
        indices: dict[Part, list[int]] = {}
        lengths: dict[Part, list[int]] = {}
        for part, members in parts.items():
            runs = [self._stream(streams, member, calls) for member in members]
            lengths[part] = [len(run) for run in runs]
            indices[part] = [index for run in runs for index in run]
            if part == "calibration":
                turns = [[run[turn] for run in runs if turn < len(run)] for turn in range(max(lengths[part]))]
                indices[part] = [index for turn in turns for index in turn]
        return indices, {part: found for part, found in lengths.items() if part != "calibration"}

    def _stream(self, streams: Spool, member: int, calls: Spool) -> list[int]:
        row = streams.row(member)
        own = row.pop(TARGET, None)
        states = {name: row.pop(name) for name in self._state}
        length = len(next(iter(row.values())))
        text, first = streams.text(member), len(calls)
        for call in range(length):
            feed = {name: np.asarray(array[call]) for name, array in row.items()} | states
            target = np.asarray(own[call]) if own is not None and per_call(own, length) else own
            ordered = {spec.name: feed[spec.name] for spec in self._specs}
            self._bytes += sum(array.nbytes for array in ordered.values())
            if self._bytes > MAX_BYTES:
                raise DataError(f"the streams with their states take more than {MAX_BYTES:,} bytes; give fewer")
            if self._labels and target is not None:
                calls.add(ordered, int(target))
            else:
                calls.add(ordered, streams.label(member), text if text is not None else target)
            states = self._next(feed)
        return list(range(first, first + length))

    def _next(self, feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the states after a call.

        Raises:
            DataError: the model refuses the call, or answers a state of another type or shape than it takes.
        """
        batched = {name: row[np.newaxis] if name in self._plan.batched else row for name, row in feed.items()}
        try:
            outputs = dict(zip(self._session.output_names, self._session.run(batched), strict=True))
        except ToolError as error:
            raise DataError(f"the model does not accept the data: {error.message}") from error
        return {name: _fitting(name, output, feed[name], outputs[output]) for name, output in self._state.items()}


def _fitting(name: str, output: str, old: np.ndarray, new: Any) -> np.ndarray:
    if not isinstance(new, np.ndarray) or new.dtype != old.dtype or new.shape != old.shape:
        what = f"{new.dtype}{list(new.shape)}" if isinstance(new, np.ndarray) else type(new).__name__
        raise DataError(f"state feeds {name!r}, {old.dtype}{list(old.shape)}, from {output!r}, which is {what}")
    return new


def per_call(target: np.ndarray, calls: int) -> bool:
    """Tell whether a target answers each call: its first axis is the calls."""
    return target.ndim > 0 and target.shape[0] == calls
