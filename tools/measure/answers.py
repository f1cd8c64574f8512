"""What the original answers to a part of the data, kept so that it need not run again beside each candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

ANSWERS_FILE = "answers.npz"
# More is not kept: the model runs again.
LARGEST_BYTES = 64 * 2**20


class Answering(Protocol):
    """What answers samples: a session, or what stands for one."""

    @property
    def output_names(self) -> Sequence[str]: ...

    def run(self, feeds: Mapping[str, Any]) -> Sequence[Any]: ...


class Recorded:
    """Keeps what a session answers, as long as these are arrays of bounded size together."""

    def __init__(self, session: Answering) -> None:
        self._session = session
        self._kept: dict[str, Any] = {"names": np.array([*session.output_names])}
        self._bytes = self._samples = 0

    @property
    def output_names(self) -> Sequence[str]:
        return self._session.output_names

    def run(self, feeds: Mapping[str, Any]) -> Sequence[Any]:
        """Return the answers to one sample."""
        answers = self._session.run(feeds)
        self._bytes += sum(int(getattr(each, "nbytes", LARGEST_BYTES + 1)) for each in answers)
        if self._bytes > LARGEST_BYTES:
            self._kept.clear()
        else:
            self._kept |= {f"{self._samples}_{at}": np.array(each) for at, each in enumerate(answers)}
        self._samples += 1
        return answers

    def save(self, path: Path) -> None:
        """Write the answers to `path`; nothing where there were too many."""
        if self._bytes <= LARGEST_BYTES:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **self._kept)


class Replayed:
    """Gives out kept answers one after the other, whatever it is fed: in the order in which they were recorded.

    Args:
        path: what was kept.
        open_live: opens what answers where nothing was kept any more, with the given outputs.
    """

    def __init__(self, path: Path, open_live: Callable[[Sequence[str]], Answering]) -> None:
        self._arrays: Mapping[str, Any] = np.load(path, allow_pickle=False)
        self._names = [str(name) for name in self._arrays["names"]]
        self._next = 0
        self._open_live = open_live
        self._live: Answering | None = None

    @property
    def output_names(self) -> Sequence[str]:
        return self._names

    def run(self, feeds: Mapping[str, Any]) -> Sequence[Any]:
        """Return the answers to the next sample, which is this one."""
        if f"{self._next}_0" not in self._arrays:
            self._live = self._live or self._open_live(self._names)
            return self._live.run(feeds)
        answers = [self._arrays[f"{self._next}_{at}"] for at in range(len(self._names))]
        self._next += 1
        return answers
