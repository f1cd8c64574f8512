"""Hold the built-in policy against other searches, at equal effort, on requests that are known to be feasible.

    python benchmarks/search/run.py [CASE …] [--part open|aside] [--seeds N] [--policy NAME …] [--workers N]
                                    [--memory all|built-in|none] [--beside] [--fresh] [--dry] [--pages]
    python benchmarks/search/run.py [CASE …] --llm NAME [--llm-calls N] [--seeds N] [--dry]

Every run is a whole `shipfit optimize` without its command line, in a home of its own; it ends with its first success,
or after six attempts. Runs with memory share one home for each policy and seed, and go through the cases in an order
of that seed. What was met is measured again by a process without shipfit. Figures go to
`benchmarks/results/search.{json,md,svg}`, with `--dry` to the cache. With `--llm` the policy with a language model's
proposals is held against the policy alone, and figures go to `advice.{json,md}` (`language_arm.py`).

What a job answered is kept in `cache/record`, as long as the code of the tools is the same; `--fresh` forgets it
first. A run that was interrupted goes on when the same command is given again and no code has changed. The exit status
is 0 when every bar is reached.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "zoo")]

from asked import Case, load  # noqa: E402 - the path above comes first
from beside import measure_beside_others  # noqa: E402
from host_file import find_probe  # noqa: E402
from kept import Kept, run_of  # noqa: E402
from machine import describe  # noqa: E402
from models import make  # noqa: E402
from places import CACHE  # noqa: E402
from policies import ADVISED, POLICIES  # noqa: E402
from proofs import prove  # noqa: E402
from search_page import Results, read, write  # noqa: E402
from trials import KNOWN, Bench, Trial  # noqa: E402

RESULTS = HERE.parent / "results"
SEEDS = 3


def main() -> int:
    """Run what was asked for, write the figures, and say whether every bar was reached."""
    options = _options()
    folder = CACHE / "results" if options.dry else RESULTS
    if options.pages:
        write(read(folder), folder)
        return 0
    cases = _chosen(options.names, options.part)
    kept = Kept(CACHE / "unfinished" / run_of({**vars(options), "workers": 0}))
    if options.fresh and not kept.taken_up:
        shutil.rmtree(CACHE / "record", ignore_errors=True)
    machine, started = describe(), time.monotonic()
    make(sorted({case.model for case in cases}))
    bench = Bench(CACHE / "record", CACHE / "products", find_probe())
    if options.llm:
        return _advised(bench, cases, options, folder)
    with _pool(options) as pool:
        known, trials = _alone(pool, bench, kept, cases, options)
        trials += _remembering(pool, bench, kept, cases, options)
    ran_s = time.monotonic() - started
    held = prove([*known, *trials], load(), bench.products, options.workers)
    results = Results(
        machine=machine, workers=options.workers, seeds=options.seeds, fresh=options.fresh, beside=options.beside,
        ran_s=ran_s, wall_s=time.monotonic() - started, known=known, trials=trials, held=held, taken_up=kept.taken_up,
    )  # fmt: skip
    write(results, folder)
    kept.forget()
    for bar in results.bars():
        print(f"  {'ok    ' if bar.reached else 'MISSED'} {bar.name}: {bar.found} ({bar.bound})")
    print(f"figures: {os.path.relpath(folder / 'search.md')}")
    return int(not all(bar.reached for bar in results.bars()))


def _advised(bench: Bench, cases: Sequence[Case], options: argparse.Namespace, folder: Path) -> int:
    """Hold a language model's advice against none; the exit status is 0 when nothing that was met is refuted."""
    import language_arm  # asks litellm and DSPy in, which no other arm needs

    machine = describe()
    found = language_arm.compare(bench, cases, options.llm, options.llm_calls, options.seeds, machine)
    found.held = prove(found.trials, load(), bench.products, options.workers)
    print(f"figures: {os.path.relpath(language_arm.write(found, folder))}")
    return int(any(each.refuted for each in found.held))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CASE", help="a case, or a model with all of its cases")
    parser.add_argument("--part", choices=("open", "aside"), help="the cases of one part alone")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each case and policy")
    parser.add_argument("--policy", action="append", choices=[*POLICIES, *ADVISED], help="one policy; may be repeated")
    parser.add_argument("--llm", metavar="NAME", help="a language model, as litellm names it")
    parser.add_argument("--llm-calls", type=int, default=20, metavar="N", help="requests to it in each run at most")
    parser.add_argument("--workers", type=int, default=2, help="processes side by side; one at a time measures time")
    parser.add_argument("--memory", choices=("all", "built-in", "none"), default="all", help="who also remembers")
    parser.add_argument("--beside", action="store_true", help="take no measuring lock of the host")
    parser.add_argument("--fresh", action="store_true", help="run every job anew")
    parser.add_argument("--dry", action="store_true", help="write to the cache")
    parser.add_argument("--pages", action="store_true", help="draw the pages of the last run again")
    return parser.parse_args()


