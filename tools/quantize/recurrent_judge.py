"""What int8 of one LSTM alone does to a model's answers on calibration samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, helper

from ..measure.fidelity import OutputError
from ..measure.logits import logits_of
from .calibrate import Feeds
from .dynamic import quantize_dynamic
from .recurrent_weights import RecurrentWeight
from .trial import copy_model, enough, opened, run

JUDGED_SAMPLES = 24


def int8_alone(model: ModelProto, name: str, rounded: Mapping[str, RecurrentWeight] | None = None) -> ModelProto | None:
    """Return a copy in which only node `name` is int8; None where it cannot be."""
    copied = copy_model(model)
    layers = quantize_dynamic(copied, (), named=[name], rounded=rounded)
    return None if any(layer.why for layer in layers) else copied


class Judge:
    """Compares answers of models in which one node is int8 with the original's, on `samples`, or fewer long ones."""

    def __init__(self, model: ModelProto, feeds: Feeds, samples: int = JUDGED_SAMPLES) -> None:
        logits = logits_of(model)
        self._tensors = list(dict.fromkeys(logits.get(each.name, each.name) for each in model.graph.output))
        self._feeds = enough(feeds, samples)
        self._wanted = self._answers(model)

    def decibels(
        self,
        model: ModelProto,
        name: str,
        rounded: Mapping[str, RecurrentWeight] | None = None,
        samples: int | None = None,
    ) -> float:
        """Return SQNR in dB at the worst logits when node `name` of `model` alone is int8.

        Args:
            model: in float32, with the logits of the original.
            name: of the node.
            rounded: weights that are rounded already, by name.
            samples: the first so many; all by default.
        """
        tried = int8_alone(model, name, rounded)
        if tried is None:
            return -np.inf
        errors = [OutputError() for _ in self._tensors]
        for wanted, got in zip(self._wanted[:samples], self._answers(tried, samples), strict=True):
            for error, first, second in zip(errors, wanted, got, strict=True):
                error.add(first, second)
        return min(each.decibels for each in errors)

    def _answers(self, model: ModelProto, samples: int | None = None) -> list[list[Any]]:
        watched = copy_model(model)
        del watched.graph.output[:]
        watched.graph.output.extend([helper.make_empty_tensor_value_info(name) for name in self._tensors])
        with opened(watched) as session:
            return [run(session, feed) for feed in self._feeds[:samples]]
