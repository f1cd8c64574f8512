"""Find the model that a public tool was given."""

from __future__ import annotations

from pathlib import Path

from .admit import find_model
from .context import model_file


def model_path(given: str | Path) -> Path:
    """Return the model file that `given` is, or that the folder `given` holds.

    Raises:
        ModelFileError: nothing is there, or the folder holds several models.
    """
    path = Path(given)
    product = model_file(path)
    return product if product.is_file() else find_model(path)
