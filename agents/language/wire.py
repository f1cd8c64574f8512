"""One question to a provider through litellm: bounded in time, bytes and money, asked again where that may help."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...contracts import Interrupted, LanguageModelError, LanguageModelSettings, RequestError
from .access import Access
from .failures import EmptyAnswer, Failure, read_failure
from .libraries import load_litellm
from .schema import without_bounds
from .transport import open_client

Message = dict[str, str]
# Enough for every answer that is asked for, with room for models that think before they answer.
MAX_TOKENS = 4096
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 20.0


@dataclass(frozen=True)
class Sent:
    """One request and what became of it, as the trail keeps it."""

    messages: Sequence[Message]
    constrained: bool
    answer: str = ""
    error: str = ""
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None


@dataclass
class Wire:
    """The way to one model for one run.

    Attributes:
        spend: called before each request; raises when the budget is spent.
        record: called after each request.
        left_s: seconds that the run has left.
        stopped: whether the run was stopped meanwhile.
    """

    settings: LanguageModelSettings
    access: Access
    spend: Callable[[], None]
    record: Callable[[Sent], None]
    left_s: Callable[[], float] = lambda: float("inf")
    stopped: Callable[[], bool] = lambda: False
    # Known after the first refusal: the provider does not take a schema.
    _unconstrained: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._litellm = load_litellm()
        self._secrets = self.access.secrets()
        self.client = open_client()
        try:
            self.route = self.access.route(self._litellm, self.client)
        except RequestError:
            self.client.close()
            raise

    @property
    def constrains(self) -> bool:
        """Whether the provider is thought to hold answers to a schema."""
        return self.route.takes_schema and not self._unconstrained

    def ask(self, messages: Sequence[Message], response_format: Mapping[str, Any] | None = None) -> str:
        """Return the text of an answer.

        Raises:
            LanguageModelError: there is none within the time and the budget.
            Interrupted: the run was stopped.
        """
        end = time.monotonic() + min(self.settings.timeout_s, max(self.left_s(), 0.0))
        tried = 0
        while True:
            constraint = response_format if self.constrains else None
            try:
                return self._once(messages, constraint, end)
            except _Failed as failed:
                failure = failed.failure
            if failure.form and constraint is not None:
                self._unconstrained = True  # asked again at once, the schema in words only
                continue
            wait = failure.wait_s if failure.wait_s is not None else _backoff(tried)
            tried += 1
            if not failure.again or tried > self.settings.retries or time.monotonic() + wait >= end:
                raise failure.error
            self._sleep(wait)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _once(self, messages: Sequence[Message], constraint: Mapping[str, Any] | None, end: float) -> str:
        self.spend()
        started = time.monotonic()
        try:
            raw = self._within(end, lambda: self._complete(messages, constraint, end - started))
            answer = self._read(raw)
        except _Failed as failed:
            self._note(messages, constraint, started, error=failed.failure.error.message)
            raise
        self._note(messages, constraint, started, answer, raw=raw)
        if not answer.strip():
            raise EmptyAnswer("the provider gave an empty answer")
        return answer

    def _complete(self, messages: Sequence[Message], constraint: Mapping[str, Any] | None, seconds: float) -> Any:
        extra = {} if constraint is None else {"response_format": _as_openai(constraint, self.route.takes_bounds)}
        return self._litellm.completion(
            messages=list(messages),
            temperature=0.0,
            max_tokens=MAX_TOKENS,
            timeout=max(seconds, 0.1),
            num_retries=0,
            max_retries=0,
            drop_params=True,  # temperature, where a model takes none; a schema is sent only where it is taken
            caching=False,
            **self.route.arguments,
            **extra,
        )

    def _within(self, end: float, work: Callable[[], Any]) -> Any:
        """Return what `work` returns, or stop waiting for it: a server that drips bytes outlives any socket's limit."""
        box: list[Any] = []

        def kept() -> None:
            try:
                box.append(work())
            except Exception as error:  # noqa: BLE001 - handed to the thread that waits, which tells what it means
                box.append(error)

        thread = threading.Thread(target=kept, name="language-model", daemon=True)
        thread.start()
        while thread.is_alive() and time.monotonic() < end + 0.5 and not self.stopped():
            thread.join(0.1)
        if self.stopped():
            raise Interrupted("the run was interrupted and can be resumed")
        if not box:
            raise _Failed(Failure(LanguageModelError("no answer in time (llm.timeout_s)")))
        if isinstance(box[0], Exception):
            # Not from it: what it holds is not masked.
            raise _Failed(read_failure(box[0], self._litellm, self._secrets)) from None
        return box[0]

    def _read(self, raw: Any) -> str:
        """Return the text of a completion; litellm gives every provider's answer the shape of OpenAI's."""
        try:
            content = raw.choices[0].message.content
        except (AttributeError, IndexError, TypeError):
            raise _Failed(Failure(LanguageModelError("the provider's answer has no message"), again=True)) from None
        return content if isinstance(content, str) else ""

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.stopped():
                raise Interrupted("the run was interrupted and can be resumed")
            time.sleep(min(left, 0.1))

    def _note(
        self,
        messages: Sequence[Message],
        constraint: Mapping[str, Any] | None,
        started: float,
        answer: str = "",
        error: str = "",
        raw: Any = None,
    ) -> None:
        usage = getattr(raw, "usage", None)
        self.record(
            Sent(
                messages=messages,
                constrained=constraint is not None,
                answer=answer,
                error=error,
                seconds=time.monotonic() - started,
                input_tokens=_count(usage, "prompt_tokens"),
                output_tokens=_count(usage, "completion_tokens"),
                cost_usd=_cost(raw),
            )
        )


class _Failed(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error.message)
        self.failure = failure


def _as_openai(constraint: Mapping[str, Any], bounds: bool) -> dict[str, Any]:
    """Return what holds an answer as OpenAI's chat completions word it; litellm translates it for other providers."""
    schema = constraint["schema"] if bounds else without_bounds(constraint["schema"])
    form = {"name": constraint["name"], "strict": constraint["strict"], "schema": schema}
    return {"type": "json_schema", "json_schema": form}


def _backoff(tried: int) -> float:
    return min(FIRST_WAIT_S * 2.0**tried, LONGEST_WAIT_S) * random.uniform(0.75, 1.25)


def _count(usage: Any, name: str) -> int:
    """Return a count of tokens; a server may say anything."""
    value = getattr(usage, name, 0)
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0


def _cost(raw: Any) -> float | None:
    """Return what litellm's price list makes of a completion, in US dollars."""
    value = getattr(raw, "_hidden_params", {}).get("response_cost") if raw is not None else None
    return float(value) if isinstance(value, int | float) and 0 < value < float("inf") else None
