"""The peers' figures, as JSON, as a page and as a picture."""

from __future__ import annotations

from pathlib import Path

from peers_picture import draw
from side_by_side import Arm, Compared, Peers

_HEAD = "tool|size|speed|accuracy lost, points|dB at outputs|dB at logits|cosine|sample runs|CPU|wall|misses"
_HOW = """\
Every tool got the same model, the same request, the same samples (those held out stayed with the harness), one
processor and the same limit of seconds for each model, in an environment of its own. Each product of a model was
then measured in one run: sessions of one thread, interleaved in rotating order with two of the original, thread CPU
time. The peers work on files that were made ready as their users have found out to: opset lifted, Constants turned
into initializers, folded, no symbolic shape inference, full range of weights. onnxruntime's quantizer has the best of
nine settings by the request, each measured on validation samples; Olive searches six of them with the request as its
goals, and where none reaches all of them the nearest was taken; NNCF has its defaults, and its accuracy control the
request's loss as its limit. *Misses*: bars of the request that the product does not reach, by estimate."""


def write(peers: Peers, folder: Path) -> None:
    """Write `peers.json`, `.md` and `.svg` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.json").write_text(peers.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "peers.md").write_text(_page(peers), encoding="utf-8")
    (folder / "peers.svg").write_text(draw(peers), encoding="utf-8")


def _page(peers: Peers) -> str:
    machine = peers.machine
    facts = "\n".join(
        [
            f"- {machine.date}, commit {machine.commit}, `{machine.command}`, {peers.limit_s:.0f} s for each tool",
            f"- {machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB, flags {', '.join(machine.flags) or '–'}; "
            f"load average at the start {machine.load:.2f}",
            f"- {machine.system}, Python {machine.python}; the peers' versions stand in benchmarks/peers/requirements",
        ]
    )
    parts = ["# Side by side with the peers", facts, "![Size and speed of every product](peers.svg)", _HOW]
    return "\n\n".join([*parts, *(_section(row) for row in peers.rows)]) + "\n"


def _section(row: Compared) -> str:
    asked = ", ".join(f"{name} {bound:g}" for name, bound in row.bounds.items())
    notes = [f"- {arm.peer}: {arm.error}" for arm in row.arms if arm.error]
    columns = _HEAD.count("|") + 1
    lines = [f"| {' | '.join(_HEAD.split('|'))} |", "|" + "---|" * columns]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in _cells(row, arm))} |" for arm in row.arms]
    told = f"{row.about}. Asked: {asked}. Two sessions of the original differed by {abs(row.same_arm - 1):.1%}."
    return "\n\n".join([f"## {row.model}", told, "\n".join(lines), *(["\n".join(notes)] if notes else [])])


def _cells(row: Compared, arm: Arm) -> list[str]:
    speed = f"{arm.speed.value:.2f}× [{arm.speed.low:.2f}, {arm.speed.high:.2f}]" if arm.speed else "–"
    drop = f"{100 * arm.drop.value:.2f} [{100 * arm.drop.low:.2f}, {100 * arm.drop.high:.2f}]" if arm.drop else "–"
    figures = [
        "–" if arm.size is None else f"{arm.size:.3f}",
        speed,
        drop,
        *("–" if value is None else f"{value:.1f}" for value in (arm.output_db, arm.logits_db)),
        "–" if arm.cosine is None else f"{arm.cosine:.3f}",
        "–" if arm.sample_runs is None else str(arm.sample_runs),
        f"{arm.cpu_s:.0f} s",
        f"{arm.wall_s:.0f} s",
    ]
    missed = row.missed(arm)
    words = "no product" if arm.size is None else ", ".join(missed) if missed else "**nothing**"
    return [arm.peer, *figures, words]
