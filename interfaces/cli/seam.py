"""The one door to the floor below; nothing of it is imported before a command needs it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...contracts import load_settings, trace_store

if TYPE_CHECKING:
    from ...agents.language.words import WordReader
    from ...agents.service import Service
    from ...tools.cluster.connect import Cluster


def open_service(trace: str | None = None) -> Service:
    """Return the service that plans, runs and remembers; `trace` names a file in which runs are traced."""
    from ...agents.service import Service

    settings = load_settings()
    return Service(settings.model_copy(update={"trace": trace_store(trace, "--trace")}) if trace else settings)


def open_reader() -> WordReader:
    """Return what reads a request in words."""
    from ...agents.language.words import WordReader

    return WordReader(load_settings())


def open_service_of_many(cluster: Cluster | None = None) -> Service:
    """Return a service for one thread of a process that works on several runs at once, here or on a cluster."""
    from ...agents.service import Service

    return Service(load_settings(), cluster.executor() if cluster else None, alone=False)


@contextmanager
def open_cluster(address: str, store: str | None) -> Generator[Cluster]:
    """Yield a Ray cluster that jobs can be sent to."""
    from ...tools.cluster.connect import open_cluster

    with open_cluster(address, store, load_settings().home) as cluster:
        yield cluster
