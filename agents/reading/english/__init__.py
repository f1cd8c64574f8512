"""English: which words stand for which concepts. Another language is another package of this shape.

Phrases are written in words, alternatives separated by `|`; case, hyphens and typographic apostrophes make no
difference. The grammar speaks of concepts only.
"""

from __future__ import annotations

from ..lexicon import Lexicon
from .bounds import ADVERBS, ASKING, BOUNDS, DOING, FILLERS
from .changes import CHANGES
from .measures import FACTORS, FRACTIONS, NO_SLIPS, NUMBERS, SCALES, SLIPS, UNIT_PHRASES, UNITS
from .places import PLACES
from .quantities import QUANTITIES
from .wishes import WISHES

ENGLISH = Lexicon.of(
    numbers=NUMBERS,
    scales=SCALES,
    fractions=FRACTIONS,
    factors=FACTORS,
    units=UNITS,
    unit_phrases=UNIT_PHRASES,
    concepts={**QUANTITIES, **BOUNDS, **CHANGES, **WISHES, **PLACES},
    no_typos=NO_SLIPS,
    asking=ASKING,
    doing=DOING,
    fillers=FILLERS,
    adverbs=ADVERBS,
    slips=SLIPS,
)

__all__ = ["ENGLISH"]
