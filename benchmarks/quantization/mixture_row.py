"""The row about finding the mixture: our run on Silero's sequence file against NNCF's accuracy control.

Both are given the same recordings of half a minute, what transcription hands to a voice detector in one call. Both are
counted whole, with every process and import: ours includes the timing of its verdicts, which NNCF does none of.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

MODEL, OURS, PEER = "silero_recordings", "shipfit", "NNCF accuracy control"
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
        if not ours or not theirs:
            return bool(ours)
        gains = [theirs["size"] - ours["size"], ours["speed"] - theirs["speed"], ours["dB"] - theirs["dB"]]
        return min(gains) >= 0 and max(gains) > 0

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


def finding(peers: Path) -> Finding | None:
    """Return the comparison from the peers' figures, where both made a product."""
    if not peers.is_file():
        return None
    rows = json.loads(peers.read_text(encoding="utf-8"))["rows"]
    arms = {arm["peer"]: arm for row in rows if row["model"] == MODEL for arm in row["arms"]}
    ours, theirs = arms.get(OURS), arms.get(PEER)
    if ours is None or theirs is None or not (ours["sample_runs"] and theirs["sample_runs"]):
        return None
    return Finding(ours=_effort(ours), theirs=_effort(theirs), our_result=_result(ours), their_result=_result(theirs))


def _effort(arm: dict[str, Any]) -> dict[str, float]:
    return {"sample runs": arm["sample_runs"], "CPU seconds": arm["cpu_s"]}


def _result(arm: dict[str, Any]) -> dict[str, float]:
    """Return the figures of a product; none where nothing was delivered."""
    if arm["size"] is None:
        return {}
    return {"size": arm["size"], "speed": arm["speed"]["value"], "dB": arm["output_db"]}
