"""The language model that advises: how it is reached, what it may cost, and what it was used for."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator

from . import units
from .base import Contract

# Written as a name, it switches off what the environment switched on.
NO_MODEL = "none"


def _seconds(value: Any) -> Any:
    return units.parse_seconds(value) if isinstance(value, str) else value


class LanguageModelSettings(Contract):
    """Which model advises a run, and what it may spend. Keys are never part of it.

    Attributes:
        name: litellm's `provider/model`, such as `openai/gpt-4.1-mini` or `ollama_chat/qwen2.5`; `none` for no model;
            absent, the environment decides.
        api_base: address of the server, where it is not the provider's own.
        required: a model that cannot be used at the start ends the run; else the built-in policy goes on alone.
        timeout_s: seconds that one question may take, its retries included.
        retries: further requests after one that failed in a way that may pass, such as a rate limit.
        max_calls: requests of one run, repairs and retries included.
        max_cost_usd: what one run may cost by the provider's list prices; a model without a price costs nothing.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    api_base: Annotated[str, Field(max_length=2000)] | None = None
    required: bool = False
    timeout_s: Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=3600, allow_inf_nan=False)] = 60.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    max_calls: Annotated[int, Field(gt=0, le=10_000)] = 40
    max_cost_usd: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] = 1.0

    @field_validator("name")
    @classmethod
    def _one_word(cls, value: str | None) -> str | None:
        if value is not None and (not value.isprintable() or any(letter.isspace() for letter in value)):
            raise ValueError("a model is named provider/model, such as openai/gpt-4.1-mini, or none")
        return value

    @field_validator("api_base")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        """What stands here is kept with the run and shown in its report, so it may hold no secret."""
        if value is None:
            return None
        check_address(value)
        parts = urlsplit(value)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("an address here may hold no user, password or query; put it into SHIPFIT_LLM_API_BASE")
        return value


def check_address(value: str) -> str:
    """Return `value` when it is an http or https address.

    Raises:
        ValueError: it is none; the value is not repeated, because it may hold a secret.
    """
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or not value.isprintable():
        raise ValueError("the address of a language model's server begins with http:// or https://")
    return value


class LanguageUse(Contract):
    """What a language model was used for in one run.

    Attributes:
        model: as it was named.
        calls: requests that were sent, repairs and retries included.
        constrained: how many of them held the answer to a JSON schema at the provider.
        repaired: answers that were right only after the error was sent back.
        failed: questions without a usable answer.
        cost_usd: by the provider's list prices; absent where litellm knows no price.
        took_over: for what the deterministic side answered instead, and why.
        note: why the model was not used at all, or no longer.
    """

    model: str
    calls: Annotated[int, Field(ge=0)] = 0
    constrained: Annotated[int, Field(ge=0)] = 0
    repaired: Annotated[int, Field(ge=0)] = 0
    failed: Annotated[int, Field(ge=0)] = 0
    input_tokens: Annotated[int, Field(ge=0)] = 0
    output_tokens: Annotated[int, Field(ge=0)] = 0
    cost_usd: float | None = None
    seconds: Annotated[float, Field(ge=0)] = 0.0
    took_over: tuple[str, ...] = ()
    note: str = ""
