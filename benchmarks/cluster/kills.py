"""`python benchmarks/cluster/kills.py`: kill a node at random moments of a batch; it must end as if undisturbed.

Each batch runs on two Ray nodes of this machine. At a random moment all processes of one of them, chosen by chance, are
killed at once, and another node is started, as a cluster's supervisor would. The summary is compared with that of a
batch that nobody disturbed: names, statuses and delivered files' sizes. `--batches` says how many are disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from nodes import Nodes

sys.path.insert(0, str(Path(__file__).parent.parent))

from batch import make_zoo

_MANIFEST = "defaults: {max_size: 60%, max_attempts: 1, memory: false}\nmodels: [{glob: '*.onnx'}]\n"
_LIMIT_S = 900.0
_RESULT = Path(__file__).parent.parent / "results" / "cluster_kills.json"


def run(zoo: Path, folder: Path, nodes: Nodes) -> tuple[int, dict[str, Any], str, float]:
    """Run a batch on the cluster; returns exit status, rows by name, what it said, and its seconds."""
    out = folder / "out"
    command = [sys.executable, "-m", "shipfit", "batch", str(zoo), "--ray", nodes.address, "--out", str(out)]
    started = time.monotonic()
    done = subprocess.run(
        command,
        env={**os.environ, **nodes.environment, "SHIPFIT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    summary = json.loads((out / "summary.json").read_text()) if (out / "summary.json").is_file() else {"models": []}
    rows = {row["name"]: _kept(row, out) for row in summary["models"]}
    return done.returncode, rows, done.stderr, time.monotonic() - started


def _kept(row: dict[str, Any], out: Path) -> dict[str, Any]:
    """Return what a row must have in common with that of an undisturbed batch."""
    product = out / row["name"] / "model.onnx"
    return {"status": row["status"], "bytes": product.stat().st_size if product.is_file() else None}


def main() -> int:
    """Run, disturb, write what was found, and say whether all ended alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="shipfit-") as scratch, Nodes() as nodes:
        folder = Path(scratch)
        zoo = make_zoo(folder / "zoo", asked.models, asked.models, _MANIFEST)
        alive = [nodes.add(), nodes.add()]
        nodes.wait_for(2)
        status, whole, _, seconds = run(zoo, folder / "whole", nodes)
        sys.stderr.write(f"undisturbed: status {status}, {seconds:.0f} s\n")
        kills: list[dict[str, Any]] = []
        for number in range(asked.batches):
            moment, victim = chance.uniform(0.1, 0.7) * seconds, chance.randrange(2)

            def kill(moment: float = moment, victim: int = victim) -> None:
                time.sleep(moment)
                nodes.kill(alive[victim])
                alive[victim] = nodes.add()

            killer = threading.Thread(target=kill)
            killer.start()
            found, rows, said, spent = run(zoo, folder / str(number), nodes)
            killer.join()
            same = found == status and rows == whole
            kills.append({"after_s": moment, "node": victim, "same": same, "status": found, "seconds": spent})
            sys.stderr.write(f"killed node {victim} after {moment:.0f} s: same {same}, {spent:.0f} s\n")
            if not same:
                sys.stderr.write(f"{rows}\n{said[-2000:]}\n")
    result = {"command": " ".join(["python", *sys.argv]), "rows": whole, "seconds": seconds, "kills": kills}
    _RESULT.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if status == 0 and all(kill["same"] for kill in kills) else 1


if __name__ == "__main__":
    sys.exit(main())
