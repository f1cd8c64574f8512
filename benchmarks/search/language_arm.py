"""What a language model's proposals are worth: the built-in policy with them against the policy alone.

Both arms get the same cases, seeds and at most six attempts, remember nothing, and end with their first success. The
model is asked as in any run: held to its schema, its calls bounded for each run, its proposals ranked in the policy's
own queue. Which model it is makes no difference to any verdict, only to how soon something is met.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from asked import Case
from counting import Arm, arm
from machine import Machine
from proofs import Held
from pydantic import BaseModel, ConfigDict
from trials import Bench, Trial

from shipfit.agents.language.opening import open_advisor
from shipfit.agents.language.specialists import ModuleAdvisers
from shipfit.agents.search.language_policy import LanguagePolicy
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.contracts import Consultation, LanguageModelSettings, LanguageUse, Policy, load_settings

ALONE, ADVISED = "policy alone", "with the model"
# A small model on one thread may take minutes for an answer; the deterministic side answers instead after that.
TIMEOUT_S = 600.0


class Asked(BaseModel):
    """What one run asked the model, and what it proposed."""

    model_config = ConfigDict(frozen=True)

    use: LanguageUse
    proposed: int = 0
    dropped: int = 0


class Advice(BaseModel):
    """The comparison, whole.

    Attributes:
        calls: requests to the model at most, in each run.
        asked: of each run with the model, in the order of its trials.
        held: what was met, measured again without shipfit.
    """

    model: str
    machine: Machine
    calls: int
    seeds: int
    trials: list[Trial]
    asked: list[Asked]
    held: list[Held] = []

    def of(self, name: str) -> list[Trial]:
        """Return the trials of one arm."""
        return [trial for trial in self.trials if trial.policy == name]

    def arms(self) -> list[Arm]:
        """Return both arms, the policy alone first."""
        return [arm(self.of(name)) for name in (ALONE, ADVISED)]


def compare(bench: Bench, cases: Sequence[Case], model: str, calls: int, seeds: int, machine: Machine) -> Advice:
    """Run every case both ways, one run at a time: there is one model to ask.

    Raises:
        RequestError: the model is named wrongly, or its key is missing.
        LanguageModelError: it cannot be reached.
    """
    found = Advice(model=model, machine=machine, calls=calls, seeds=seeds, trials=[], asked=[])
    for case in cases:
        for seed in range(seeds):
            found.trials.append(bench.chosen(case, ALONE, BuiltInPolicy(), seed))
            with _advised(model, calls, found.asked) as policy:
                found.trials.append(bench.chosen(case, ADVISED, policy, seed))
            alone, advised = (str(trial.first_met or "–") for trial in found.trials[-2:])
            print(f"{case.name}, seed {seed}: alone {alone}, with the model {advised}", flush=True)
    return found


@contextmanager
def _advised(model: str, calls: int, asked: list[Asked]) -> Iterator[Policy]:
    """Yield the policy of one run; afterwards what it asked stands in `asked`."""
    limits = LanguageModelSettings(name=model, required=True, timeout_s=TIMEOUT_S, max_calls=calls)
    opened = open_advisor(limits, load_settings())
    assert opened.advisor is not None
    made: list[Consultation] = []
    with closing(opened):
        yield LanguagePolicy(BuiltInPolicy(), ModuleAdvisers(opened.advisor), made.append)
        plans = sum(len(each.plans) for each in made)
        asked.append(Asked(use=opened.advisor.use, proposed=plans, dropped=sum(len(each.dropped) for each in made)))


def write(found: Advice, folder: Path) -> Path:
    """Write `advice.json` and `advice.md` to `folder`, and return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "advice.json").write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    page = folder / "advice.md"
    page.write_text("\n\n".join(_blocks(found)) + "\n", encoding="utf-8")
    return page


def _blocks(found: Advice) -> Iterator[str]:
    yield "# What a language model's proposals are worth"
    machine = found.machine
    yield (
        f"`python benchmarks/search/run.py --llm {found.model} --llm-calls {found.calls}`, {found.seeds} seeds a case, "
        f"on {machine.cores} cores of {machine.cpu} with a load of {machine.load:.1f} at the start; {machine.date}, "
        f"{machine.commit}. Both arms get six attempts and end with their first success."
    )
    rows = [
        [each.policy, str(each.runs), *(f"{share.value:.0%}" for share in each.within), f"{each.cpu_s:.1f}"]
        for each in found.arms()
    ]
    yield _table("arm|runs|in 1|in 2|in 3|in 4|in 5|in 6|CPU s, median", rows)
    yield _table("case|alone|with the model|tried of its proposals|of these met", list(_by_case(found)))
    yield _totals(found)


def _by_case(found: Advice) -> Iterator[list[str]]:
    for name in dict.fromkeys(trial.case for trial in found.trials):
        alone, advised = ([t for t in found.of(each) if t.case == name] for each in (ALONE, ADVISED))
        tried = [item for trial in advised for item in trial.attempts if item.proposer not in ("policy", "memory")]
        met = sum(item.verdict == "met" for item in tried)
        firsts = (" ".join(str(trial.first_met or "–") for trial in trials) for trials in (alone, advised))
        yield [name, *firsts, str(len(tried)), str(met)]


def _totals(found: Advice) -> str:
    sums: Counter[str] = Counter()
    for each in found.asked:
        use = each.use
        counted = {"calls": use.calls, "constrained": use.constrained, "repaired": use.repaired, "failed": use.failed}
        sums.update(counted | {"in": use.input_tokens, "out": use.output_tokens, "s": round(use.seconds)})
        sums.update({"proposed": each.proposed, "dropped": each.dropped})
    refuted = sum(bool(each.refuted) for each in found.held)
    return (
        f"{sums['calls']} requests in {len(found.asked)} runs, {sums['constrained']} of them held to a schema; "
        f"{sums['repaired']} answers mended, {sums['failed']} questions without a usable answer; {sums['in']:,} tokens "
        f"in, {sums['out']:,} out, {sums['s']:,} s of waiting. {sums['proposed']} plans proposed, {sums['dropped']} "
        f"more left out by the request's switches or the model's operators. Of {len(found.held)} products that were "
        f"met, {refuted} were refuted when they were measured again without shipfit."
    )


def _table(head: str, rows: list[list[str]]) -> str:
    names = head.split("|")
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
