"""Decisions of past runs, with what is recorded of plans for the same model: what agents' modules learn from."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..contracts import (
    Attempt,
    Bound,
    Compute,
    OptimizationResponse,
    Plan,
    PolicyState,
    Proposal,
    PruningProposal,
    QuantizationProposal,
    Request,
    RuntimeProposal,
    Specialist,
)
from .search import priors
from .search.language_policy import advice, who_may_help
from .search.policy import BuiltInPolicy
from .search.proposals import FAMILIES, SHARES, Part

# Decisions at most for each side, and the share of models that is held back.
TRAINED_AT_MOST, HELD_AT_MOST = 24, 12
HELD_SHARE = 1 / 3
LEAST_MODELS, LEAST_HELD = 3, 2


@dataclass(frozen=True)
class Exercise:
    """One decision of a past run.

    Attributes:
        model: id of the original, so that one model is never both learned from and judged by.
        state: what was known then.
        base: the plan that a specialist's part goes into.
        records: plans that were measured on this model, machine and data, each with whether it meets this request.
    """

    run: str
    model: str
    state: PolicyState
    base: Plan
    records: tuple[tuple[Plan, bool], ...]

    def score(self, proposer: Specialist, parts: Sequence[Part]) -> float:
        """Return the share of the proposals with a record that met; 0 where no proposal has one."""
        plans = advice(parts, self.base, self.state, proposer).plans
        known = [met for plan in plans if (met := self._came_to(plan, proposer)) is not None]
        return sum(known) / len(known) if known else 0.0

    def answers(self, proposer: Specialist) -> list[Part]:
        """Return what would have been right to propose: parts of plans that met, each once."""
        parts = [part_of(plan, proposer) for plan, met in self.records if met]
        unique = [part for index, part in enumerate(parts) if part not in parts[:index]]
        return [part for part in unique if self.score(proposer, [part]) > 0][:3]

    def _came_to(self, plan: Plan, proposer: Specialist) -> bool | None:
        found = [met for other, met in self.records if _key(other, proposer) == _key(plan, proposer)]
        return any(found) if found else None


def exercises(responses: Iterable[OptimizationResponse], proposer: Specialist) -> list[Exercise]:
    """Return the decisions that `proposer` would have been asked for, where something is recorded that met."""
    by_case: dict[tuple[str, ...], list[OptimizationResponse]] = defaultdict(list)
    for response in responses:
        known = response.provenance
        if response.profile is not None and known.model and known.host is not None:
            by_case[known.model, known.data, known.hardware].append(response)
    found = [
        exercise
        for case in by_case.values()
        for response in case
        for exercise in _of_run(response, case, proposer)
        if exercise.answers(proposer)
    ]
    return sorted(found, key=lambda exercise: _shuffled(f"{exercise.run} {len(exercise.state.attempts)}"))


def split(found: Sequence[Exercise]) -> tuple[list[Exercise], list[Exercise]]:
    """Return what to learn from, and what to judge by: of other models."""
    models = sorted({exercise.model for exercise in found}, key=_shuffled)
    held = set(models[: max(1, round(len(models) * HELD_SHARE))])
    learned = [exercise for exercise in found if exercise.model not in held]
    judged = [exercise for exercise in found if exercise.model in held]
    return learned[:TRAINED_AT_MOST], judged[:HELD_AT_MOST]


def _shuffled(text: str) -> str:
    """Return a key that orders at random, the same way each time."""
    return hashlib.sha256(text.encode()).hexdigest()


def _of_run(
    response: OptimizationResponse, case: Sequence[OptimizationResponse], proposer: Specialist
) -> Iterator[Exercise]:
    request = response.request
    records = tuple(
        (attempt.plan, met)
        for other in case
        for attempt in other.attempts
        if (met := would_meet(attempt, request, same=other.request == request)) is not None
    )
    for count in range(len(response.attempts)):
        state = _state(response, response.attempts[:count])
        if proposer in who_may_help(state):
            own = BuiltInPolicy().propose(state)
            base = own or (response.attempts[count - 1].plan if count else Plan())
            yield Exercise(response.run, response.provenance.model, state, base, records)


def _state(response: OptimizationResponse, attempts: tuple[Attempt, ...]) -> PolicyState:
    """Return what the policy saw after `attempts`, without what memory and advisers had told it."""
    assert response.profile is not None
    assert response.provenance.host is not None
    baseline = response.baseline
    size = {"size_bytes": int(baseline.size.value)} if baseline else {}
    return PolicyState(
        request=response.request,
        profile=response.profile.model_copy(update=size),
        host=response.provenance.host,
        attempts=attempts,
        labelled=baseline is not None and baseline.accuracy is not None,
    )


def would_meet(attempt: Attempt, request: Request, *, same: bool) -> bool | None:
    """Return whether an attempt meets the bounds of `request`; None where too little of it was measured.

    Args:
        attempt: of any run of the same model on the same machine and data.
        request: whose bounds are asked about.
        same: whether the attempt was judged by this very request.
    """
    verdict = attempt.verdict
    if same:
        return verdict.kind == "met"
    results = {result.name: result for result in verdict.constraints}
    measured = {name: result.measured for name, result in results.items()}
    if any(_misses(measured.get(bound.name), bound) for bound in request.constraints.bounds()):
        return False
    guarded = all(result.met for name, result in results.items() if name.startswith("guard_"))
    complete = all(measured.get(bound.name) is not None for bound in request.constraints.bounds())
    return True if complete and guarded and verdict.kind == "met" else None


def _misses(measured: float | None, bound: Bound) -> bool:
    return measured is not None and (measured > bound.bound if bound.upper else measured < bound.bound)


def _key(plan: Plan, proposer: Specialist) -> tuple[object, ...]:
    """Return what two plans have in common that come to the same: aims and corrections follow from the run."""
    lever = plan.quantize
    forms = None
    if lever is not None:
        forms = (frozenset(lever.compute.items()), lever.storage, lever.mixture, lever.calibration, lever.recovery)
    runtime = (plan.graph, plan.tune) if proposer == "runtime" else ()
    return plan.prune, forms, *runtime


def part_of(plan: Plan, proposer: Specialist) -> Part:
    """Return a plan, or what a specialist has a say in of it, in the words that proposals have."""
    parts: dict[str, Part] = {
        "quantization": _quantization(plan), "pruning": _pruning(plan), "runtime": _runtime(plan),
    }  # fmt: skip
    return parts[proposer] if proposer != "planner" else Proposal.model_validate(parts)


def _quantization(plan: Plan) -> QuantizationProposal:
    lever = plan.quantize
    if lever is None:
        return QuantizationProposal()

    def form(op_types: Iterable[str]) -> Compute | str:
        return next((lever.compute[each] for each in op_types if each in lever.compute), "float32")

    return QuantizationProposal.model_validate(
        {
            "convolutions": form(priors.CONVOLUTIONS),
            "products": form(priors.PRODUCTS),
            "recurrent": form(priors.RECURRENT),
            "storage": lever.storage,
            "per_layer": lever.mixture,
            "calibration": lever.calibration,
            "recovery": lever.recovery,
        }
    )


def _pruning(plan: Plan) -> PruningProposal:
    if plan.prune is None:
        return PruningProposal()
    if plan.prune.ratio is None:
        return PruningProposal(what="small_weights")
    ratio = plan.prune.ratio
    return PruningProposal(what="channels", share=min(SHARES, key=lambda share: abs(SHARES[share] - ratio)))


def _runtime(plan: Plan) -> RuntimeProposal:
    passes = [family for family in FAMILIES if plan.graph is not None and getattr(plan.graph, family)]
    return RuntimeProposal.model_validate({"passes": passes, "tune": plan.tune})
