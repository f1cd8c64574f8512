"""What a request may name as a model: a path, or code of the user's own."""

from __future__ import annotations

import re

_CALLABLE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def names_code(source: str) -> bool:
    """Tell whether `source` has the form `package.module:callable`; paths of a request are absolute and never do."""
    return _CALLABLE.fullmatch(source) is not None
