"""Compile an agent's module from decisions of past runs, and judge it by others.

DSPy's BootstrapFewShot chooses examples; where the budget allows, GEPA adds lessons (`reflection.py`).

What is right is decided by records alone: a proposal counts where a plan that comes to the same was measured to meet
everything (`exercises.Exercise.score`). No language model judges another.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from typing import Any, cast

import dspy

from ...contracts import LanguageModelError, RequestError, Specialist, TunedModule, TuningMethod, TuningReport
from ..exercises import LEAST_HELD, LEAST_MODELS, Exercise, split
from ..search.trajectory import summarize
from .advisor import Advisor
from .reflection import budget_for, reflected
from .specialists import PROPOSING, proposals_of

DEMOS_AT_MOST = 3
# A proposal is an example to follow where all that is known of it met.
GOOD = 1.0


def tune(
    agent: Specialist,
    found: Sequence[Exercise],
    advisor: Advisor,
    present: dspy.Module | None,
    keep: Callable[[TunedModule], object],
    method: TuningMethod | None = None,
    to_come: int = 0,
) -> TuningReport:
    """Compile the agent's module, and keep it if it does better than the present one on models that were held back.

    Args:
        agent: whose module.
        found: decisions of past runs.
        advisor: the language model; its budget bounds all questions.
        present: the module in use, None for the one that ships.
        keep: stores what is adopted.
        method: how it is compiled; None: with lessons where what is left of the budget is enough for them.
        to_come: agents that share what is left of the budget with this one.

    Raises:
        RequestError: lessons are asked for, and the budget is too small for them.
        LanguageModelError: the model gave no more answers, or the budget is spent: nothing is adopted.
    """
    models = len({exercise.model for exercise in found})
    learned, judged = split(found)
    counted: dict[str, Any] = {"trained_on": len(learned), "held_back": len(judged)}
    if models < LEAST_MODELS or len(judged) < LEAST_HELD:
        told = f"{len(found)} decisions on {models} models are recorded where something met"
        reason = f"{told}; {LEAST_MODELS} models and {LEAST_HELD} decisions to judge by are the least"
        return TuningReport(agent=agent, adopted=False, reason=reason, **counted)
    end = advisor.use.calls + (advisor.settings.max_calls - advisor.use.calls) // (1 + to_come)
    before = right(agent, present or PROPOSING[agent](), judged, advisor)
    compiled = _compiled(agent, learned, advisor)
    left = end - advisor.use.calls
    questions = 0 if method == "bootstrap" else _questions(agent, len(learned), len(judged), left, method)
    if questions:
        with _quiet(), advisor.asking(f"tune {agent}"):
            compiled = reflected(agent, compiled, learned, questions)
    used: TuningMethod = "gepa" if questions else "bootstrap"
    after = right(agent, compiled, judged, advisor)
    better = after > before
    if better:
        keep(_artifact(agent, compiled, learned, judged, advisor, before, after, used))
    reason = "better on what was held back" if better else "not better on what was held back, so all stays as it was"
    return TuningReport(agent=agent, adopted=better, reason=reason, method=used, before=before, after=after, **counted)


def _questions(agent: Specialist, learned: int, judged: int, left: int, method: TuningMethod | None) -> int:
    """Return how many questions lessons may cost.

    Raises:
        RequestError: they are asked for, and too few questions are left.
    """
    questions = budget_for(left, learned, judged)
    if method == "gepa" and not questions:
        raise RequestError(
            f"--method gepa: {max(left, 0)} questions are left for the {agent} agent, too few for lessons; "
            "give a larger --budget, or tune one agent at a time"
        )
    return questions


def right(agent: Specialist, module: dspy.Module, judged: Sequence[Exercise], advisor: Advisor) -> float:
    """Return the mean score of a module over decisions; no answer scores nothing.

    Raises:
        LanguageModelError: no further question can be answered.
    """
    scores: list[float] = []
    for exercise in judged:
        try:
            answer = advisor.call(f"tune {agent}", module, situation=summarize(exercise.state))
            scores.append(exercise.score(agent, proposals_of(answer)))
        except LanguageModelError as error:
            if error.lasting:
                raise
            scores.append(0.0)
    return sum(scores) / len(scores)


def _compiled(agent: Specialist, learned: Sequence[Exercise], advisor: Advisor) -> dspy.Module:
    """Return the module with examples: its own answers that are right by record, then recorded ones."""
    by_situation = {summarize(exercise.state): exercise for exercise in learned}

    def metric(example: Any, answer: Any, trace: object = None) -> bool:
        return by_situation[example.situation].score(agent, proposals_of(answer)) >= GOOD

    examples = [
        dspy.Example(situation=situation, proposals=exercise.answers(agent)).with_inputs("situation")
        for situation, exercise in by_situation.items()
    ]
    optimizer = dspy.BootstrapFewShot(
        metric=metric,
        max_bootstrapped_demos=DEMOS_AT_MOST,
        max_labeled_demos=DEMOS_AT_MOST,
        max_errors=len(examples) + 1,
    )
    with _quiet(), advisor.asking(f"tune {agent}"):
        return cast("dspy.Module", optimizer.compile(PROPOSING[agent](), trainset=examples))


@contextmanager
def _quiet() -> Generator[None]:
    """Keep DSPy's progress bars, prints and logged failures off the terminal."""
    logger = logging.getLogger("dspy")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)


def _artifact(
    agent: Specialist,
    compiled: dspy.Module,
    learned: Sequence[Exercise],
    judged: Sequence[Exercise],
    advisor: Advisor,
    before: float,
    after: float,
    method: TuningMethod,
) -> TunedModule:
    runs = dict.fromkeys(exercise.run for exercise in (*learned, *judged))
    return TunedModule.model_validate(
        {
            "agent": agent, "language_model": advisor.model, "created": time.time(), "shipfit": version("shipfit"),
            "dspy": version("dspy"), "trained_on": len(learned), "held_back": len(judged), "before": before,
            "after": after, "runs": list(runs)[:200], "method": method, "state": compiled.dump_state(),
        }
    )  # fmt: skip
