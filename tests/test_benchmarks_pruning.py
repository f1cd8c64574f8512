"""The table of `benchmarks/pruning`: its bars are of what is measured, and its pages say what was found."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .benchmark_scripts import importing


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Any]:
    """A function that imports a script of the benchmark, as the scripts import each other."""
    with importing("pruning", "peers", "quantization", ".", "zoo") as load:
        yield load


@pytest.fixture
def table(benchmarks: Any) -> Any:
    pruned, machine = benchmarks("pruned"), benchmarks("machine")
    found = pruned.Table(machine=machine.describe(), budget_s=1)
    for seed, size, lost in ((0, 0.2, 0.01), (1, 0.3, 0.02), (2, 0.4, 0.06)):
        figure = {"low": 0, "high": 1}
        found.products += [
            pruned.Product(
                model="resnet", seed=seed, ratio=0.7, arm=pruned.OURS, made_of="x", size=size,
                drop={"value": lost, **figure}, speed={"value": 2.0, **figure},
            ),
            pruned.Product(model="lstm", seed=seed, ratio=0.5, arm=pruned.PEER, made_of="x", error="it says why <not>"),
        ]  # fmt: skip
    return found


def test_bars_are_of_what_is_measured(benchmarks: Any):
    pruned = benchmarks("pruned")
    rows = pruned.load_rows()
    assert len(rows) >= 5
    for row in rows.values():
        assert {*row.bars} <= {*pruned.ARMS}
        bars = [bar for by_ratio in row.bars.values() for bar in by_ratio.items()]
        assert {ratio for ratio, _ in bars} <= {*pruned.RATIOS}
        assert {name for _, bounds in bars for name in bounds} <= {"drop", "size", "speedup", "seconds"}


def test_interval_over_seeds_is_students(benchmarks: Any, table: Any):
    pruned = benchmarks("pruned")
    sizes = pruned.values(table.of("resnet", 0.7, pruned.OURS), "size")
    found = pruned.over_seeds(sizes)
    half = 4.303 * 0.1 / math.sqrt(3)
    assert (found.low, found.value, found.high) == pytest.approx((0.3 - half, 0.3, 0.3 + half))
    assert pruned.over_seeds([]) is None
    assert pruned.over_seeds([2.0]).low == 2.0


def test_pages_tell_means_missed_bars_and_why_there_is_no_product(benchmarks: Any, table: Any, tmp_path: Path):
    benchmarks("pruning_page").write(table, tmp_path)
    page, picture = ((tmp_path / name).read_text() for name in ("pruning.md", "pruning.svg"))
    assert "| 70% | shipfit | 3.00 [" in page
    assert "points lost 1.5 **missed**" in page
    assert "- torch-pruning at 50%: it says why <not>" in page
    assert "no product" in picture
    assert benchmarks("pruned").read(tmp_path, 1) == table
    assert benchmarks("pruned").read(tmp_path, 2).products == []  # another budget: nothing to go on with
