"""What went wrong at the provider, in one line that names the setting, and whether to ask again."""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass
from typing import Any

from ...contracts import Interrupted, LanguageModelError
from .secrets import Secrets

NAME_SETTING = "SHIPFIT_LLM, --llm or llm.name"
KEY_SETTING = "SHIPFIT_LLM_API_KEY or the provider's own variable"
ADDRESS_SETTING = "SHIPFIT_LLM_API_BASE or llm.api_base"
MAX_DETAIL = 300
# Where litellm keeps what the provider's answer was headed by, when its own response has lost it.
_LITELLM_HEADERS = "litellm_response_headers"


class EmptyAnswer(LanguageModelError):
    """The provider answered without a text: a refusal, a filter, or nothing but thinking."""


@dataclass(frozen=True)
class Failure:
    """One failed request.

    Attributes:
        error: what is raised when it is not asked again.
        again: whether the same request may succeed later.
        wait_s: how long the provider wants to be left alone, where it says so.
        form: whether it may be the schema that was refused.
    """

    error: LanguageModelError
    again: bool = False
    wait_s: float | None = None
    form: bool = False


def read_failure(error: Exception, litellm: Any, secrets: Secrets) -> Failure:
    """Return what `error`, raised by a completion of litellm, means; servers repeat keys in their errors."""
    kinds = litellm.exceptions
    detail = secrets.mask(in_one_line(error))
    status = getattr(error, "status_code", None)
    if isinstance(error, kinds.AuthenticationError | kinds.PermissionDeniedError) or status in (401, 403):
        return Failure(_lasting(f"the provider refused the key (set {KEY_SETTING}): {detail}"))
    if isinstance(error, kinds.NotFoundError):
        return Failure(_lasting(f"the provider does not know the model (set {NAME_SETTING}): {detail}"))
    if isinstance(error, kinds.RateLimitError):
        if "insufficient_quota" in detail:
            return Failure(_lasting(f"the account of the key has nothing left ({KEY_SETTING}): {detail}"))
        return Failure(LanguageModelError(f"the provider limits the rate: {detail}"), True, _retry_after(error))
    if isinstance(error, kinds.ContextWindowExceededError | kinds.ContentPolicyViolationError):
        return Failure(LanguageModelError(f"the provider refused the question: {detail}"))
    if isinstance(error, kinds.BadRequestError | kinds.UnprocessableEntityError):
        return Failure(LanguageModelError(f"the provider refused the question: {detail}"), form=True)
    if isinstance(error, kinds.Timeout):
        return Failure(LanguageModelError("no answer in time (llm.timeout_s)"), True)
    if isinstance(status, int) and 400 <= status < 500 and status not in (408, 409, 425):
        return Failure(LanguageModelError(f"the provider refused the question: {detail}"), form=status in (400, 422))
    told = f"no answer from the provider ({ADDRESS_SETTING}): {detail}"
    return Failure(LanguageModelError(told, lost=True), True, _retry_after(error))


def told_by(error: BaseException) -> LanguageModelError | Interrupted | None:
    """Return what the wire raised, where DSPy wrapped it in an error of its own."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, LanguageModelError | Interrupted):
        inner = inner.__cause__
    return inner


def in_one_line(error: BaseException) -> str:
    """Return the text of an error without line breaks, control codes and litellm's own prefixes, and not too long."""
    told = str(error).partition("Traceback (most recent call last)")[0]  # which litellm puts into its messages
    words = "".join(letter if letter.isprintable() else " " for letter in told).split()
    text = " ".join(word for word in words if not word.startswith("litellm."))
    return text[:MAX_DETAIL] or type(error).__name__


def _lasting(message: str) -> LanguageModelError:
    return LanguageModelError(message, lasting=True, lost=True)


def _retry_after(error: Exception) -> float | None:
    """Return the seconds of a `Retry-After` header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    places = (getattr(error, "response", None), error)
    headers: list[Any] = [getattr(place, name, None) for place in places for name in ("headers", _LITELLM_HEADERS)]
    value = next((str(each["retry-after"]).strip() for each in headers if each and "retry-after" in each), "")
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(seconds, 0.0) if seconds < float("inf") else None
