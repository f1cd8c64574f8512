"""The policies that are held against each other, all through `contracts.Policy`."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator
from itertools import islice

from advised import with_drawn_advice
from optuna import Study, Trial, create_study, logging
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from space import Space, plan, space

from shipfit.agents.search import priors
from shipfit.agents.search.policy import BuiltInPolicy
from shipfit.contracts import Attempt, Compute, Plan, Policy, PolicyState, QuantizeLever, Storage

# Of a draw that repeats a plan: how often it is made again before there is nothing new.
_DRAWS = 200
# Trials that TPE draws at random before it models anything. Its usual ten are more than the whole budget.
_TPE_STARTS = 2
# What an attempt that failed, or was not measured, misses its bounds by.
_WORST = 10.0


class Known:
    """Proposes one plan and nothing else: the one that shows a case to be feasible."""

    def __init__(self, known: Plan) -> None:
        self._known = known

    def propose(self, state: PolicyState) -> Plan | None:
        """Return the plan, once."""
        return None if state.attempts else self._known


class DefaultRecipes:
    """What people do first: the int8 recipe that the runtime's guide names for the model, then a short list."""

    def propose(self, state: PolicyState) -> Plan | None:
        """Return the next of the list."""
        tried = [attempt.plan for attempt in state.attempts]
        return next((each for each in self._list(state) if not _among(each, tried)), None)

    def _list(self, state: PolicyState) -> Iterator[Plan]:
        """Yield static int8 for nets of convolutions and dynamic int8 for others, the other, then weights alone."""
        conv, product, recurrent = (
            [name for name in names if state.profile.operator(name) is not None]
            for names in (priors.CONVOLUTIONS, priors.PRODUCTS, priors.RECURRENT)
        )
        static: dict[str, Compute] = dict.fromkeys([*conv, *product], "static")
        dynamic: dict[str, Compute] = dict.fromkeys([*product, *recurrent], "dynamic")
        forms = [static, dynamic] if conv else [dynamic, static]
        yield from (_quantized(compute) for compute in forms if compute)
        stored: tuple[Storage, ...] = ("int8", "fp16", "int8_block")
        yield from (_quantized({}, storage) for storage in stored)
        yield _quantized(static, calibration="percentile")
        yield _quantized(static, "int8")
        yield _quantized(dynamic, "int8")


def _quantized(compute: dict[str, Compute], storage: Storage = "none", calibration: str = "minmax") -> Plan:
    lever = {"compute": compute, "storage": storage, "calibration": calibration}
    return Plan(quantize=QuantizeLever.model_validate(lever))


def _among(each: Plan, tried: list[Plan]) -> bool:
    return any(each.same_as(other) for other in tried)


class Sampled:
    """Asks a sampler of optuna for choices, and tells it by how much each plan missed the bounds together.

    Nothing is tried twice. One instance serves one run.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        logging.set_verbosity(logging.ERROR)
        self._study: Study = create_study(sampler=sampler)
        self._asked: list[Trial] = []

    def propose(self, state: PolicyState) -> Plan | None:
        """Return the next plan that was not tried."""
        if self._asked and state.attempts:
            self._study.tell(self._asked.pop(), missed_by(state.attempts[-1]))
        tried, choices = [attempt.plan for attempt in state.attempts], space(state)
        for trial, drawn in islice(self._drawn(choices, state), _DRAWS):
            if not _among(drawn, tried):
                self._asked.append(trial)
                return drawn
            self._study.tell(trial, _WORST)
        return None

    def _drawn(self, choices: Space, state: PolicyState) -> Iterator[tuple[Trial, Plan]]:
        distributions = {name: CategoricalDistribution(values) for name, values in choices.items()}
        while True:
            trial = self._study.ask(dict(distributions))
            yield trial, plan({name: str(value) for name, value in trial.params.items()}, state)


def missed_by(attempt: Attempt) -> float:
    """Return by how much an attempt missed: the shortfalls of all bounds and guards together, 0 where it met."""
    if attempt.verdict.kind == "met":
        return 0.0
    known = [result for result in attempt.verdict.constraints if result.met is not None]
    if attempt.verdict.kind == "failed" or not known:
        return _WORST
    return min(sum(result.shortfall for result in known), _WORST) + 0.001


def random(seed: int) -> Sampled:
    """Return what draws uniformly over the plan space."""
    return Sampled(RandomSampler(seed=seed))


def tree_parzen(seed: int) -> Sampled:
    """Return TPE over the plan space, as strong as six attempts let it be: joint, and guided from the third on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return Sampled(TPESampler(n_startup_trials=_TPE_STARTS, multivariate=True, seed=seed))


class Recalling:
    """Begins with what memory holds of a case like this, the most alike first, then leaves it to another policy.

    That is what anybody can do with a memory. The built-in policy weighs what it recalls by itself.
    """

    def __init__(self, inner: Policy) -> None:
        self._inner = inner

    def propose(self, state: PolicyState) -> Plan | None:
        """Return the plan that met its bounds in the most similar case, first; then what `inner` proposes."""
        met = [item for item in state.recalled if item.outcome.verdict == "met"]
        if not state.attempts and met:
            return max(met, key=lambda item: item.similarity).outcome.plan
        return self._inner.propose(state)


# Name → what makes the policy for a run with a seed.
POLICIES: dict[str, Callable[[int], Policy]] = {
    "built-in": lambda _: BuiltInPolicy(),
    "default recipe": lambda _: DefaultRecipes(),
    "random": random,
    "TPE": tree_parzen,
}
# The built-in policy with an adviser, which runs only when it is named.
ADVISED: dict[str, Callable[[int], Policy]] = {
    "random advice": with_drawn_advice,
}


def policy(name: str, model: str, seed: int, *, memory: bool) -> Policy:
    """Return a policy by name; with memory, those that know nothing of it begin with what is recalled.

    What is drawn depends on model and seed, so that one lucky draw does not serve all models.
    """
    made = (POLICIES | ADVISED)[name](zlib.crc32(f"{model} {seed}".encode()))
    knows_memory = name == "built-in" or name in ADVISED
    return Recalling(made) if memory and not knows_memory else made
