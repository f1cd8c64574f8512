"""What a peer is given, and how it learns what its candidates are worth; runs in the peer's own environment.

A peer gets the samples that shipfit gets and never those held out: the first quarter to calibrate with, others to
validate on. It counts how often a sample was run through a model, and writes one product and one JSON document.
"""

from __future__ import annotations

import gc
import json
import math
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Feed = dict[str, np.ndarray]
MOST_CALIBRATED, MOST_VALIDATED = 300, 300


@dataclass
class Task:
    """One model to be made smaller and faster within bounds.

    Attributes:
        bounds: size (share of the bytes), speedup, drop (fraction of accuracy), db (SQNR at the worst output).
        ends: monotonic time by which the best that was found must be written.
        sample_runs: how often one sample was run through some model.
        notes: what failed on the way.
        seen: path of a candidate → what a search of another's found of it.
    """

    model: Path
    out: Path
    bounds: dict[str, float]
    calibration: list[Feed]
    validation: list[Feed]
    labels: np.ndarray | None
    ends: float
    sample_runs: int = 0
    notes: list[str] = field(default_factory=list)
    best: tuple[float, float] | None = None
    seen: dict[str, dict[str, float]] = field(default_factory=dict)
    _before: list[list[np.ndarray]] = field(default_factory=list)

    @property
    def product(self) -> Path:
        """Where the product goes."""
        return self.out / "model.onnx"

    def counted(self, feeds: list[Feed]) -> Iterator[Feed]:
        """Yield feeds, counting each as a run."""
        for feed in feeds:
            self.sample_runs += 1
            yield feed

    def answers(self, session: Any, feeds: list[Feed]) -> list[list[np.ndarray]]:
        """Return the answers of a session."""
        return [session.run(None, feed) for feed in self.counted(feeds)]

    @property
    def before(self) -> list[list[np.ndarray]]:
        """The original's answers to the validation samples."""
        if not self._before:
            self._before = self.answers(open_session(self.model), self.validation)
        return self._before

    def quality(self, session: Any) -> dict[str, float]:
        """Return what a candidate loses on the validation samples: `drop` where there are labels, and `db`."""
        after = self.answers(session, self.validation)
        found = {"db": decibels(self.before, after)}
        if self.labels is not None:
            found["drop"] = accuracy(self.before, self.labels) - accuracy(after, self.labels)
        return found

    def worth(self, path: Path) -> dict[str, float]:
        """Return a candidate's size, speed and quality.

        Raises:
            Exception: whatever the runtime says of a file that it cannot load or run.
        """
        session = open_session(path)
        found = self.quality(session)
        size = path.stat().st_size / self.model.stat().st_size
        return {**found, "size": size, "speedup": speedup(open_session(self.model), session, self.validation[:8])}

    def offer(self, name: str, path: Path) -> None:
        """Keep a candidate as the product when it is nearer to the request than what was found before."""
        try:
            found = self.worth(path)
        except Exception as error:  # noqa: BLE001 - whatever it is, the file is of no use and the reason is kept
            self.notes.append(f"{name}: {first_line(error)}")
            return
        self.notes.append(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in found.items()))
        rank = self.shortfall(found), found["size"] / found["speedup"]
        if self.best is None or rank < self.best:
            self.best = rank
            shutil.copyfile(path, self.product)

    def shortfall(self, found: dict[str, float]) -> float:
        """Return by how much a candidate misses the request, 0 when it meets all of it."""
        bounds = self.bounds
        missed = [
            max(0.0, found["size"] / bounds["size"] - 1) if "size" in bounds else 0.0,
            max(0.0, bounds["speedup"] / found["speedup"] - 1) if "speedup" in bounds else 0.0,
            max(0.0, found.get("drop", 0.0) - bounds["drop"]) * 20 if "drop" in bounds else 0.0,
            max(0.0, bounds["db"] - found["db"]) / 10 if "db" in bounds else 0.0,
        ]
        return sum(missed)

    @property
    def left_s(self) -> float:
        """Seconds that are left."""
        return self.ends - time.monotonic()


# The task of this process, for what a tool calls back.
running: list[Task] = []


def run(search: Callable[[Task], None]) -> None:
    """Read the task named on the command line, have it done, and write what it cost and what became of it."""
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.sched_setaffinity(0, {given["cpu"]})  # one thread, whatever a tool's own sessions would take
    task, error = read(given), ""
    running.append(task)
    try:
        search(task)
    except Exception as caught:  # noqa: BLE001 - what a peer fails with is part of the result
        error = f"{type(caught).__name__}: {first_line(caught)}"
        traceback.print_exception(caught)
    document = {"error": error, "sample_runs": task.sample_runs, "notes": task.notes}
    (task.out / "result.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read(given: dict[str, Any]) -> Task:
    """Return a task from its JSON."""
    with np.load(given["data"]) as archive:
        arrays = dict(archive)
    labels = arrays.pop("labels", None)
    model, out = Path(given["model"]), Path(given["out"])
    specs = {spec.name: len(spec.shape) for spec in open_session(model).get_inputs()}
    feeds = [
        {name: row if row.ndim == specs[name] else row[None] for name, row in sample.items()}
        for sample in (
            {name: array[i] for name, array in arrays.items()} for i in range(len(next(iter(arrays.values()))))
        )
    ]
    quarter = max(1, len(feeds) // 4)
    rest = slice(quarter, quarter + MOST_VALIDATED)
    return Task(
        model=model,
        out=out,
        bounds=given["bounds"],
        calibration=feeds[:quarter][:MOST_CALIBRATED],
        validation=feeds[rest],
        labels=None if labels is None else labels[rest],
        ends=time.monotonic() + given["seconds"],
    )


def open_session(model: Path | bytes) -> Any:
    """Return a stock session of one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    content = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def accuracy(answers: list[list[np.ndarray]], labels: np.ndarray) -> float:
    """Return top-1 accuracy of the first output."""
    return float(np.mean([int(answer[0].argmax()) == label for answer, label in zip(answers, labels, strict=True)]))


def decibels(before: list[list[np.ndarray]], after: list[list[np.ndarray]]) -> float:
    """Return the SQNR at the worst output, at most 100 dB."""
    found: list[float] = []
    for place in range(len(before[0])):
        pairs = [(a[place].astype(np.float64), b[place].astype(np.float64)) for a, b in zip(before, after, strict=True)]
        signal, noise = sum(float((a**2).sum()) for a, _ in pairs), sum(float(((a - b) ** 2).sum()) for a, b in pairs)
        found.append(10 * math.log10(max(signal, 1e-30) / noise) if noise > 0 else 100.0)
    worst = min(found)
    return min(worst, 100.0) if math.isfinite(worst) else -100.0


def speedup(original: Any, candidate: Any, feeds: list[Feed], seconds: float = 1.5) -> float:
    """Return original time / candidate time: medians of thread CPU time, interleaved, three untimed calls each."""
    times: tuple[list[float], list[float]] = ([], [])
    gc.disable()
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(times[0]) < 5:
        feed = feeds[len(times[0]) % len(feeds)]
        for session, spent in zip((original, candidate), times, strict=True):
            for _ in range(3):
                session.run(None, feed)
            start, calls = time.thread_time(), 0
            while calls == 0 or time.thread_time() - start < 0.002:
                session.run(None, feed)
                calls += 1
            spent.append((time.thread_time() - start) / calls)
    gc.enable()
    return float(np.median(times[0]) / np.median(times[1]))


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, at most 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
