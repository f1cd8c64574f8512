"""The figures of pruning, as JSON, as a page and as a picture."""

from __future__ import annotations

from pathlib import Path

from pruned import ARMS, FILE, RATIOS, Product, Row, Table, load_rows, over_seeds, reaches, values
from pruning_picture import draw
from verify import Figure

_HEAD = "channels gone|tool|points lost|size|speed|CPU|wall|bars"
_HOW = """\
Each model was trained (or drawn samples for) with three seeds; what stands here is the mean over them and its 95 %
interval by Student's t. Accuracy is of samples that no tool saw; without labels, *points lost* are answers that differ
from the original's. Every tool recovers from the same samples, which have no labels and which the original was not
trained on. All products of a model and seed are timed in one run: stock sessions of one thread in rotating order with
two of the original, thread CPU time. torch-pruning works on the module with its normalizations, before export, with
the budget of CPU seconds on one thread for its distillation; shipfit replays a recipe with `shipfit apply` on the
exported file. *Channels gone* is what each tool is asked for; which channels it can take is its own affair."""


def write(table: Table, folder: Path) -> None:
    """Write `pruning.json`, `.md` and `.svg` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = load_rows()
    names = list(rows)
    table.products.sort(key=lambda each: (names.index(each.model), each.seed, each.ratio, ARMS.index(each.arm)))
    (folder / FILE).write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "pruning.md").write_text(_page(table, rows), encoding="utf-8")
    (folder / "pruning.svg").write_text(draw(table, rows), encoding="utf-8")


def _page(table: Table, rows: dict[str, Row]) -> str:
    machine = table.machine
    commits = ", ".join(sorted({each.commit for each in table.products})) or machine.commit
    loads = [each.load for each in table.products]
    facts = "\n".join(
        [
            f"- {machine.date}, commit {commits}, `{machine.command}`, {table.budget_s:g} CPU seconds of recovery",
            f"- {machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB, flags {', '.join(machine.flags) or '–'}; "
            f"load average while products were made {min(loads, default=0):.1f} to {max(loads, default=0):.1f}",
            f"- {machine.system}, Python {machine.python}, "
            + ", ".join(f"{name} {number}" for name, number in machine.libraries.items()),
        ]
    )
    parts = ["# Pruning from the file alone, and with the source", facts, "![Size, speed and accuracy](pruning.svg)"]
    sections = [
        _section(table, name, row) for name, row in rows.items() if any(p.model == name for p in table.products)
    ]
    return "\n\n".join([*parts, _HOW, *sections]) + "\n"


def _section(table: Table, name: str, row: Row) -> str:
    made = [each for each in table.products if each.model == name]
    seeds = sorted({each.seed for each in made})
    same = max(abs(each.same_arm - 1) for each in made)
    told = (
        f"{row.about}. Seeds {', '.join(map(str, seeds))}; two sessions of the original differed by {same:.1%} at most."
    )
    lines = [f"| {' | '.join(_HEAD.split('|'))} |", "|" + "---|" * (_HEAD.count("|") + 1)]
    for ratio in RATIOS:
        for arm in ARMS:
            if found := table.of(name, ratio, arm):
                lines.append(f"| {' | '.join(_cells(found, row))} |")
    return "\n\n".join([f"## {name}", told, "\n".join(lines), *_notes(made)])


def _cells(found: list[Product], row: Row) -> list[str]:
    first = found[0]
    figures = {name: over_seeds(values(found, name)) for name in ("drop", "size", "speedup", "cpu_s", "seconds")}
    bars = row.bars.get(first.arm, {}).get(first.ratio, {})
    return [
        f"{first.ratio:.0%}",
        first.arm,
        _with_interval(figures["drop"], 100, ".2f"),
        _with_interval(figures["size"], 1, ".3f"),
        _with_interval(figures["speedup"], 1, ".2f", "×"),
        _alone(figures["cpu_s"]),
        _alone(figures["seconds"]),
        "; ".join(_held(name, bound, figures[name]) for name, bound in bars.items()) or "–",
    ]


def _held(name: str, bound: float, found: Figure | None) -> str:
    scale = 100 if name == "drop" else 1
    said = f"{'points lost' if name == 'drop' else name} {bound * scale:g}"
    if found is None:
        return f"{said} **no product**"
    return said if reaches(name, bound, found.value) else f"{said} **missed**"


def _with_interval(found: Figure | None, scale: float, form: str, unit: str = "") -> str:
    if found is None:
        return "–"
    low, high = (format(value * scale, form) for value in (found.low, found.high))
    return f"{format(found.value * scale, form)}{unit}" + (f" [{low}, {high}]" if low != high else "")


def _alone(found: Figure | None) -> str:
    return "–" if found is None else f"{found.value:.0f} s"


def _notes(made: list[Product]) -> list[str]:
    """Return why there is no product where there is none, each reason once."""
    failed: dict[tuple[str, str], list[str]] = {}
    for each in made:
        if each.error:
            failed.setdefault((each.arm, each.error), []).append(f"{each.ratio:.0%}")
    lines = [f"- {arm} at {', '.join(sorted(set(at)))}: {why}" for (arm, why), at in failed.items()]
    return ["\n".join(lines)] if lines else []
