"""How large bytes are once they are compressed for the wire."""

from __future__ import annotations

from collections.abc import Iterable

import brotli

# Quality 5 is what servers use on the fly: within a tenth of the best, ten times faster.
_QUALITY = 5
_PIECE = 1 << 20


def compressed_bytes(chunks: Iterable[bytes]) -> int:
    """Return the brotli-compressed size of `chunks` as one stream, in bounded memory."""
    compressor = brotli.Compressor(quality=_QUALITY)
    size = 0
    for chunk in chunks:
        for start in range(0, len(chunk), _PIECE):
            size += len(compressor.process(chunk[start : start + _PIECE]))
    return size + len(compressor.finish())
