"""The environment of a process that works with given settings, whatever this process's own environment says."""

from __future__ import annotations

import os

from ...contracts import Settings
from ...contracts.settings import (
    HOME_VARIABLE,
    LLM_ADDRESS_VARIABLE,
    LLM_KEY_VARIABLE,
    LLM_VARIABLE,
    MODEL_LIMIT_VARIABLE,
    PROBE_VARIABLE,
    TRACE_VARIABLE,
)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment of this process with what `settings` say in place of what it says of them."""
    address, key = settings.llm_api_base, settings.llm_api_key
    own = {
        HOME_VARIABLE: str(settings.home),
        MODEL_LIMIT_VARIABLE: f"{settings.max_model_bytes}B",
        PROBE_VARIABLE: str(settings.host_probe) if settings.host_probe else None,
        TRACE_VARIABLE: settings.trace,
        LLM_VARIABLE: settings.llm_name,
        LLM_ADDRESS_VARIABLE: address.get_secret_value() if address else None,
        LLM_KEY_VARIABLE: key.get_secret_value() if key else None,
    }
    rest = {name: value for name, value in os.environ.items() if name not in own}
    return rest | {name: value for name, value in own.items() if value is not None}
