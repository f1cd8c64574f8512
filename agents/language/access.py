"""How a model is reached: its provider, address and key, and what litellm is told of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...contracts import NO_MODEL, LanguageModelSettings, RequestError, Settings
from .failures import NAME_SETTING
from .secrets import Secrets, of_address

if TYPE_CHECKING:
    import httpx

# Servers of one's own, which need a key only where they say so.
KEYLESS = frozenset({"ollama", "ollama_chat", "lm_studio", "hosted_vllm", "vllm", "llamafile", "xinference"})
# Providers whose litellm handler takes an httpx client of ours (`HTTPHandler`); others keep their own.
_BY_HTTP_HANDLER = frozenset({"anthropic", "ollama", "ollama_chat"})
# Providers that refuse bounds of lengths and numbers in a schema that they hold answers to.
_WITHOUT_BOUNDS = frozenset({"anthropic", "azure", "bedrock", "openai"})
_NO_KEY = "none"


@dataclass(frozen=True)
class Route:
    """Arguments of `litellm.completion`, whether the provider takes a schema for its answers, and bounds in it."""

    provider: str
    model: str
    address: str | None
    key: str | None
    takes_schema: bool
    takes_bounds: bool
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Access:
    """Name, address and key of one model; address and key are never shown."""

    name: str
    address: str | None = None
    key: str | None = None

    def secrets(self) -> Secrets:
        """Return what has to be masked wherever this model is spoken of."""
        return Secrets([self.key, *of_address(self.address)])

    def route(self, litellm: Any, client: httpx.Client) -> Route:
        """Return what litellm is told.

        Raises:
            RequestError: the provider is unknown, or its key is missing.
        """
        try:
            model, provider, key, address = litellm.get_llm_provider(self.name, api_base=self.address, api_key=self.key)
        except litellm.exceptions.BadRequestError as error:
            raise RequestError(
                f"no provider serves the language model {self.name!r}: name it provider/model, such as "
                f"openai/gpt-4.1-mini or ollama_chat/qwen2.5 ({NAME_SETTING}), or none"
            ) from error
        key = self.key or key or self._own_key(litellm, provider, address)
        arguments: dict[str, Any] = {"model": self.name, "api_base": address or self.address, "api_key": key}
        if provider == "openai":
            import openai

            arguments["client"] = openai.OpenAI(
                api_key=key, base_url=address or self.address, http_client=client, max_retries=0
            )
        elif provider in _BY_HTTP_HANDLER:
            from litellm.llms.custom_httpx.http_handler import HTTPHandler

            arguments["client"] = HTTPHandler(client=client)
        taken = litellm.get_supported_openai_params(model=model, custom_llm_provider=provider) or ()
        hosted = provider in _WITHOUT_BOUNDS and not (address or self.address)
        return Route(provider, model, address or self.address, key, "response_format" in taken, not hosted, arguments)

    def _own_key(self, litellm: Any, provider: str, address: str | None) -> str | None:
        """Return the key where litellm leaves it to the client; a server of one's own may need none.

        Raises:
            RequestError: the provider needs one and there is none.
        """
        missing: list[str] = litellm.validate_environment(self.name)["missing_keys"]
        if missing and provider not in KEYLESS and not (self.address or address):
            raise RequestError(f"the language model {self.name!r} needs a key: set {missing[0]} or SHIPFIT_LLM_API_KEY")
        if provider == "openai":
            return os.environ.get("OPENAI_API_KEY") or _NO_KEY
        return None


def access_of(settings: LanguageModelSettings, own: Settings) -> Access | None:
    """Return how the model of a run is reached, or None where it has none.

    What a request says wins over the environment; the address of the environment belongs to whatever model is used.
    """
    name = settings.name or own.llm_name
    if name is None or name.lower() == NO_MODEL:
        return None
    secret = own.llm_api_base.get_secret_value() if own.llm_api_base else None
    key = own.llm_api_key.get_secret_value() if own.llm_api_key else None
    return Access(name, settings.api_base or secret, key)
