"""The advisor of one run: what agents ask a language model through, and what keeps its budget and its record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...contracts import Interrupted, LanguageModelError, LanguageModelSettings, LanguageUse
from .access import Access
from .failures import in_one_line, told_by
from .wire import Sent, Wire

if TYPE_CHECKING:
    import dspy

# Bounds of what one request leaves on the trail.
MAX_TEXT = 20_000
MAX_TOOK_OVER = 40


@dataclass(frozen=True)
class Run:
    """What an advisor needs of the run that it works for.

    Attributes:
        record: keeps one entry on the trail.
        left_s: seconds that the run has left.
        stopped: whether the run was stopped.
        tell: tells the user something in one line.
        name: id of the run.
    """

    record: Callable[[dict[str, Any]], None]
    left_s: Callable[[], float]
    stopped: Callable[[], bool]
    tell: Callable[[str], None]
    name: str = ""


class Advisor:
    """Asks the language model of one run.

    Args:
        settings: what the model may spend.
        access: how it is reached.
        earlier: what the trail holds of this run already, so that a resumed one keeps its budget.

    Raises:
        RequestError: the provider is unknown, or its key is missing.
    """

    def __init__(
        self,
        settings: LanguageModelSettings,
        access: Access,
        *,
        earlier: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.settings = settings
        self.model = access.name
        self._secrets = access.secrets()
        self._lock = threading.RLock()
        self._purpose = ""
        self._run: Run | None = None
        self._kept: list[dict[str, Any]] = []
        self._gone: LanguageModelError | None = None
        self.use = LanguageUse(model=self.model)
        for body in earlier:
            self._count(body)
        self.wire = Wire(settings, access, self._spend, self._sent)

    def attach(self, run: Run) -> None:
        """Work for `run` from now on; what was asked before, while its words were read, comes to its trail first."""
        with self._lock:
            self._run = run
            self.wire.left_s, self.wire.stopped = run.left_s, run.stopped
            for body in self._kept:
                run.record(body)
            self._kept = []

    def call(self, purpose: str, module: dspy.Module, **inputs: Any) -> dspy.Prediction:
        """Return the prediction of a DSPy module.

        Args:
            purpose: who asks and what for, such as `planner`; the trail and the report say it.
            module: its output fields are typed; the answer is checked against them.
            inputs: what the module takes. They are sent: never weights, data or secrets.

        Raises:
            LanguageModelError: no usable answer; the caller's deterministic side answers instead.
            Interrupted: the run was stopped, or the model was lost that it requires.
        """
        with self._lock:
            try:
                with self.asking(purpose):
                    return module(**inputs)
            except LanguageModelError as error:
                if error.lost and self.settings.required and self._run is not None:
                    raise self._lost(purpose, error) from None
                self._failed(purpose, error)
                raise

    @contextmanager
    def asking(self, purpose: str) -> Generator[None]:
        """Have DSPy modules that are called inside ask this model, in this thread only.

        Raises:
            LanguageModelError: whatever DSPy makes of a failure.
            Interrupted: the run was stopped.
        """
        import dspy

        from .adapter import StructuredAdapter, language_model

        if self._gone is not None:
            raise LanguageModelError(self._gone.message, lasting=True, lost=self._gone.lost)
        before, self._purpose = self._purpose, purpose
        lm = language_model(self.model, self.wire)
        adapter = StructuredAdapter(self.wire, self._repaired)
        try:
            with dspy.context(lm=lm, adapter=adapter, disable_history=True, callbacks=[], max_trace_size=10_000):
                yield
        except dspy.LMError as error:
            raise told_by(error) or LanguageModelError(f"no answer: {self.shown(in_one_line(error))}") from error
        except dspy.AdapterParseError as error:
            raise LanguageModelError(f"the answer does not fit: {self.shown(in_one_line(error))}") from error
        finally:
            self._purpose = before

    def shown(self, text: str) -> str:
        """Return a text without secrets."""
        return self._secrets.mask(text)

    def close(self) -> None:
        """Close the connections."""
        self.wire.close()

    def _lost(self, purpose: str, error: LanguageModelError) -> Interrupted:
        """Keep a question that the run pauses at; when it goes on, the same is asked again."""
        why = self.shown(error.message)
        self._keep({"purpose": purpose, "outcome": "failed", "why": f"{why}; the run paused", "lasting": False})
        name = self._run.name if self._run is not None else ""
        told = f"the required language model was lost: {why}"
        return Interrupted(f"{told}; go on with: shipfit resume {name}", details={"run": name, "why": told})

    def _failed(self, purpose: str, error: LanguageModelError) -> None:
        """Keep a question without an answer; a model that is gone for good is told of once."""
        if self._gone is not None:
            return
        if error.lasting:
            self._gone = LanguageModelError(self.shown(error.message), lasting=True, lost=error.lost)
        self._keep({"purpose": purpose, "outcome": "failed", "why": error.message, "lasting": error.lasting})
        if self._run is not None:
            self._run.tell(f"language model, {purpose}: {self.shown(error.message)}")

    def _repaired(self) -> None:
        self._keep({"purpose": self._purpose, "outcome": "repaired"})

    def _spend(self) -> None:
        if self.use.calls >= self.settings.max_calls:
            raise LanguageModelError(
                f"the run's {self.settings.max_calls} calls are spent (llm.max_calls)", lasting=True
            )
        if (self.use.cost_usd or 0.0) >= self.settings.max_cost_usd:
            raise LanguageModelError(
                f"the run's {self.settings.max_cost_usd} US dollars are spent (llm.max_cost_usd)", lasting=True
            )

    def _sent(self, sent: Sent) -> None:
        body = {
            "purpose": self._purpose or "check",
            "model": self.model,
            "messages": [{"role": item["role"], "content": _cut(item["content"])} for item in sent.messages],
            "answer": _cut(sent.answer),
            "error": _cut(sent.error),
            "constrained": sent.constrained,
            "seconds": round(sent.seconds, 3),
            "input_tokens": sent.input_tokens,
            "output_tokens": sent.output_tokens,
            "cost_usd": sent.cost_usd,
        }
        self._keep(body)

    def _keep(self, body: dict[str, Any]) -> None:
        body = self._secrets.mask_all(body)
        self._count(body)
        if self._run is None:
            self._kept.append(body)
        else:
            self._run.record(body)

    def _count(self, body: Mapping[str, Any]) -> None:
        """Add what the trail holds to what the response says; a resumed run begins with what its trail holds."""
        outcome = body.get("outcome")
        if outcome == "repaired":
            self._update(repaired=self.use.repaired + 1)
        elif outcome == "failed":
            self._update(failed=self.use.failed + 1)
            if len(self.use.took_over) < MAX_TOOK_OVER:
                self._update(took_over=(*self.use.took_over, f"{body['purpose']}: {body['why']}"))
            if body.get("lasting"):
                self._update(note=str(body["why"]))
        else:
            self._count_request(body)

    def _count_request(self, body: Mapping[str, Any]) -> None:
        cost, new = self.use.cost_usd, body.get("cost_usd")
        self._update(
            calls=self.use.calls + 1,
            constrained=self.use.constrained + bool(body.get("constrained")),
            input_tokens=self.use.input_tokens + int(body.get("input_tokens", 0)),
            output_tokens=self.use.output_tokens + int(body.get("output_tokens", 0)),
            cost_usd=cost if new is None else (cost or 0.0) + float(new),
            seconds=self.use.seconds + float(body.get("seconds", 0.0)),
        )

    def _update(self, **fields: Any) -> None:
        self.use = self.use.model_copy(update=fields)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} … ({len(text)} characters)"
