"""Measure what each lever does to torch programs, and the bar: a CNN on digits ≥ 1.3 × at no loss.

    python benchmarks/torch_models.py                    all models and levers
    python benchmarks/torch_models.py --model cnn        one model; may be repeated
    python benchmarks/torch_models.py --compile          also what torch.compile reaches, which is no product

Original and product are opened as `torch.export.load(…).module()`, and timed in turn in one process on one thread,
one sample a call; `A/A` is the original against itself. Models are trained on half of scikit-learn's digits and judged
on the other half. Figures go to benchmarks/results/torch.{json,md}. Exits with 1 when the bar is missed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import Machine, describe
from pydantic import BaseModel
from torch import nn

from shipfit.contracts import NoOpError, OptimizeGraphStep, PruneStep, QuantizeStep, Step, ToolError
from shipfit.tools.demo import load_digits, train_network
from shipfit.tools.pytorch.editor import copy_program, load_program, save_program
from shipfit.tools.pytorch.feeds import Calls
from shipfit.tools.pytorch.graph import ensure_same, rewrite
from shipfit.tools.pytorch.optimizer import export_model
from shipfit.tools.pytorch.prune import prune_program
from shipfit.tools.pytorch.quantize import quantize_program
from shipfit.tools.pytorch.quiet import quiet
from shipfit.tools.pytorch.validate import speedup, validate

RESULTS = Path(__file__).resolve().parent / "results"
BAR_SPEEDUP = 1.3
_EPOCHS, _BATCH = 12, 32

_INT8 = QuantizeStep(compute={"conv2d": "static", "linear": "dynamic"}, storage="int8")
LEVERS: dict[str, Step] = {
    "graph passes, fastest layout": OptimizeGraphStep(layout="auto"),
    "graph passes, no layout": OptimizeGraphStep(layer_optimization=False),
    "static conv, dynamic linear": _INT8,
    "static conv, all of them": _INT8.model_copy(update={"min_terms": 0}),
    "static conv and linear": QuantizeStep(compute={"conv2d": "static", "linear": "static"}),
    "dynamic linear": QuantizeStep(compute={"linear": "dynamic"}),
    "int8 tables": QuantizeStep(storage="int8"),
    "fp16 tables": QuantizeStep(storage="fp16"),
    "a quarter of the channels out": PruneStep(method="structured", ratio=0.25),
    "half of the channels out": PruneStep(method="structured", ratio=0.5),
}


class Row(BaseModel):
    """One lever on one model; without figures where it does not apply."""

    model: str
    lever: str
    note: str
    size_ratio: float | None = None
    speedup: float | None = None
    fidelity_db: float | None = None
    accuracy: float | None = None
    original_accuracy: float | None = None
    seconds: float | None = None


class Results(BaseModel):
    """All rows, and the machine they were measured on."""

    machine: Machine
    noise: dict[str, float] = {}
    rows: list[Row] = []


class Mobile(nn.Module):
    """Pointwise and depthwise convolutions in turn."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU6()]
        for _ in range(4):
            layers += [nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False), nn.BatchNorm2d(64), nn.ReLU6()]
            layers += [nn.Conv2d(64, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU6()]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(64, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(image).mean((2, 3)))


class Recurrent(nn.Module):
    """Reads an image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.head = nn.LSTM(8, 256, batch_first=True), nn.Linear(256, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.rows(image.flatten(1, 2))[0][:, -1])


class Attentive(nn.Module):
    """A small transformer over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(8, 256)
        self.place = nn.Parameter(torch.zeros(1, 8, 256))
        layer = nn.TransformerEncoderLayer(256, 4, 1024, dropout=0.0, batch_first=True)
        self.body, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(256, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.enter(image.flatten(1, 2)) + self.place).mean(1))


