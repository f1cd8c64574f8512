from pathlib import Path

import numpy as np
import pytest

from shipfit.agents.standalone import find_host
from shipfit.contracts import HostProbe, Interval, Settings
from shipfit.tools.hardware import fingerprint
from shipfit.tools.measure import host_probe
from shipfit.tools.measure.harness import Schedule
from shipfit.tools.measure.host_cases import HostCase, host_cases
from shipfit.tools.measure.host_probe import copy_bandwidth, probe_host, time_case

from ... import models

CASES = list(host_cases())
BRIEF = Schedule(
    seconds=0.0, warm_calls=1, warm_s=0.0, group_s=0.0, timed_s=0.0, min_groups=1, min_rounds=3, min_rounds_at_limit=3
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.operators)
def test_each_form_is_int8_and_computes_the_same(case: HostCase):
    expected = models.run(case.model, case.feed)[0]
    units = {"Conv", "MatMul", "LSTM"}
    for form in case.forms:
        quantized = case.quantized(form)
        assert models.decibels(expected, models.run(quantized, case.feed)[0]) > 20
        left = [node for node in quantized.graph.node if node.op_type in units]
        fed = {name for node in quantized.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
        assert all(node.input[1] in fed for node in left)


def test_a_class_is_timed_in_each_form(tmp_path: Path):
    case = next(case for case in CASES if case.operators == "product_small")
    found = list(time_case(case, tmp_path, BRIEF))
    assert [(item.operators, item.form) for item in found] == [
        ("product_small", "static"),
        ("product_small", "dynamic"),
    ]
    assert all(0.01 < item.ratio < 100 for item in found)


def test_bandwidth_is_bytes_a_second():
    assert 1e7 < copy_bandwidth(seconds=0.0, size=2**20) < 1e13


def test_what_is_too_noisy_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host_probe, "SCHEDULE", BRIEF)
    real = host_probe.time_case

    def noisy(case: HostCase, folder: Path):
        for item in real(case, folder, BRIEF):
            wide = case.operators == "conv_wide"
            yield item.model_copy(update={"ratio": 0.5, "interval": Interval(low=0.1 if wide else 0.5, high=0.5)})

    monkeypatch.setattr(host_probe, "time_case", noisy)
    probe = probe_host(tmp_path)
    assert probe.note == "too noisy to tell: conv wide static"
    assert probe.time("conv_wide", "static") is None
    assert probe.time("conv_narrow", "static") is not None
    assert probe.noise == pytest.approx(2 / 3)
    assert HostProbe.model_validate_json(probe.model_dump_json()) == probe


@pytest.mark.slow
def test_this_machine_is_measured_in_a_child_and_known_from_then_on(tmp_path: Path):
    settings = Settings(home=tmp_path / "home", host_probe=None)
    probe = find_host(settings)
    assert (probe.fingerprint, probe.source) == (fingerprint(), "measured")
    assert len(probe.times) >= 4
    assert all(np.isfinite(item.ratio) for item in probe.times)
    assert find_host(settings) == probe
