"""The one door to the floor below; nothing of it is imported before a command needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...contracts import load_settings

if TYPE_CHECKING:
    from ...agents.language.words import WordReader
    from ...agents.service import Service


def open_service() -> Service:
    """Return the service that plans, runs and remembers."""
    from ...agents.service import Service

    return Service(load_settings())


def open_reader() -> WordReader:
    """Return what reads a request in words."""
    from ...agents.language.words import WordReader

    return WordReader(load_settings())


def open_service_of_many() -> Service:
    """Return a service for one thread of a process that works on several runs at once."""
    from ...agents.service import Service

    return Service(load_settings(), alone=False)
