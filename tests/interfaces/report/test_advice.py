"""What the report says of gains, advice and advisers, and how it marks a language model's words."""

from __future__ import annotations

from shipfit.contracts import Analysis, Impact, Optimization, ProposalCount, Recommendation
from shipfit.interfaces.report import render

from .. import responses
from ..outline import Outline, assert_accessible

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e{{ 7*7 }}"


def test_a_language_models_words_are_marked_and_harmless() -> None:
    impact = Impact(benefit=f"4.21× {HOSTILE}", trade_off="none")
    said = Optimization(type="performance", technique=HOSTILE, impact=impact, source="language model")
    ruled = said.model_copy(update={"technique": "storage int8", "source": "measurements"})
    advice = Recommendation(category="scaling", description=HOSTILE, source="language model")
    analysis = Analysis(optimizations=(ruled, said), recommendations=(advice,), dropped=2)
    plain = responses.response()
    attempt = plain.attempts[1]
    attempt = attempt.model_copy(
        update={"plan": attempt.plan.model_copy(update={"proposer": "planner"}), "explanation": HOSTILE}
    )
    page = render(
        plain.model_copy(
            update={
                "analysis": analysis,
                "recommendations": analysis.recommendations,
                "attempts": (plain.attempts[0], attempt, *plain.attempts[2:]),
                "proposals": (ProposalCount(proposer="planner", asked=1, valid=2, dropped=1, tried=1, met=1),),
            }
        )
    )
    assert_accessible(page)
    assert "<script>" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    words = Outline(page).words
    for told in (
        "What was gained, and what it cost", "storage int8", "2 with other figures left out", "{{ 7*7 }}",
        "proposed by the planner agent's language model", "the language model on the miss:",
        "planner: asked 1 time; 2 proposals, 1 that are no plan here; 1 tried, 1 met",
    ):  # fmt: skip
        assert told in words, told
    assert words.count("language model") >= 4


def test_without_a_language_model_nothing_speaks_of_one() -> None:
    ruled = Optimization(type="size", technique="storage int8", impact=Impact(benefit="26 %", trade_off="none"))
    page = render(responses.response(analysis=Analysis(optimizations=(ruled,))))
    assert "storage int8" in page
    assert "language model" not in page.lower()


def test_the_terminal_says_who_proposed() -> None:
    from rich.console import Console

    from shipfit.interfaces.cli.progress import attempts_table

    attempt = responses.response().attempts[1]
    for proposer, told in (("planner", "proposed by the planner agent"), ("memory", "recalled"), ("policy", "")):
        plan = attempt.plan.model_copy(update={"proposer": proposer})
        console = Console(width=300)
        with console.capture() as capture:
            console.print(attempts_table([attempt.model_copy(update={"plan": plan})]))
        assert told in capture.get()
        assert ("proposed" in capture.get()) == (proposer == "planner")
