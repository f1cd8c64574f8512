"""How often this process ran a model on a sample, so that no tool's work is left out of a run's effort.

Calls that are timed go to the runtime themselves and are told in seconds instead.
"""

from __future__ import annotations

_counted = [0]


def count() -> None:
    """Count one more."""
    _counted[0] += 1


def counted() -> int:
    """Return how many there were."""
    return _counted[0]
