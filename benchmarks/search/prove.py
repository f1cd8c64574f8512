"""Measure products with nothing of shipfit.

    python benchmarks/search/prove.py SECONDS < jobs > proofs

Each line of the input is a JSON list: original, product, samples that were held out. Each line of the output is what
`verify.py` found, in the same order.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from verify import verify  # noqa: E402 - the path above comes first

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit((__doc__ or "").strip())
    for line in sys.stdin:
        original, product, held_out = map(Path, json.loads(line))
        print(verify(original, product, held_out, float(sys.argv[1])).model_dump_json(), flush=True)
    assert "shipfit" not in sys.modules
