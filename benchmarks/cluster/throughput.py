"""`python benchmarks/cluster/throughput.py`: what two Ray nodes do of what two plain workers do, on this machine.

Only transformations: each of many models is normalized and quantized in three ways, and what each job makes is put into
the artifact store, as in a run. Nothing is measured, so nothing waits for the measuring lock. Two threads work on
plain executors, or on two Ray nodes of one CPU each, in rotating order. Nodes begin each round with an empty cache, so
that every model travels; on one disk it does so by a second name.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from nodes import Nodes
from onnx import TensorProto, helper, numpy_helper

from shipfit.agents.execute import Execution
from shipfit.contracts import ArtifactRef, Executor, Limits, NormalizeStep, QuantizeStep, StepReport
from shipfit.memory.store import LocalArtifactStore
from shipfit.tools.cluster.connect import open_cluster
from shipfit.tools.worker.local import LocalExecutor

BAR = 0.85
_STEPS = (
    QuantizeStep(storage="int8"),
    QuantizeStep(compute={"MatMul": "dynamic"}),
    QuantizeStep(storage="int4", rounding="nearest"),
)
_WIDTH = 768
_RESULT = Path(__file__).parent.parent / "results" / "cluster_throughput.json"


def model(seed: int, layers: int) -> onnx.ModelProto:
    """Return a perceptron of 2.4 MB a layer."""
    rng = np.random.default_rng(seed)
    names = ["x", *(f"h{n}" for n in range(2 * layers - 1)), "y"]
    nodes, tensors = list[onnx.NodeProto](), list[onnx.TensorProto]()
    for n in range(layers):
        weights = rng.standard_normal((_WIDTH, _WIDTH)).astype(np.float32) / _WIDTH**0.5
        tensors.append(numpy_helper.from_array(weights, f"w{n}"))
        nodes.append(helper.make_node("MatMul", [names[2 * n], f"w{n}"], [names[2 * n + 1]], f"dense{n}"))
        nodes.append(helper.make_node("Relu", [names[2 * n + 1]], [names[2 * n + 2]], f"relu{n}"))
    given, answer = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, _WIDTH]) for name in "xy")
    graph = helper.make_graph(nodes, "dense", [given], [answer], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def round_of(models: list[Path], executors: list[Executor], folder: Path) -> float:
    """Return the seconds in which the threads, one for each executor, have transformed all models."""
    store = LocalArtifactStore(folder / "artifacts")
    todo = [store.put(path, "model") for path in models]
    faults: list[BaseException] = []

    def work(executor: Executor) -> None:
        execute = Execution("r", store, None, executor, folder / "work", lambda _: None, limits=Limits())
        try:
            while todo:
                _transform(execute, todo.pop())
        except BaseException as error:  # noqa: BLE001 - told by whoever waits
            faults.append(error)

    threads = [threading.Thread(target=work, args=(executor,)) for executor in executors]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.monotonic() - started
    if faults:
        raise faults[0]
    shutil.rmtree(folder)
    return spent


def _transform(execute: Execution, source: ArtifactRef) -> None:
    made = execute("perform", StepReport, inputs={"model": source}, step=NormalizeStep()).outputs
    normal = made.get("model", source)
    for step in _STEPS:
        execute("perform", StepReport, inputs={"model": normal}, step=step)


def main() -> int:
    """Measure, write what was found, and say whether the bar was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shipfit-") as scratch, Nodes() as nodes:
        folder = Path(scratch)
        models = [folder / f"{n}.onnx" for n in range(asked.models)]
        for number, path in enumerate(models):
            path.write_bytes(model(number, asked.layers).SerializeToString())
        os.environ.update(nodes.environment)
        nodes.add()
        nodes.add()
        nodes.wait_for(2)
        with open_cluster(nodes.address, None, folder / "home") as cluster:
            arms: dict[str, list[Executor]] = {
                "local": [LocalExecutor(), LocalExecutor()],
                "ray": [cluster.executor(), cluster.executor()],
            }
            spent = _measured(arms, models, folder, asked.rounds, lambda: _empty(nodes.place, folder))
    ratios = [local / ray for local, ray in zip(spent["local"], spent["ray"], strict=True)]
    found = {
        "command": " ".join(["python", *sys.argv]),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "seconds": spent,
        "ratios": ratios,
        "ratio": statistics.median(ratios),
        "bar": BAR,
    }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    _RESULT.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if found["ratio"] >= BAR else 1


def _measured(
    arms: dict[str, list[Executor]], models: list[Path], folder: Path, rounds: int, empty: Callable[[], None]
) -> dict[str, list[float]]:
    """Return the seconds of each arm's rounds, after one that warms both up."""
    spent: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(rounds + 1):
        for name in arms if number % 2 else reversed(arms):
            empty()
            seconds = round_of(models, arms[name], folder / f"{name}{number}")
            sys.stderr.write(f"round {number} {name}: {seconds:.2f} s, load {os.getloadavg()[0]:.1f}\n")
            if number:
                spent[name].append(seconds)
    return spent


def _empty(nodes: Path, folder: Path) -> None:
    shutil.rmtree(nodes / "home" / "cluster" / "cache", ignore_errors=True)
    shutil.rmtree(folder / "home" / "cluster" / "store", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
