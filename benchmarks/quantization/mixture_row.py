"""The row about finding the mixture: our run on Silero's sequence file against NNCF's accuracy control."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from judged import Found
from pydantic import BaseModel

ROW, MODEL, PEER = "silero_sequence_speed", "silero_sequence", "NNCF accuracy control"
_BARS = {"sample runs": (1 / 5, 1 / 10), "CPU seconds": (1 / 3, 1 / 3)}


class Finding(BaseModel):
    """Sample runs and CPU seconds of both, and what came of them: size, speed, SQNR at the worst output."""

    ours: dict[str, float]
    theirs: dict[str, float]
    our_result: dict[str, float]
    their_result: dict[str, float]

    def shares(self) -> dict[str, float]:
        """Return ours as a share of theirs, for each kind of effort."""
        return {name: self.ours[name] / max(self.theirs[name], 1e-9) for name in _BARS}

    @property
    def better(self) -> bool:
        """Whether our product is at least as small, as fast and as like the original, and one of it strictly."""
        ours, theirs = self.our_result, self.their_result
        gains = [theirs["size"] - ours["size"], ours["speed"] - theirs["speed"], ours["dB"] - theirs["dB"]]
        return not theirs or (min(gains) >= 0 and max(gains) > 0)

    def told(self) -> str:
        """Return the comparison as a table."""
        lines = ["| | shipfit | NNCF accuracy control | share (bar → stretch) | |", "|---|---|---|---|---|"]
        for name, (bar, stretch) in _BARS.items():
            share = self.shares()[name]
            word = "reached" if share <= bar else "**missed**"
            bars = f"{share:.2f} ({bar:.2f} → {stretch:.2f})"
            lines.append(f"| {name} | {self.ours[name]:.0f} | {self.theirs[name]:.0f} | {bars} | {word} |")
        for name in ("size", "speed", "dB"):
            pair = [f"{result[name]:.3g}" if name in result else "–" for result in (self.our_result, self.their_result)]
            lines.append(f"| {name} | {pair[0]} | {pair[1]} | | |")
        lines.append(f"| better in all three | | | | {'reached' if self.better else '**missed**'} |")
        return "\n".join(lines)


def finding(rows: list[Found], peers: Path) -> Finding | None:
    """Return the comparison, where both sides were run."""
    ours = next((row for row in rows if row.name == ROW and row.status == "met"), None)
    if ours is None or ours.measured is None or not peers.is_file():
        return None
    theirs = _nncf(json.loads(peers.read_text(encoding="utf-8")))
    if theirs is None:
        return None
    proof = ours.measured.proof
    return Finding(
        ours={"sample runs": ours.effort.sample_runs, "CPU seconds": ours.effort.cpu_s},
        theirs={"sample runs": theirs["sample_runs"], "CPU seconds": theirs["cpu_s"]},
        our_result={"size": proof.size_ratio, "speed": proof.speedup.value, "dB": proof.fidelity_db.value},
        their_result=_result(theirs),
    )


def _nncf(peers: dict[str, Any]) -> dict[str, Any] | None:
    found = [each for row in peers["rows"] if row["model"] == MODEL for each in row["arms"] if each["peer"] == PEER]
    return found[0] if found and found[0]["sample_runs"] else None


def _result(theirs: dict[str, Any]) -> dict[str, float]:
    """Return the figures of NNCF's product; none where it delivered nothing."""
    if theirs["size"] is None:
        return {}
    return {"size": theirs["size"], "speed": theirs["speed"]["value"], "dB": theirs["output_db"]}
