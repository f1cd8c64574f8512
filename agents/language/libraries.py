"""Loading litellm: no fetching, no files read, no chatter."""

from __future__ import annotations

import logging
import os
from typing import Any


def load_litellm() -> Any:
    """Import litellm (4.6 CPU seconds the first time) and return it, quiet and offline.

    Read when it is imported: prices and limits come from the installed package instead of the network, and a `.env`
    file of the working directory, which may be anybody's, sets nothing.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm

    litellm.suppress_debug_info = True  # else it prints advertisements to stdout when a call fails
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)  # what went wrong is told once, by us, without secrets
    return litellm
