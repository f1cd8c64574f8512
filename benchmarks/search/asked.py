"""The cases of `cases.yaml`: a model, a request in the words of `shipfit optimize`, and a plan that meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from shipfit.contracts import Budget, Plan, Request
from shipfit.interfaces.cli.request import build_request

CASES = Path(__file__).resolve().with_name("cases.yaml")
BUDGET = 6
# No run ends by its time: what is counted is attempts.
_TIME_LIMIT_S = 3600.0
# Fresh processes would be started for nothing but these figures, which no case bounds.
_LIFTED = "memory"


class Case(BaseModel):
    """One case.

    Attributes:
        kind: what the model is, for people.
        part: `open` to those who work on the policy, or kept `aside` until the end.
        options: long options of `shipfit optimize` without the dashes; the memory guard is lifted beside them.
        metric: of the model's answers, where it is not the share of right classes.
        known: a plan that meets the request, so that the case is feasible.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    model: str
    kind: str
    part: Literal["open", "aside"]
    options: dict[str, str | int | float]
    metric: str | None = None
    known: Plan

    @property
    def bounds(self) -> str:
        """What is asked, in one line."""
        return ", ".join(f"{name} {value}" for name, value in self.options.items())

    @property
    def is_hard(self) -> bool:
        """Whether no form for all of a kind is known to meet it: only forms layer by layer, or fewer channels."""
        return self.known.prune is not None or bool(self.known.quantize and self.known.quantize.mixture)

    def request(self, model: Path, data: Path, seed: int, *, memory: bool) -> Request:
        """Return the request as the command line would make it."""
        lifted = [str(self.options.get("allow-regression", "")), _LIFTED]
        typed = {name.replace("-", "_"): value for name, value in self.options.items() if name != "allow-regression"}
        given = {**typed, "model": str(model), "data": str(data), "seed": seed, "no_memory": not memory}
        given |= {"metric": self.metric} if self.metric else {}
        asked = build_request({**given, "allow_regression": [each for each in lifted if each]})
        return asked.model_copy(update={"budget": Budget(max_attempts=BUDGET, time_limit_s=_TIME_LIMIT_S)})


def load(path: Path = CASES) -> dict[str, Case]:
    """Return the cases by name, in the order of the file."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    cases = [
        Case(
            name=f"{model}-{name}",
            model=model,
            **{key: value for key, value in group.items() if key != "cases"},
            **fields,
        )
        for model, group in raw.items()
        for name, fields in group["cases"].items()
    ]
    return {case.name: case for case in cases}
