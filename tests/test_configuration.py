"""What docs/configuration.md shows is what there is: its example is read, every option and pass is in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from shipfit.contracts import GRAPH_PASSES, DeploymentConfig, Request, validate
from shipfit.interfaces.cli.config_file import read_config
from shipfit.tools.onnx_optimizer import DeploymentOptions, QuantizationOptions

from .test_options import leaves

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "configuration.md").read_text()
EXAMPLE = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0]


def paths(given: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in given.items():
        inner = isinstance(value, dict)
        found |= paths(cast("dict[str, Any]", value), f"{prefix}{name}.") if inner else {prefix + name}
    return found


def test_the_example_is_read_and_has_every_option(tmp_path: Path) -> None:
    (tmp_path / "request.yaml").write_text(EXAMPLE)
    request = validate(Request, read_config(str(tmp_path / "request.yaml")))
    assert request.optimization.graph.passes == ("default", "fuse_qkv")
    assert request.constraints.max_memory_ratio == 0.9
    assert request.monitoring.alerts.latency == 40
    given = paths(yaml.safe_load(EXAMPLE))
    assert set(leaves(DeploymentConfig)) <= given


def test_the_example_is_a_deployment_configuration_as_well() -> None:
    parts = {name: part for name, part in yaml.safe_load(EXAMPLE).items() if name in DeploymentConfig.model_fields}
    parts["monitoring"]["alerts"] = {"latency": 40, "error_rate": 0.2, "memory_usage": 5e8}
    config = DeploymentConfig().override(**parts)
    assert config.optimization.quantization.calibration.method == "entropy"
    assert config.target.constraints.to_constraints().min_throughput_per_s == 100


def test_the_table_has_every_pass_once_and_no_other() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TEXT.splitlines() if line.startswith("| ")]
    found = {
        name: (carrier, family.strip("`"), runs == "yes")
        for carrier, family, runs, names in rows
        if carrier != "carried by"
        for name in re.findall(r"`(\w+)`", names)
    }
    assert found == {name: tuple(each) for name, each in GRAPH_PASSES.items()}


@pytest.mark.parametrize("kind", [DeploymentOptions, QuantizationOptions])
def test_options_from_python_are_named(kind: type[DeploymentOptions] | type[QuantizationOptions]) -> None:
    assert [name for name in kind.model_fields if f"`{name}`" not in TEXT] == []
