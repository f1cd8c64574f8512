"""The comparison of an operator in torch with the same in onnxruntime."""

from __future__ import annotations

import numpy as np
import torch

from shipfit.tools.trainable import TrainableGraph

from .cases import Case


def compare(case: Case, *, against: bool = True) -> None:
    """Equal within 1e-4 of each output's scale, in type and shape too; without `against`, just compute."""
    expected = case.expected() if against else []
    feed = {name: torch.from_numpy(np.array(value)) for name, value in case.feed().items()}
    with torch.no_grad():
        found = TrainableGraph(case.model())(feed)
    for ours, theirs in zip(found.values(), expected, strict=against):
        assert ours.shape == theirs.shape
        assert str(ours.dtype).removeprefix("torch.") == str(theirs.dtype)
        wide = theirs.astype(np.float64)
        scale = float(np.abs(wide[np.isfinite(wide)]).max(initial=1e-3))
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-4 * scale)
