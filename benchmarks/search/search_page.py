"""The benchmark's figures, as JSON, as a page and as a picture."""

from __future__ import annotations

import statistics
from pathlib import Path

from asked import BUDGET, Case, load
from bars import Bar, at_most, equal
from counting import BUDGETS, NEVER, Arm, Share, ahead, arms, cpu_s, feasible, within_cost, worse_with_memory
from machine import Machine
from proofs import Held
from pydantic import BaseModel
from record import TIMING
from search_picture import draw
from trials import Trial

OURS, MEDIAN, MET = "built-in", 2, 0.95
_RIVALS = ("TPE", "random")
_HOW = """\
Every run is a whole `shipfit optimize` through a policy of its own, in a fresh home, on one thread. It ends with the
first attempt that meets every bound and guard, or after six. Cases are requests that a known plan meets, each with
{seeds} seeds: of the split of the data, and of what a policy draws. The interval is a bootstrap over cases and, within
a case, over seeds. An equal job of two runs was run once and counted in both at what it cost. Timings are short
({timing}), and equal for everybody; the memory guard is lifted,
so that no fresh processes are started for it.

- *built-in*: shipfit's own search.
- *default recipe*: what people do first; a short fixed list, beginning with the int8 recipe that onnxruntime's guide
  names for the kind of model.
- *random*: uniform over the plan space of `benchmarks/search/space.py`.
- *TPE*: optuna's tree-structured Parzen estimator (multivariate, two random trials first) over the same space; it is
  told by how much each plan missed its bounds.
- *memory*: one home for each policy and seed through all cases, in an order of that seed. The built-in policy weighs
  what it recalls; the others begin with the plan that met its bounds in the most similar case."""


class Results(BaseModel):
    """Everything that was run.

    Attributes:
        known: trials of the plans that show the cases to be feasible.
        fresh: whether every job was run, none taken from an earlier benchmark.
        beside: whether time was measured while others worked, without the host's measuring lock.
        taken_up: how many cases and seeds were finished before the run was interrupted and went on.
        ran_s: wall seconds of the runs, without measuring again.
    """

    machine: Machine
    workers: int
    seeds: int
    fresh: bool
    beside: bool
    ran_s: float
    wall_s: float
    known: list[Trial]
    trials: list[Trial]
    held: list[Held]
    taken_up: int = 0

    def arms(self, cases: set[str] | None = None) -> list[Arm]:
        """Return what each policy reached, over all feasible cases or some of them."""
        among = {(case, seed) for case, seed in feasible(self.known) if cases is None or case in cases}
        return arms(self.trials, among)

    @property
    def infeasible(self) -> list[tuple[str, int]]:
        """Cases and seeds that the known plan missed, this time; they count for nobody."""
        return sorted({(trial.case, trial.seed) for trial in self.known} - feasible(self.known))

    def bars(self) -> list[Bar]:
        """Return the bars on the built-in policy, and on what was called met."""
        found = {arm.name: arm for arm in self.arms()}
        ours = found.get(OURS)
        refuted = sum(bool(each.refuted) for each in self.held)
        bars = [equal("false met, measured again without shipfit", 0, refuted)]
        if ours is None:
            return bars
        middle = NEVER if ours.median_attempts is None else ours.median_attempts
        bars.append(at_most("attempts to first success, median", MEDIAN, middle))
        met = ours.within[BUDGET - 1].value
        bars.append(Bar(name=f"met in {BUDGET} attempts", bound=f"≥ {MET:.0%}", found=f"{met:.1%}", reached=met >= MET))
        for rival in _RIVALS:
            if rival in found:
                bars.append(equal(f"ahead of {rival} at", list(BUDGETS), ahead(ours, found[rival])))
        if f"{OURS}, memory" in found:
            worse = len(worse_with_memory(self.trials, OURS))
            bars.append(equal("runs that took longer with memory", 0, worse))
        return bars


def read(folder: Path) -> Results:
    """Return the last run's figures.

    Raises:
        FileNotFoundError: there are none.
    """
    return Results.model_validate_json((folder / "search.json").read_text(encoding="utf-8"))