def _pool(options: argparse.Namespace) -> ProcessPoolExecutor:
    own = tempfile.mkdtemp(prefix="shipfit-search-lock-")
    how = {"initializer": measure_beside_others, "initargs": (Path(own),)} if options.beside else {}
    return ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn"), **how)


def _chosen(names: Sequence[str], part: str | None) -> list[Case]:
    cases = load()
    if unknown := {name for name in names if not any(name in (case.name, case.model) for case in cases.values())}:
        sys.exit(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(cases)}")
    chosen = [case for case in cases.values() if not names or case.name in names or case.model in names]
    return [case for case in chosen if part in (None, case.part)]


def _alone(
    pool: ProcessPoolExecutor, bench: Bench, kept: Kept, cases: Sequence[Case], options: argparse.Namespace
) -> tuple[list[Trial], list[Trial]]:
    """Return the trials of the known plans, and those of all policies, none of which remembers anything.

    The runs of one model are one after another, so that none does what another is about to have done.
    """
    models = dict.fromkeys(case.model for case in cases)
    names = options.policy or list(POLICIES)
    tasks = [
        pool.submit(_of_one_model, bench, kept, [case for case in cases if case.model == model], names, options.seeds)
        for model in models
    ]
    found = [trial for task in tasks for trial in task.result()]
    return [each for each in found if each.policy == KNOWN], [each for each in found if each.policy != KNOWN]


def _of_one_model(bench: Bench, kept: Kept, cases: Sequence[Case], names: Sequence[str], seeds: int) -> list[Trial]:
    trials: list[Trial] = []
    for case in cases:
        for seed in range(seeds):
            trials += kept.unit(f"{case.name} {seed}", partial(_of_one_seed, bench, case, names, seed))
        _tell(case.name, trials)
    return trials


def _of_one_seed(bench: Bench, case: Case, names: Sequence[str], seed: int) -> list[Trial]:
    return [bench.known(case, seed), *(bench.trial(case, name, seed) for name in names)]


def _remembering(
    pool: ProcessPoolExecutor, bench: Bench, kept: Kept, cases: Sequence[Case], options: argparse.Namespace
) -> list[Trial]:
    """Return the trials of policies that remember, each through all cases in one home."""
    names = [name for name in options.policy or list(POLICIES) if options.memory in ("all", name)]
    tasks = [
        pool.submit(kept.unit, f"remembering {name} {seed}", partial(_through, bench, cases, name, seed))
        for seed in range(options.seeds)
        for name in names
    ]
    return [trial for task in tasks for trial in task.result()]


def _through(bench: Bench, cases: Sequence[Case], name: str, seed: int) -> list[Trial]:
    order = random.Random(seed).sample(list(cases), len(cases))
    with tempfile.TemporaryDirectory(prefix="shipfit-search-") as home:
        return [bench.trial(case, name, seed, Path(home)) for case in order]


def _tell(case: str, trials: Sequence[Trial]) -> None:
    by_policy: dict[str, list[str]] = {}
    for trial in trials:
        if trial.case == case:
            by_policy.setdefault(trial.policy, []).append(str(trial.first_met or "–"))
    print(f"{case}: " + ", ".join(f"{name} {' '.join(first)}" for name, first in by_policy.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
