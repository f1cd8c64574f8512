"""Whether long samples have told enough of a candidate, so that a search need not run them all."""

from __future__ import annotations

from typing import NamedTuple

from ...contracts import DataView
from ..quantize.trial import ENOUGH_ELEMENTS, elements_of

# From how many samples, with how many values together, a candidate may be clear, and by how much.
CLEAR_SAMPLES, CLEAR_ELEMENTS, CLEAR_DB = 4, 2 * ENOUGH_ELEMENTS, 6.0


class Clear(NamedTuple):
    """Bounds on fidelity in dB, at the outputs and at the logits, from which long samples soon tell a candidate.

    Few of them hold as many values as all samples of another model do; how far the others may move what was found on
    them is the room that is asked for. Of short samples, all are run.
    """

    outputs: float | None = None
    logits: float | None = None

    def is_told(self, samples: int, view: DataView, part: str, outputs: float, logits: float | None) -> bool:
        """Tell whether a candidate that is found at `outputs` and `logits` is clearly beyond a bound, or within all."""
        if samples < CLEAR_SAMPLES or samples * elements_of(view.feeds(part, 1)[0]) < CLEAR_ELEMENTS:
            return False
        pairs = ((self.outputs, outputs), (self.logits, outputs if logits is None else logits))
        rooms = [found - bound for bound, found in pairs if bound is not None]
        return bool(rooms) and (min(rooms) < -CLEAR_DB or min(rooms) > CLEAR_DB)
