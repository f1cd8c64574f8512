"""The smallest weights get 8 bits where all the others get 4."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, strategies as st
from onnx import helper

from shipfit.contracts import Limits, QuantizeStep
from shipfit.tools.quantize.compose import quantize
from shipfit.tools.quantize.sparing import SHARE, sparing_step
from shipfit.tools.quantize.storage_units import StorageUnit

from ... import models


def weight(name: str, rows: int, op_type: str = "MatMul") -> StorageUnit:
    return StorageUnit(name, op_type, (rows, 64), (1,), in_subgraph=False)


@given(st.lists(st.tuples(st.integers(16, 5000), st.sampled_from(["MatMul", "Gather"])), min_size=1, max_size=30))
def test_the_smallest_within_the_share_are_spared_once(sizes: list[tuple[int, str]]) -> None:
    units = [weight(f"w{index}", *each) for index, each in enumerate(sizes)]
    for step in (QuantizeStep(storage="int4"), QuantizeStep(storage="int4", compute={"MatMul": "dynamic"})):
        spared = sparing_step(step, units)
        wide = [unit for unit in units if unit.name in spared.stored]
        assert sum(unit.bytes for unit in wide) <= SHARE * sum(unit.bytes for unit in units)
        assert all(unit.op_type not in step.compute for unit in wide)
        assert sparing_step(spared, units) == spared


@pytest.mark.parametrize("storage", ["int8", "fp16"])
def test_only_four_bits_are_spared_from(storage: str) -> None:
    step = QuantizeStep.model_validate({"storage": storage})
    assert sparing_step(step, [weight("small", 16), weight("large", 5000)]) is step


def test_what_is_named_stays_as_it_is_named() -> None:
    step = QuantizeStep(storage="int4", stored={"small": "int4"})
    assert sparing_step(step, [weight("small", 16), weight("large", 5000)]).stored == {"small": "int4"}


def test_a_step_says_what_it_spared_and_leads_to_itself(tmp_path: Path) -> None:
    draw, folder = np.random.default_rng(0), tmp_path
    first, last = draw.standard_normal((16, 96)).astype(np.float32), draw.standard_normal((96, 4000)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "first"], ["h"]), helper.make_node("MatMul", ["h", "last"], ["y"])]
    model = models.build(
        nodes, [models.spec("x", [1, 16])], [models.spec("y", [1, 4000])], {"first": first, "last": last}
    )
    onnx.save(model, folder / "model.onnx")
    report = quantize(QuantizeStep(storage="int4"), folder / "model.onnx", folder / "small.onnx", None, Limits())
    assert {layer.name: layer.form for layer in report.layers} == {"first": "int8 block stored", "last": "int4 stored"}
    assert isinstance(report.step, QuantizeStep)
    again = quantize(report.step, folder / "model.onnx", folder / "again.onnx", None, Limits())
    assert again.step == report.step
    assert (folder / "again.onnx").read_bytes() == (folder / "small.onnx").read_bytes()
