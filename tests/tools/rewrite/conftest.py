"""What the tests of rewrites share: a rewrite leaves the answers as they are, and the model valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import pytest

from ... import models

Rewrite = Callable[[onnx.ModelProto], int]


class Before:
    """A model, its answers, and what a rewrite makes of them."""

    def __init__(self, model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> None:
        self.model = model
        self.feeds = feeds
        self.answers = models.run(model, dict(feeds))

    def rewritten(self, rewrite: Rewrite, least_db: float = 100.0) -> int:
        """Rewrite in place, and hold the result to the answers of before."""
        bytes_before = self.model.SerializeToString()
        count = rewrite(self.model)
        onnx.checker.check_model(self.model)
        if not count:
            assert self.model.SerializeToString() == bytes_before
        for expected, answer in zip(self.answers, models.run(self.model, dict(self.feeds)), strict=True):
            assert expected.shape == answer.shape
            assert expected.dtype == answer.dtype
            assert np.array_equal(expected, answer, equal_nan=True) or models.decibels(expected, answer) > least_db
        return count

    @property
    def types(self) -> list[str]:
        """Operators of the main graph, in order."""
        return [node.op_type for node in self.model.graph.node]


@pytest.fixture(scope="session")
def before() -> type[Before]:
    return Before
