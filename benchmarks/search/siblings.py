"""See whether what was learned on a model serves its sibling: weights perturbed, names changed, another digest.

    python benchmarks/search/siblings.py [CASE …] [--seeds N] [--workers N] [--beside]

For each case: a run on the model, then one on its sibling that remembers the first, then one on the sibling that
remembers nothing. Runs are those of `run.py`: ended by their first success, or after six attempts. Figures go to
benchmarks/results/siblings.{json,md}. Exits with 1 where a sibling that takes at least two attempts without memory
was not met at the first with it, or where memory cost a success.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "zoo")]

from asked import Case, load  # noqa: E402 - the path above comes first
from beside import measure_beside_others  # noqa: E402
from host_file import find_probe  # noqa: E402
from machine import describe  # noqa: E402
from models import make  # noqa: E402
from places import CACHE, folder_of  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from trials import Bench, Trial  # noqa: E402

RESULTS = HERE.parent / "results"
# Of the standard deviation of each weight tensor.
PERTURBED = 0.01


class Family(BaseModel):
    """A case on a model, on its sibling with what was learned, and on its sibling without."""

    case: str
    seed: int
    first: Trial
    warm: Trial
    cold: Trial

    @property
    def is_served(self) -> bool:
        """Whether a sibling that takes several attempts without memory was met at the first with it."""
        return not self.tells or self.warm.first_met == 1

    @property
    def tells(self) -> bool:
        """Whether there was something to learn: its model met, and without memory it takes several attempts."""
        return self.first.first_met is not None and (self.cold.first_met or 0) >= 2

    @property
    def is_no_worse(self) -> bool:
        """Whether the sibling was met no later than it was without memory, if it was."""
        return (self.warm.first_met or 99) <= (self.cold.first_met or 99)


def sibling(model: Path, target: Path, seed: int) -> Path:
    """Save a model with its weights perturbed, its nodes renamed and, where it has no bodies, its tensors too."""
    import numpy as np
    import onnx

    loaded, rng = onnx.load(model), np.random.default_rng(seed)
    for tensor in loaded.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            array = onnx.numpy_helper.to_array(tensor)
            moved = array + PERTURBED * array.std() * rng.normal(size=array.shape)
            tensor.CopyFrom(onnx.numpy_helper.from_array(moved.astype(np.float32), tensor.name))
    for number, node in enumerate(loaded.graph.node):
        node.name = f"other_{number}"
    if not any(attribute.HasField("g") for node in loaded.graph.node for attribute in node.attribute):
        _rename(loaded.graph)
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(loaded, target)
    return target


def _rename(graph: object) -> None:
    outside = {value.name for value in (*graph.input, *graph.output)}
    inner = [tensor.name for tensor in graph.initializer] + [name for node in graph.node for name in node.output]
    renamed = {name: f"other_{number}" for number, name in enumerate(inner) if name and name not in outside}
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    del graph.value_info[:]


def family(bench: Bench, case: Case, seed: int) -> Family:
    """Run the three."""
    with tempfile.TemporaryDirectory(prefix="shipfit-siblings-") as scratch:
        folder = Path(scratch)
        first = bench.trial(case, "built-in", seed, folder / "home")
        other = sibling(folder_of(case.model) / "model.onnx", folder / "other" / "model.onnx", seed)
        warm = bench.trial(case, "built-in", seed, folder / "home", other)
        cold = bench.trial(case, "built-in", seed, folder / "fresh", other)
    found = Family(case=case.name, seed=seed, first=first, warm=warm, cold=cold)
    mark = "" if found.is_served and found.is_no_worse else "  <-"
    print(f"{case.name} {seed}: {first.first_met} warm {warm.first_met} cold {cold.first_met}{mark}", flush=True)
    return found


def main() -> int:
    """Run what was asked for, write the figures, and say whether every sibling was served."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CASE")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--beside", action="store_true", help="take no measuring lock of the host")
    options = parser.parse_args()
    cases = [case for case in load().values() if not options.names or {case.name, case.model} & set(options.names)]
    make(sorted({case.model for case in cases}))
    bench = Bench(CACHE / "record", CACHE / "products", find_probe())
    own = tempfile.mkdtemp(prefix="shipfit-siblings-lock-")
    how = {"initializer": measure_beside_others, "initargs": (Path(own),)} if options.beside else {}
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn"), **how) as pool:
        tasks = [pool.submit(family, bench, case, seed) for case in cases for seed in range(options.seeds)]
        found = [task.result() for task in tasks]
    return write(found, whole=not options.names, beside=options.beside)


def write(found: list[Family], *, whole: bool, beside: bool) -> int:
    """Write the figures, and return 1 where a bar is missed."""
    machine = describe()
    told = [each for each in found if each.tells]
    served, no_worse = sum(each.is_served for each in told), sum(each.is_no_worse for each in found)
    met = {name: sum(getattr(each, name).first_met is not None for each in found) for name in ("warm", "cold")}
    spent = {
        name: sum(getattr(each, name).first_met or len(getattr(each, name).attempts) + 1 for each in found)
        for name in ("warm", "cold")
    }
    rows = [
        f"| {each.case} | {' | '.join(str(trial.first_met or '–') for trial in (each.first, each.cold, each.warm))} |"
        for each in found
    ]
    page = "\n".join([
        "# Siblings: weights perturbed by a hundredth, nodes and tensors renamed, another digest", "",
        f"{machine.date}, commit {machine.commit}, `{machine.command}`, {machine.cpu}, {machine.cores} cores"
        f"{', measured beside other work' if beside else ''}.", "",
        f"Of {len(told)} siblings that take at least two attempts without memory, {served} were met at the first. Over "
        f"all {len(found)}, {met['warm']} were met with memory and {met['cold']} without, in {spent['warm']} and "
        f"{spent['cold']} attempts (one more than all where nothing was met); with memory {no_worse} were met no "
        "later.",
        "", "| case | first met: the model | its sibling without memory | with memory |", "|---|---|---|---|", *rows,
    ])  # fmt: skip
    folder = RESULTS if whole else CACHE / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "siblings.md").write_text(page + "\n", encoding="utf-8")
    document = {"machine": machine.model_dump(), "beside": beside, "families": [each.model_dump() for each in found]}
    (folder / "siblings.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(page)
    return int(served < len(told) or no_worse < len(found) or met["warm"] < met["cold"])


if __name__ == "__main__":
    sys.exit(main())
