"""A real Ray cluster of two nodes on this machine, started once, and an executor over it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipfit.contracts import Job, JobResult
from shipfit.tools.cluster.connect import Cluster, open_cluster
from shipfit.tools.cluster.executor import RayExecutor

from ..worker.conftest import LIMITS, appears, gone

__all__ = ["appears", "gone"]

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def load_nodes() -> Any:
    """The module that starts clusters, which benchmarks use too."""
    spec = importlib.util.spec_from_file_location("shipfit_nodes", ROOT / "benchmarks" / "cluster" / "nodes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def ray_nodes() -> Iterator[Any]:
    """Two nodes of one CPU each, whose environment this process shares."""
    path = os.pathsep.join(filter(None, [str(ROOT / ".typing"), str(HERE), os.environ.get("PYTHONPATH")]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        with load_nodes().Nodes() as nodes:
            for name, value in nodes.environment.items():
                patch.setenv(name, value)
            nodes.add()
            nodes.add()
            nodes.wait_for(2)
            yield nodes


@pytest.fixture(scope="session")
def ray_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session")
def cluster(ray_nodes: Any, ray_home: Path) -> Iterator[Cluster]:
    with open_cluster(ray_nodes.address, None, ray_home, "rogue_node") as found:
        yield found


@pytest.fixture
def executor(cluster: Cluster) -> RayExecutor:
    return cluster.executor()


@pytest.fixture
def run(executor: RayExecutor, tmp_path: Path) -> Callable[..., JobResult]:
    """Run a tool, rogue or of a rogue node, with limits that a test may narrow."""

    def call(tool: str, *, progress: Any = None, params: dict[str, Any] | None = None, **limits: Any) -> JobResult:
        job = Job(tool=tool, params=params or {}, limits=LIMITS.model_copy(update=limits))
        return executor.run(job, {}, tmp_path / "work", progress)

    return call
