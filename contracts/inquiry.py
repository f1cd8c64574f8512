"""What may be asked about a run: why it did what it did, and what other bounds would cost."""

from __future__ import annotations

from typing import Literal

from .approval import Decision, Edit
from .attempt import ConstraintResult, VerdictKind
from .base import Contract
from .recipe import Plan
from .request import Request

Topic = Literal["graph", "pruning", "static", "dynamic", "int8", "int4", "fp16", "mixture"]


class Account(Contract):
    """Why an attempt was made and what came of it.

    Attributes:
        plan: with what was predicted of it.
        missed: bounds and guards that it did not meet, the worst first.
        text: all of it in sentences.
    """

    attempt: int
    plan: Plan
    verdict: VerdictKind
    rejected: bool = False
    delivered: bool = False
    missed: tuple[ConstraintResult, ...] = ()
    text: str


class Alternative(Contract):
    """A kind of plan, and what became of it.

    Attributes:
        status: `tried`; `open` (it was not tried and may be); `ruled_out` by a switch of the request, or by a person;
            `impossible` where the model offers nothing to it.
        ruled_out_by: the settings that would have to be otherwise, such as `level`.
        attempts: those that tried it.
        plan: the most promising one that is open, or that would be without what rules it out, with its prediction.
    """

    topic: Topic
    status: Literal["tried", "open", "ruled_out", "impossible"]
    ruled_out_by: tuple[str, ...] = ()
    attempts: tuple[int, ...] = ()
    plan: Plan | None = None
    text: str


class Explanation(Contract):
    """Why a run went as it did, from its trail and by rule alone.

    Attributes:
        question: as it was put; empty asks for everything.
        status: of the run, such as `met`, `waiting` or `interrupted`.
        text: the answer in sentences; names in it may come from the model.
    """

    run: str
    question: str = ""
    status: str
    reason: str = ""
    attempts: tuple[Account, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    decisions: tuple[Decision, ...] = ()
    text: tuple[str, ...] = ()


class Candidate(Contract):
    """What would answer to changed bounds.

    Attributes:
        basis: `measured` of an attempt, or `predicted` of a plan that was not tried.
        meets: of what was measured, whether it meets everything; absent where not everything was measured, and of
            predictions.
        chance: of a prediction, to meet everything.
        missed: by what was measured.
    """

    basis: Literal["measured", "predicted"]
    attempt: int | None = None
    plan: Plan
    meets: bool | None = None
    chance: float | None = None
    size_ratio: float | None = None
    speedup: float | None = None
    fidelity_db: float | None = None
    drop: float | None = None
    missed: tuple[ConstraintResult, ...] = ()
    text: str


class WhatIf(Contract):
    """What changed bounds would cost; nothing was run to find out.

    Attributes:
        request: with the changes.
        outcome: `met` by something that was measured; else `likely` or `unlikely` by the best prediction.
        candidates: what was measured first, nearest first, then what is predicted.
    """

    run: str
    edits: tuple[Edit, ...]
    request: Request
    outcome: Literal["met", "likely", "unlikely"]
    candidates: tuple[Candidate, ...]
    text: tuple[str, ...] = ()
