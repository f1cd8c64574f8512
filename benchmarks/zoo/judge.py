"""Judge a batch over the zoo: a row for every model, no false "met", and how many feasible requests were met."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from bars import Bar, at_most, equal, held_out_bars
from expected import CACHE, HONEST, Ask, Expected
from onnx_files import same_bytes
from pydantic import BaseModel
from verify import Proof

VERIFY = Path(__file__).resolve().parent.parent / "verify.py"
SHARE, WALL_S, RESUME_S = 0.9, 1200.0, 10.0


class Row(BaseModel):
    """One model: what its run came to, and what its product is when measured again.

    Attributes:
        bars: on this row alone; `refuted` names those that a product delivered as met misses.
    """

    name: str
    kinds: tuple[str, ...]
    expected: str
    recipe: str = ""
    infeasible: str = ""
    status: str = "missing"
    reason: str = ""
    attempts: int = 0
    wall_s: float = 0.0
    proof: Proof | None = None
    bars: list[Bar] = []
    at_ten_times: str = ""

    @property
    def hostile(self) -> bool:
        """Whether the row stands for a hostile file."""
        return "hostile" in self.kinds

    @property
    def refuted(self) -> list[Bar]:
        """The bars that a product which was delivered as met does not reach."""
        return [bar for bar in self.bars if not bar.reached] if self.status == "met" else []

    @property
    def feasible(self) -> bool:
        """Whether the request can be met here: by a recipe that is known, or because ten times the budget met it."""
        if self.hostile or self.infeasible or self.expected == "unverified":
            return False
        return bool(self.recipe) or self.at_ten_times == "met" or self.status == "met"


def row(expected: Expected, found: dict[str, Any] | None, asked: Ask | None, out: Path) -> Row:
    """Return the judged row of one model.

    Args:
        expected: what must come out.
        found: the model's row in `summary.json`, absent where it has none.
        asked: what the manifest asks of it; absent for hostile ones.
        out: folder of the summary.
    """
    judged = Row(
        name=(found or {}).get("name", asked.name if asked else ""),
        kinds=expected.kinds,
        expected=expected.status,
        recipe=expected.recipe,
        infeasible=expected.infeasible,
    )
    if found is None:
        return judged.model_copy(update={"bars": [equal("row in the summary", True, False)]})
    judged = judged.model_copy(
        update={name: found.get(name) for name in ("status", "reason", "attempts", "wall_s") if found.get(name)}
    )
    if expected.status == "failed" or asked is None:
        return judged.model_copy(update={"bars": _failure_bars(expected, judged)})
    product = _product(found, out)
    if judged.status in ("met", "unverified") and product is not None:
        proof = measure(asked, product)
        bars = [*_sound(proof, named=not expected.original), *held_out_bars(asked.bounds, proof)]
        return judged.model_copy(update={"proof": proof, "bars": bars})
    return judged.model_copy(update={"bars": [_honest(judged, expected, asked, product)]})


def _failure_bars(expected: Expected, judged: Row) -> list[Bar]:
    says = expected.says.lower() in judged.reason.lower()
    named = Bar(name="reason", bound=f"says “{expected.says}”", found=judged.reason, reached=says)
    return [equal("status", expected.status, judged.status), named]


def _product(found: dict[str, Any], out: Path) -> Path | None:
    """Return the delivered file, found by its place: `model.onnx` or `model.pt2` beside the report."""
    if not found.get("report"):
        return None
    folder = (out / found["report"]).parent
    return next((path for path in (folder / "model.onnx", folder / "model.pt2") if path.is_file()), None)


def _sound(proof: Proof, named: bool) -> list[Bar]:
    bars = [equal("foreign operators", [], proof.foreign_domains)]
    return [equal("signature kept", True, proof.same_signature), *bars] if named else bars


def _honest(judged: Row, expected: Expected, asked: Ask, product: Path | None) -> Bar:
    """Return whether a model that was not met came back as it was; an exported one has no file to compare with."""
    if judged.status != "rolled_back":
        return equal("status", "met, unverified or rolled_back", judged.status)
    untouched = product is not None and (bool(expected.original) or same_bytes(asked.original, product))
    return equal("original byte for byte", True, untouched)


def measure(asked: Ask, product: Path) -> Proof:
    """Measure a product in a process of its own, in which shipfit is never imported.

    Raises:
        RuntimeError: it cannot be measured; what the process said last.
    """
    states = [f"{name}={output}" for name, output in asked.state.items()]
    command = [sys.executable, str(VERIFY), str(asked.original), str(product), str(asked.held_out), *states]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CACHE)
    if done.returncode:
        raise RuntimeError(f"{asked.name}: {(done.stderr.strip().splitlines() or ['nothing was said'])[-1]}")
    return Proof.model_validate_json(done.stdout)


def bars(rows: list[Row], wall_s: float, resume_s: float) -> list[Bar]:
    """Return the bars on the zoo as a whole."""
    feasible = [each for each in rows if each.feasible]
    met = sum(each.status == "met" for each in feasible)
    share = met / max(len(feasible), 1)
    false = [each.name for each in rows if each.refuted]
    lost = [each.name for each in rows if not each.hostile and each.status not in HONEST]
    unclear = [each.name for each in rows if each.hostile and not all(bar.reached for bar in each.bars)]
    dishonest = [each.name for each in rows if each.status == "rolled_back" and not all(b.reached for b in each.bars)]
    return [
        equal("models that are neither met, unverified nor rolled back", [], lost),
        equal("rolled back, and not the original", [], dishonest),
        equal("hostile files without a clear row", [], unclear),
        equal("false met", [], false),
        Bar(
            name="feasible requests met",
            bound=f"≥ {SHARE:.0%}",
            found=f"{met} of {len(feasible)}, {share:.0%}",
            reached=share >= SHARE,
        ),
        at_most("wall of the whole", WALL_S, wall_s, " s"),
        at_most("wall of a second run with --resume", RESUME_S, resume_s, " s"),
    ]
