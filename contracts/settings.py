"""Where state lives and what a run may use by default; the environment is read at use, not at import."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from .base import Contract
from .units import parse_bytes

HOME_VARIABLE = "SHIPFIT_HOME"
MODEL_LIMIT_VARIABLE = "SHIPFIT_MAX_MODEL"
PROBE_VARIABLE = "SHIPFIT_HOST_PROBE"
MAX_MODEL_BYTES = 8 * 2**30


def _given_probe() -> Path | None:
    given = os.environ.get(PROBE_VARIABLE)
    return Path(given).expanduser().absolute() if given else None


class Settings(Contract):
    """Paths and limits of this installation.

    Attributes:
        home: folder that holds all state.
        max_model_bytes: larger models are refused at the door.
        job_time_s, job_memory_bytes: limits of one child process.
        host_probe: a `HostProbe` as JSON that is taken instead of measuring this machine.
    """

    home: Path
    max_model_bytes: int = MAX_MODEL_BYTES
    job_time_s: float = 600.0
    job_memory_bytes: int = 8 * 2**30
    host_probe: Path | None = Field(default_factory=_given_probe)

    @property
    def ledger(self) -> Path:
        """The run ledger's database."""
        return self.home / "ledger.sqlite"

    @property
    def checkpoints(self) -> Path:
        """The state machine's checkpoints."""
        return self.home / "checkpoints.sqlite"

    @property
    def artifacts(self) -> Path:
        """The content-addressed artifact store."""
        return self.home / "artifacts"

    @property
    def outcomes(self) -> Path:
        """The outcome store."""
        return self.home / "outcomes"

    @property
    def work(self) -> Path:
        """Folders of running jobs."""
        return self.home / "work"


def load_settings() -> Settings:
    """Return the settings of this process.

    `SHIPFIT_HOME` is where state lives, by default the platform's folder for user data; `SHIPFIT_MAX_MODEL` is
    the largest model that is admitted, such as `20GB`; `SHIPFIT_HOST_PROBE` is a file with the probe of a machine,
    to plan for that one instead of measuring this one.

    Raises:
        RequestError: the limit is not a size.
    """
    limit = os.environ.get(MODEL_LIMIT_VARIABLE)
    most = parse_bytes(limit, MODEL_LIMIT_VARIABLE) if limit else MAX_MODEL_BYTES
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Settings(home=Path(os.path.expanduser(given)).absolute(), max_model_bytes=most)
    import platformdirs

    return Settings(home=Path(platformdirs.user_data_dir("shipfit")), max_model_bytes=most)
