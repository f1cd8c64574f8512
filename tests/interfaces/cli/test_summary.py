"""What the last lines of a run say of classes that broke."""

from __future__ import annotations

import pytest

from shipfit.contracts import ClassDrop, OptimizationResponse
from shipfit.interfaces.cli.summary import class_lines, print_summary

from .. import responses


def lost(*drops: ClassDrop) -> OptimizationResponse:
    response = responses.response()
    assert response.comparison is not None
    return response.model_copy(update={"comparison": response.comparison.model_copy(update={"class_drops": drops})})


def drop(label: int, samples: int, original: float, candidate: float) -> ClassDrop:
    return ClassDrop(label=label, samples=samples, original=original, candidate=candidate)


def test_only_classes_that_lost_notably_are_told_of():
    response = lost(
        drop(7, 40, 1.0, 0.5),
        drop(3, 40, 0.9, 0.8),
        drop(1, 10, 1.0, 0.9),  # one sample
        drop(2, 1000, 0.99, 0.97),  # two points
    )
    assert class_lines(response) == [
        "class 7 lost: 100 % → 50 % right of 40",
        "class 3 lost: 90 % → 80 % right of 40",
    ]
    assert class_lines(responses.response()) == []


def test_the_summary_tells_of_classes_and_of_data(capsys: pytest.CaptureFixture[str]):
    response = lost(drop(7, 40, 1.0, 0.5))
    provenance = response.provenance.model_copy(update={"data_notes": ("images become 8×8\x1b[2J",)})
    print_summary(response.model_copy(update={"provenance": provenance}))
    words = capsys.readouterr().out
    assert "class 7 lost" in words
    assert "data: images become 8×8" in words
    assert "\x1b" not in words