class Tables(nn.Module):
    """Looks up every pixel's grey value in a table and adds up what it finds."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(64 * 17, 256), nn.Linear(256, 10)
        self.register_buffer("place", torch.arange(64) * 17)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.table((image.flatten(1) * 16).long() + self.place).mean(1))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mobile": Mobile,
    "lstm": Recurrent,
    "transformer": Attentive,
    "tables": Tables,
}


def main() -> int:
    """Measure, write and judge."""
    options = _arguments()
    images, labels = load_digits()
    order = np.random.default_rng(0).permutation(len(labels))
    x, y = torch.from_numpy(images[order]), torch.from_numpy(labels[order])
    results = Results(machine=describe())
    with tempfile.TemporaryDirectory() as folder:
        for name in options.model or ["cnn", *MODELS]:
            module = _trained(name, x[:900], y[:900])
            source = Path(folder) / f"{name}.pt2"
            with quiet():
                save_program(export_model(module, (x[:2],), None), source)
                results.noise[name] = _noise(source, x[900:])
            for row in _rows(name, source, x, y, options.compile):
                results.rows.append(row)
                print(_line(row), flush=True)
    RESULTS.mkdir(exist_ok=True)
    if not options.model:
        (RESULTS / "torch.json").write_text(results.model_dump_json(indent=1) + "\n")
        (RESULTS / "torch.md").write_text(_page(results))
    return 0 if all(_holds(row) for row in results.rows if row.model == "cnn" and row.lever in _BAR_LEVERS) else 1


_BAR_LEVERS = ("static conv, dynamic linear",)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the levers on torch programs.")
    parser.add_argument("--model", action="append", choices=["cnn", *MODELS], help="only this one; may be repeated")
    parser.add_argument("--compile", action="store_true", help="also time torch.compile")
    return parser.parse_args()


def _trained(name: str, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    if name == "cnn":
        network: nn.Module = train_network(x.numpy(), y.numpy(), 0)
        return network
    torch.manual_seed(0)
    module = MODELS[name]()
    optimizer = torch.optim.AdamW(module.parameters(), 2e-3)
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(y)).split(_BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimizer.step()
    return module.eval()


def _calls(images: torch.Tensor) -> Calls:
    return [((images[index : index + 1],), {}) for index in range(len(images))]


def _noise(source: Path, images: torch.Tensor) -> float:
    return speedup(load_program(source).module(), load_program(source).module(), _calls(images))


def _rows(name: str, source: Path, x: torch.Tensor, y: torch.Tensor, compiled: bool) -> Iterator[Row]:
    for lever, step in LEVERS.items():
        started = time.perf_counter()
        try:
            with quiet():
                product = source.with_suffix(".product.pt2")
                note = _perform(step, source, product, _calls(x[:225]))
                result = validate(load_program(source), load_program(product), _calls(x[900:]), y[900:], False)
        except (NoOpError, ToolError) as error:
            yield Row(model=name, lever=lever, note=error.message)
            continue
        yield Row(
            model=name,
            lever=lever,
            note=note,
            size_ratio=os.path.getsize(product) / os.path.getsize(source),
            speedup=result.speedup,
            fidelity_db=result.fidelity_db,
            accuracy=result.accuracy,
            original_accuracy=result.original_accuracy,
            seconds=time.perf_counter() - started,
        )
    if compiled:
        yield _compiled(name, source, x[900:])


def _perform(step: Step, source: Path, product: Path, calls: Calls) -> str:
    """Perform one step as a run does, without a child process, and return what it notes."""
    program = load_program(source)
    if isinstance(step, OptimizeGraphStep):
        original = copy_program(program)
        rewritten = rewrite(step, program, calls[:4])
        ensure_same(original, rewritten.program, calls[:4])
        made, note = rewritten.program, "; ".join(rewritten.notes)
    elif isinstance(step, QuantizeStep):
        quantized = quantize_program(step, program, calls)
        made, note = quantized.program, "; ".join(quantized.notes)
    else:
        assert isinstance(step, PruneStep)
        made, layers = prune_program(step, program, calls)
        note = f"{len(layers)} layers lost channels"
    save_program(made, product)
    return note


def _compiled(name: str, source: Path, images: torch.Tensor) -> Row:
    with quiet():
        original: Any = load_program(source).module()
        gain = speedup(original, torch.compile(load_program(source).module()), _calls(images))
    return Row(model=name, lever="torch.compile", note="machine code of this processor: no product", speedup=gain)


def _holds(row: Row) -> bool:
    reached = row.speedup is not None and row.speedup >= BAR_SPEEDUP
    return reached and row.accuracy is not None and row.accuracy >= (row.original_accuracy or 0.0)


def _line(row: Row) -> str:
    def text(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    cells = (
        row.model,
        row.lever,
        text(row.size_ratio, ".2f"),
        text(row.speedup, ".2f"),
        text(row.fidelity_db, ".0f"),
        f"{text(row.original_accuracy, '.4f')} → {text(row.accuracy, '.4f')}" if row.accuracy is not None else "–",
        row.note,
    )
    return f"| {' | '.join(cells)} |"


def _page(results: Results) -> str:
    machine = results.machine
    bar = [row for row in results.rows if row.model == "cnn" and row.lever in _BAR_LEVERS]
    verdict = "reached" if all(map(_holds, bar)) else "missed"
    noise = ", ".join(f"{name} {value:.3f}" for name, value in results.noise.items())
    head = "| model | lever | size | speed | SQNR dB | accuracy | notes |\n|---|---|---|---|---|---|---|\n"
    return (
        f"# Torch programs\n\n{machine.date}, commit {machine.commit}, `{machine.command}`, {machine.cpu}, "
        f"{machine.cores} cores, load {machine.load:.1f} at the start, torch {machine.libraries['torch']}.\n\n"
        f"Bar: the CNN on digits ≥ {BAR_SPEEDUP} × at no loss, by `{_BAR_LEVERS[0]}`: **{verdict}**. "
        f"Size and speed are shares of and factors over the original; A/A: {noise}.\n\n"
        + head
        + "\n".join(_line(row) for row in results.rows)
        + "\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
