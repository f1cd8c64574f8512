"""Torch-pruning: the dependency graph of the network's source, then distillation without labels, then ONNX.

    python benchmarks/pruning/torch_pruning_arm.py SUBJECT FOLDER RATIO SECONDS SEED PRODUCT.onnx

It has what its users have: the module with its normalizations, which the file has no more. Both its importances are
tried, magnitude and first-order Taylor (of the loss against the answers of the network itself, for there are no
labels); the one that is nearer to the original after a tenth of the time goes on. The state that comes nearest on a
tenth of the samples, which are not trained on, is kept. SECONDS are of CPU, on one thread.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "quantization"), str(HERE.parent), str(HERE.parent / "zoo")]

import networks  # noqa: E402 - the path above comes first
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch_pruning  # noqa: E402
from subjects import OUTPUT, RECOVERY, SUBJECTS  # noqa: E402
from torch import nn  # noqa: E402
from training import write_onnx  # noqa: E402

_MULTIPLE, _BATCH, _RATE, _TRIAL = 8, 32, 2e-3, 0.1
_SCORED = 256  # samples that Taylor importance is taken from


class Recovery:
    """Distils the original into what was left of it.

    Attributes:
        nearest: mean squared difference of the answers on the samples that are kept apart, over their variance.
    """

    def __init__(self, teacher: nn.Module, samples: np.ndarray, seed: int) -> None:
        self.samples = torch.from_numpy(samples)
        with torch.no_grad():
            self.wanted = torch.cat([teacher(part) for part in self.samples.split(_BATCH)])
        self._variance = self.wanted.var()
        self._trained_on = len(samples) - len(samples) // 10
        self._order = torch.Generator().manual_seed(seed)

    def run(self, student: nn.Module, seconds: float) -> float:
        """Train for so many CPU seconds, leave the nearest state in place, and return how near it is."""
        started = time.process_time()
        optimizer = torch.optim.Adam(student.parameters(), _RATE)
        best, kept = self.distance(student), copy.deepcopy(student.state_dict())
        while (spent := time.process_time() - started) < seconds:
            self._epoch(student, optimizer, started, seconds, spent)
            if (found := self.distance(student)) < best:
                best, kept = found, copy.deepcopy(student.state_dict())
        student.load_state_dict(kept)
        return best

    def _epoch(self, student: nn.Module, optimizer: Any, started: float, seconds: float, spent: float) -> None:
        student.train()
        for rows in torch.randperm(self._trained_on, generator=self._order).split(_BATCH):
            if len(rows) < _BATCH or spent >= seconds:
                break
            for group in optimizer.param_groups:
                group["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * spent / seconds))
            optimizer.zero_grad()
            (nn.functional.mse_loss(student(self.samples[rows]), self.wanted[rows]) / self._variance).backward()
            optimizer.step()
            spent = time.process_time() - started

    def distance(self, student: nn.Module) -> float:
        """Return how far the answers are on the samples that are kept apart."""
        student.eval()
        with torch.no_grad():
            parts = self.samples[self._trained_on :].split(_BATCH)
            found = torch.cat([student(part) for part in parts])
        distance = float(nn.functional.mse_loss(found, self.wanted[self._trained_on :]) / self._variance)
        return distance if math.isfinite(distance) else math.inf


def prune(network: nn.Module, importance: str, ratio: float, recovery: Recovery) -> tuple[nn.Module, str]:
    """Return a pruned copy, and what had to be left out.

    Raises:
        Exception: what the library raises where it cannot follow the network even so.
    """
    attentions = [layer for layer in network.modules() if isinstance(layer, networks.Attention)]
    if not attentions:
        return _pruned(network, importance, ratio, recovery, whole=True), ""
    try:
        return _pruned(network, importance, ratio, recovery, whole=True), ""
    except Exception as error:  # noqa: BLE001 - what it raises for a graph that it misreads is of any type
        note = (
            f"attention left out: {str(error).strip().splitlines()[-1][:200] if str(error) else type(error).__name__}"
        )
        return _pruned(network, importance, ratio, recovery, whole=False), note


def _pruned(network: nn.Module, importance: str, ratio: float, recovery: Recovery, *, whole: bool) -> nn.Module:
    student = copy.deepcopy(network)
    attentions = [layer for layer in student.modules() if isinstance(layer, networks.Attention)]
    ignored: list[nn.Module] = [[layer for layer in student.modules() if isinstance(layer, nn.Linear)][-1]]
    if not whole:
        ignored += [part for layer in attentions for part in (layer.mix, layer.out)]
    kinds = torch_pruning.importance
    pruner = torch_pruning.pruner.BasePruner(
        student,
        example_inputs=recovery.samples[:1],
        importance=kinds.GroupMagnitudeImportance(p=2) if importance == "magnitude" else kinds.GroupTaylorImportance(),
        pruning_ratio=ratio,
        round_to=_MULTIPLE,
        ignored_layers=ignored,
        num_heads={layer.mix: layer.heads for layer in attentions} if whole else {},
    )
    if importance == "Taylor":
        scored = recovery.samples[:_SCORED]
        nn.functional.cross_entropy(student(scored), recovery.wanted[:_SCORED].argmax(1)).backward()
    pruner.step()
    student.zero_grad()
    with torch.no_grad():
        student(recovery.samples[:1])  # what it misread shows here at the latest
    return student


def main(subject: str, folder: Path, ratio: float, seconds: float, seed: int, product: Path) -> dict[str, Any]:
    """Make the product and return what it took."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    started = time.process_time()
    teacher = SUBJECTS[subject].load(folder)
    with np.load(folder / RECOVERY) as archive:
        samples = archive[SUBJECTS[subject].input_name]
    recovery = Recovery(teacher, samples, seed)
    students: dict[str, tuple[nn.Module, str]] = {
        name: prune(teacher, name, ratio, recovery) for name in ("magnitude", "Taylor")
    }
    found = {name: recovery.run(student, _TRIAL * seconds) for name, (student, _) in students.items()}
    chosen = min(found, key=lambda name: found[name])
    student, note = students[chosen]
    nearest = recovery.run(student, (1 - _TRIAL * len(students)) * seconds)
    write_onnx(student, product, [samples[:1]], [SUBJECTS[subject].input_name], [OUTPUT])
    notes = [f"importance: {chosen}", f"relative distance on what it kept apart: {nearest:.3g}"]
    return {"cpu_s": time.process_time() - started, "notes": [*notes, *([note] if note else [])]}


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit((__doc__ or "").strip())
    given = sys.argv[1:]
    print(json.dumps(main(given[0], Path(given[1]), float(given[2]), float(given[3]), int(given[4]), Path(given[5]))))
