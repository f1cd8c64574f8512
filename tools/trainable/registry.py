"""Which function computes which operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .call import Answer, Call, Inputs

Function = Callable[[Call, Inputs], Answer]
_Given = TypeVar("_Given", bound=Function)
Key = tuple[str, str]
# Says what of a node's attributes its function does not serve, in plain words, or None.
Limit = Callable[[Call], str | None]

OPERATORS: dict[Key, Function] = {}
LIMITS: dict[Key, Limit] = {}
MICROSOFT = "com.microsoft"


def operator(*names: str, domain: str = "", limit: Limit | None = None) -> Callable[[_Given], _Given]:
    """Register the decorated function for the operators `names` of `domain`."""

    def register(function: _Given) -> _Given:
        for name in names:
            OPERATORS[domain, name] = function
            if limit is not None:
                LIMITS[domain, name] = limit
        return function

    return register
