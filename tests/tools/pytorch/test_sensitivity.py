"""The damage of single units is that of programs in which only they are quantized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from shipfit.contracts import DataRef, QuantizeStep
from shipfit.tools.context import silent
from shipfit.tools.pytorch.quantize import quantize_program
from shipfit.tools.pytorch.quiet import quiet
from shipfit.tools.pytorch.sensitivity import measure_program

from .programs import decibels, exported, written


class View:
    """The same samples in every part."""

    def __init__(self, images: torch.Tensor) -> None:
        self._feeds = [{"image": images[index : index + 1].numpy()} for index in range(len(images))]
        self.ref = DataRef(id="0" * 64, samples=len(images), parts={"selection": len(images)})

    def feeds(self, part: str, limit: int | None = None) -> Sequence[Mapping[str, Any]]:
        return self._feeds[:limit]

    def labels(self, part: str, limit: int | None = None) -> None:
        return None


@pytest.mark.slow
def test_units_alone(block: nn.Module, images: torch.Tensor, tmp_path: Path):
    view: Any = View(images[:4])
    source = written(block, tmp_path, images)
    table = measure_program(source, "static", view, 4, ("conv2d",), 100.0, silent)
    assert [unit.name for unit in table.units] != []
    assert table.total_units == 3
    assert {unit.name for unit in table.units} == {"conv2d", "conv2d_1", "conv2d_2"}
    assert [unit.damage_db for unit in table.units] == sorted(unit.damage_db for unit in table.units)
    worst = table.units[0]
    others = tuple(unit.name for unit in table.units[1:])
    step = QuantizeStep(compute={"conv2d": "static"}, nodes=dict.fromkeys(others, "fp32"))
    with quiet():
        calls = [((images[index : index + 1],), {}) for index in range(4)]
        alone = quantize_program(step, exported(block, images), calls).program.module()
    assert decibels(block(images[:4]), alone(images[:4])) == pytest.approx(worst.damage_db, abs=1.0)
    short = measure_program(source, "dynamic", view, 4, (), 0.0, silent)
    assert [unit.op_type for unit in short.units] == ["linear"]


@pytest.mark.slow
def test_tables_alone(tmp_path: Path, images: torch.Tensor):
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Embedding(50, 16), nn.Embedding(9, 16)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            rows = (image.flatten(1).abs() * 2).long().clamp(max=8)
            return self.first(rows).sum(1) + self.second(rows).sum(1)

    source = written(Tokens(), tmp_path, images)
    view: Any = View(images[:3])
    table = measure_program(source, "int8", view, 3, (), 100.0, silent)
    assert {unit.op_type for unit in table.units} == {"embedding"}
    assert all(25 < unit.damage_db < 90 for unit in table.units)
