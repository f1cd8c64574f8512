"""Deliver a product from Python, as the command line does."""

from __future__ import annotations

import os
from pathlib import Path

from ..contracts import OptimizationResponse, RequestError, Settings, load_settings


def deliver(
    response: OptimizationResponse, folder: str | os.PathLike[str], *, settings: Settings | None = None
) -> Path:
    """Write what a run delivers, with its report, to `folder` and return that path.

    Args:
        response: of a finished run.
        folder: absent or empty; it appears complete or not at all.
        settings: of the agent that made the response, where they are not the default.

    Raises:
        RequestError: the folder holds something already.
        MachineError: no space, or no permission.
    """
    from ..agents.service import Service
    from .delivery import deliver as lay_out

    out = Path(folder).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError(f"{str(out)!r} is not an empty folder; give another one")
    service = Service(settings or load_settings())
    lay_out(response, service.product_folder(response.run), service.trail(response.run), out)
    return out
