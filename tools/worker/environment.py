"""The environment of a child: named variables only, so that no secret of the caller's is inherited."""

from __future__ import annotations

import os
import site
from collections.abc import Mapping
from pathlib import Path

_KEPT = (
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONHOME",
    "PYTHONNOUSERSITE",
    "PYTHONPATH",
    "PYTHONPYCACHEPREFIX",
    "PYTHONUTF8",
    "VIRTUAL_ENV",
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def child_environment(own: Mapping[str, str], temporary: Path, threads: int) -> dict[str, str]:
    """Return the variables of a child whose home and temporary folder are `temporary`.

    Args:
        own: the coordinator's environment.
        temporary: folder that the job may litter.
        threads: what numeric libraries may use unless a tool says otherwise.
    """
    kept = {name: value for name, value in own.items() if name in _KEPT or name.startswith("LC_")}
    folders = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME"), os.fspath(temporary))
    # A crash in native code then names the place in its last words; pydantic's plugins have no business here, and
    # looking for them in all installed packages takes time.
    fixed = {"PYTHONFAULTHANDLER": "1", "PYDANTIC_DISABLE_PLUGINS": "1"}
    return kept | folders | _user_site() | dict.fromkeys(_THREADS, str(threads)) | fixed


def _user_site() -> dict[str, str]:
    """Packages installed with `pip install --user` are found through the home folder, which a child has not."""
    return {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}