def write(results: Results, folder: Path) -> None:
    """Write `search.json`, `.md` and `.svg` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "search.json").write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "search.md").write_text(_page(results), encoding="utf-8")
    (folder / "search.svg").write_text(draw(results.arms(), _by_cost(results)), encoding="utf-8")


COSTS_S = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0)


def _by_cost(results: Results) -> dict[str, list[tuple[float, float]]]:
    """Return policy → share met within so many CPU seconds."""
    among = feasible(results.known)
    found: dict[str, list[Trial]] = {}
    for trial in results.trials:
        if (trial.case, trial.seed) in among and not trial.memory:
            found.setdefault(trial.policy, []).append(trial)
    return {
        name: list(zip(COSTS_S, within_cost(trials, cpu_s, COSTS_S), strict=True)) for name, trials in found.items()
    }


def _page(results: Results) -> str:
    cases = {name: case for name, case in load().items() if any(trial.case == name for trial in results.known)}
    hard = {name for name, case in cases.items() if case.is_hard}
    parts = {
        "hard cases: no one form for all layers of a kind is known to meet them, only a form for each layer, or fewer "
        "channels": hard,
        "easier cases: one form for all layers of a kind meets them": cases.keys() - hard,
        "cases on which the policy was worked": {name for name, case in cases.items() if case.part == "open"},
        "cases of other models, kept aside until the end": {
            name for name, case in cases.items() if case.part == "aside"
        },
    }
    blocks = [
        "# Search: attempts to the first success",
        _machine(results),
        "![Share of cases met within so many attempts](search.svg)",
        _HOW.format(
            seeds=results.seeds, timing=f"{TIMING['seconds']:g} s, {TIMING['at_most']:g} s where the interval is wide"
        ),
        "## Bars",
        _table(
            "bar|asked|found|",
            [[b.name, b.bound, b.found, "reached" if b.reached else "**missed**"] for b in results.bars()],
        ),
        f"## All {len(cases)} cases, {len(hard)} of them hard",
        _arms(results.arms()),
    ]
    for words, names in parts.items():
        if names and (found := results.arms(names)):
            blocks += [f"## The {len(names)} {words}", _arms(found)]
    blocks += ["## Case by case", _cases(results, cases), "## Measured again", _held(results)]
    return "\n\n".join(blocks) + "\n"


def _machine(results: Results) -> str:
    machine = results.machine
    libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    taken = "" if results.fresh else ", jobs of earlier benchmarks taken from the record"
    taken += f", {results.taken_up} units finished before an interruption" if results.taken_up else ""
    lost = ", ".join(f"{case} (seed {seed})" for case, seed in results.infeasible)
    return "\n".join(
        [
            f"- {machine.date}, commit {machine.commit}, `{machine.command}`, {results.workers} runs side by side, "
            f"{results.wall_s / 60:.0f} min{taken}",
            f"- {machine.cpu}, {machine.cores} cores, {machine.memory_gb} GB, flags {', '.join(machine.flags) or '–'}; "
            f"load average at the start {machine.load:.2f}"
            f"{'; measured beside other work' if results.beside else ''}",
            f"- {machine.system}, Python {machine.python}, {libraries}",
            *([f"- the known plan missed, so that nobody is counted: {lost}"] if lost else []),
        ]
    )


def _arms(found: list[Arm]) -> str:
    heads = "|".join(f"met in {budget}" for budget in BUDGETS)
    rows = [
        [
            arm.name,
            *(_share(each) for each in arm.within),
            "–" if arm.median_attempts is None else f"{arm.median_attempts:g}",
            f"{arm.cpu_s:.1f} s",
            f"{arm.sample_runs:.0f}",
            str(arm.runs),
        ]
        for arm in found
    ]
    return _table(f"policy|{heads}|attempts, median|CPU, median|sample runs, median|runs", rows)


def _share(share: Share) -> str:
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _cases(results: Results, cases: dict[str, Case]) -> str:
    names = list(dict.fromkeys((trial.policy, trial.memory) for trial in results.trials))
    rows = []
    for name, case in cases.items():
        plain = [trial for trial in results.known if trial.case == name and trial.met_within(1)]
        known = plain[0].attempts[0].levers if plain else results.known[0].attempts[0].levers
        firsts = [
            [trial.first_met for trial in results.trials if (trial.case, trial.policy, trial.memory) == (name, *arm)]
            for arm in names
        ]
        rows.append(
            [
                name,
                case.kind,
                "hard" if case.is_hard else "easier",
                case.part,
                case.bounds,
                known,
                *map(_firsts, firsts),
            ]
        )
    heads = "|".join(f"{policy}, memory" if memory else policy for policy, memory in names)
    words = "Attempts to the first success, seed by seed; – where there was none in six."
    return f"{words}\n\n" + _table(f"case|model|hard|part|asked|known plan|{heads}", rows)


def _firsts(found: list[int | None]) -> str:
    return " ".join("–" if each is None else str(each) for each in found)


def _held(results: Results) -> str:
    false = [each for each in results.held if each.refuted]
    noise = [each for each in results.held if each.within_noise and not each.refuted]
    speeds = [each.proof.speedup.value for each in results.held if each.proof]
    if not speeds:
        return "Nothing was met."
    lines = [
        f"{len(results.held)} pairs of product and case were called met; their median speed is "
        f"{statistics.median(speeds):.2f}×. {len(false)} are refuted on samples that no run saw; of {len(noise)} more "
        "the estimate misses a bound and its 95 % interval does not.",
        *(f"- **{each.case}** ({each.product}): {'; '.join(each.refuted)}" for each in false),
        *(f"- {each.case} ({each.product}), within noise: {'; '.join(each.within_noise)}" for each in noise),
    ]
    return "\n".join(lines)


def _table(head: str, rows: list[list[str]]) -> str:
    columns = head.count("|") + 1
    lines = [f"| {' | '.join(head.split('|'))} |", "|" + "---|" * columns]
    return "\n".join([*lines, *(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |" for cells in rows)])
