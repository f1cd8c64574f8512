from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
import pytest

from shipfit.contracts import MachineError
from shipfit.tools.measure.synthesize import synthesize_feeds
from shipfit.tools.time_shares import measure_time


def test_profile_of_a_full_disk(digits_model: Path, monkeypatch: pytest.MonkeyPatch):
    whole = ort.InferenceSession.end_profiling

    def cut(session: ort.InferenceSession) -> str:
        path = whole(session)
        Path(path).write_bytes(Path(path).read_bytes()[:-40])
        return path

    monkeypatch.setattr(ort.InferenceSession, "end_profiling", cut)
    with pytest.raises(MachineError, match="disk space"):
        measure_time(digits_model, synthesize_feeds(digits_model, 1, 0), frozenset())
