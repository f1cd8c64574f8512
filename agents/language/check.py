"""Whether a language model can be reached, asked at the start of a run without spending a completion where possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from ...contracts import LanguageModelError, RequestError
from .failures import ADDRESS_SETTING, KEY_SETTING, NAME_SETTING, in_one_line
from .secrets import shown_address

if TYPE_CHECKING:
    from .access import Route
    from .wire import Wire

SECONDS = 5.0
_OLLAMA = frozenset({"ollama", "ollama_chat"})
_OPENAI = "https://api.openai.com/v1"
_ANTHROPIC = "https://api.anthropic.com"


@dataclass(frozen=True)
class _Listing:
    """Where a server lists its models, and whether a model that is not listed is not there."""

    url: str
    headers: dict[str, str]
    complete: bool = False


def check(wire: Wire, *, required: bool) -> None:
    """Return when nothing is known that would keep the model from answering.

    Most servers list their models; where that tells nothing and the model is required, one short question is spent.

    Raises:
        RequestError: a setting is wrong: key or name.
        LanguageModelError: the server cannot be reached.
    """
    listing = _listing(wire.route)
    known = _look(wire, listing) if listing is not None else False
    if required and not known:
        _try(wire)


def _listing(route: Route) -> _Listing | None:
    if route.provider in _OLLAMA:
        return _Listing(_joined(route.address or "http://localhost:11434", "/api/tags"), {}, complete=True)
    if route.provider == "anthropic":
        headers = {"x-api-key": route.key or "", "anthropic-version": "2023-06-01"}
        return _Listing(_joined(route.address or _ANTHROPIC, "/v1/models"), headers)
    if route.provider == "openai" or route.address:
        headers = {"Authorization": f"Bearer {route.key}"} if route.key else {}
        return _Listing(_joined(route.address or _OPENAI, "/models"), headers, complete=route.address is None)
    return None


def _joined(base: str, path: str) -> str:
    """Return an address with a path below it; a query stays where it is."""
    url = httpx.URL(base)
    return str(url.copy_with(path=url.path.rstrip("/") + path))


def _look(wire: Wire, listing: _Listing) -> bool:
    """Return whether the model is known to be there."""
    where = shown_address(listing.url)
    try:
        response = wire.client.get(listing.url, headers=listing.headers, timeout=SECONDS)
        names = _names(response)
    except httpx.HTTPError as error:
        raise LanguageModelError(
            f"the language model's server at {where} cannot be reached (set {ADDRESS_SETTING}): {in_one_line(error)}"
        ) from error
    if response.status_code in (401, 403):
        raise RequestError(f"the language model's server at {where} refuses the key; set {KEY_SETTING}")
    if response.status_code >= 500:
        raise LanguageModelError(
            f"the language model's server at {where} answers with error {response.status_code} (set {ADDRESS_SETTING})"
        )
    there = wire.route.model in names or f"{wire.route.model}:latest" in names
    if names and not there and listing.complete:
        some = ", ".join(sorted(names)[:5])
        raise RequestError(
            f"the server at {where} has no language model {wire.route.model!r}; it has {some} (set {NAME_SETTING})"
        )
    return there


def _names(response: httpx.Response) -> set[str]:
    """Return the names that a listing holds; a server may answer anything."""
    try:
        body: Any = response.json()
        items: list[Any] = list(body.get("data") or body.get("models") or ())
        found: list[Any] = [item.get("id") or item.get("name") for item in items]
    except (ValueError, TypeError, AttributeError):
        return set()
    return {name for name in found if isinstance(name, str) and name.isprintable() and len(name) < 200}


def _try(wire: Wire) -> None:
    try:
        wire.ask([{"role": "user", "content": "Answer with the word ready."}])
    except LanguageModelError as error:
        if error.lasting:
            raise RequestError(f"the language model cannot be used: {error.message}") from error
        raise
