"""A workspace with something to fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ... import models


@pytest.fixture
def small(home: Path) -> Path:
    """A workspace with a small model and data."""
    folder, rng = Path.cwd(), np.random.default_rng(5)
    models.save(models.mlp(width=128), folder / "mlp.onnx")
    np.savez(folder / "mlp.npz", x=rng.standard_normal((48, 16)).astype(np.float32))
    return folder
