"""Find the model that a public tool was given."""

from __future__ import annotations

from pathlib import Path

from .admit import find_model
from .context import MODEL_FILE


def model_path(given: str | Path) -> Path:
    """Return the model file that `given` is, or that the folder `given` holds.

    Raises:
        ModelFileError: nothing is there, or the folder holds several models.
    """
    path = Path(given)
    product = path / MODEL_FILE
    return product if product.is_file() else find_model(path)
