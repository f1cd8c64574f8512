"""What a tool works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..workspace import Workspace
from .desk import Desk
from .past import Past


@dataclass(frozen=True)
class Shop:
    """One server's workspace, its past and what it is working on.

    Attributes:
        llm: fields of `LanguageModelSettings` that the command line gave; clients have no say in it.
    """

    workspace: Workspace
    past: Past
    desk: Desk
    llm: dict[str, Any] = field(default_factory=dict[str, Any])
