"""Secrets are taken out of every text that leaves the process or is kept: by value, wherever they stand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MASK = "***"
_NAMED_LIKE_ONE = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
# A shorter value would take ordinary words and numbers out of every text.
_SHORTEST = 6
_USERINFO = re.compile(r"(?<=://)[^/\s?#@]+@")


class Secrets:
    """What must not be shown: values that were given, and what the environment holds under a telling name."""

    def __init__(self, given: Iterable[str | None] = (), environment: Mapping[str, str] | None = None) -> None:
        named = (os.environ if environment is None else environment).items()
        values = {value for name, value in named if _NAMED_LIKE_ONE.search(name)}
        values.update(value for value in given if value)
        values.update([quote(value, safe="") for value in values], [unquote(value) for value in values])
        self._values = sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)

    def mask(self, text: str) -> str:
        """Return `text` without any of the secrets, and without the user and password of any address in it."""
        for value in self._values:
            text = text.replace(value, MASK)
        return _USERINFO.sub(f"{MASK}@", text)

    def mask_all(self, value: Any) -> Any:
        """Return JSON-compatible data with every text in it masked."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Mapping):
            named = cast("Mapping[str, Any]", value)
            return {self.mask(name): self.mask_all(inner) for name, inner in named.items()}
        if isinstance(value, list | tuple):
            return [self.mask_all(inner) for inner in cast("list[Any]", value)]
        return value


def of_address(address: str | None) -> list[str]:
    """Return what an address holds besides the way to the server: user, password, values of its query."""
    if not address:
        return []
    parts = urlsplit(address)
    held = [parts.username, parts.password, *(value for _, value in parse_qsl(parts.query))]
    return [value for value in held if value]


def shown_address(address: str) -> str:
    """Return scheme, host and port of an address, which is all that is shown of it."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
