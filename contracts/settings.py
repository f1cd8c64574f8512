"""Where state lives and what a run may use by default; the environment is read at use, not at import."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pydantic import Field, SecretStr

from .base import Contract
from .errors import RequestError
from .language import check_address
from .units import parse_bytes

HOME_VARIABLE = "SHIPFIT_HOME"
MODEL_LIMIT_VARIABLE = "SHIPFIT_MAX_MODEL"
PROBE_VARIABLE = "SHIPFIT_HOST_PROBE"
LLM_VARIABLE = "SHIPFIT_LLM"
LLM_ADDRESS_VARIABLE = "SHIPFIT_LLM_API_BASE"
LLM_KEY_VARIABLE = "SHIPFIT_LLM_API_KEY"
TRACE_VARIABLE = "SHIPFIT_TRACE"
SQLITE = "sqlite:///"
MAX_MODEL_BYTES = 8 * 2**30


def _given_probe() -> Path | None:
    given = os.environ.get(PROBE_VARIABLE)
    return Path(given).expanduser().absolute() if given else None


def trace_store(given: str, what: str = TRACE_VARIABLE) -> str:
    """Return where traces go, as `sqlite:///` and an absolute path, from such an address or a path.

    Raises:
        RequestError: another address; nothing is sent anywhere.
    """
    path = given.removeprefix(SQLITE)
    if not path.strip() or "://" in path or path.startswith("sqlite:") or not path.isprintable():
        raise RequestError(f"{what} {given[:80]!r} is no file of this machine; write it like sqlite:///traces.db")
    return f"{SQLITE}{os.path.abspath(os.path.expanduser(path))}"


class Settings(Contract):
    """Paths and limits of this installation.

    Attributes:
        home: folder that holds all state.
        max_model_bytes: larger models are refused at the door.
        job_time_s, job_memory_bytes: limits of one child process.
        host_probe: a `HostProbe` as JSON that is taken instead of measuring this machine.
        trace: where runs are traced, `sqlite:///` and an absolute path; None for nowhere.
        llm_name: the language model that advises runs that name none.
        llm_api_base, llm_api_key: address and key of the language model's server; never written anywhere.
    """

    home: Path
    max_model_bytes: int = MAX_MODEL_BYTES
    job_time_s: float = 600.0
    job_memory_bytes: int = 8 * 2**30
    host_probe: Path | None = Field(default_factory=_given_probe)
    trace: str | None = None
    llm_name: str | None = None
    llm_api_base: SecretStr | None = None
    llm_api_key: SecretStr | None = None

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
    def agents(self) -> Path:
        """What agents' language-model modules learned."""
        return self.home / "agents"

    @property
    def work(self) -> Path:
        """Folders of running jobs."""
        return self.home / "work"


def load_settings() -> Settings:
    """Return the settings of this process.

    `SHIPFIT_HOME` is where state lives, by default the platform's folder for user data; `SHIPFIT_MAX_MODEL` is
    the largest model that is admitted, such as `20GB`; `SHIPFIT_HOST_PROBE` is a file with the probe of a machine,
    to plan for that one instead of measuring this one. `SHIPFIT_LLM` names the language model that advises,
    `SHIPFIT_LLM_API_BASE` and `SHIPFIT_LLM_API_KEY` its server and key; `SHIPFIT_TRACE` a SQLite file of this machine
    in which runs are traced.

    Raises:
        RequestError: the limit is not a size, the server's address is none, or traces would go elsewhere.
    """
    limit = os.environ.get(MODEL_LIMIT_VARIABLE)
    return Settings(
        home=_home(),
        max_model_bytes=parse_bytes(limit, MODEL_LIMIT_VARIABLE) if limit else MAX_MODEL_BYTES,
        trace=trace_store(traced) if (traced := os.environ.get(TRACE_VARIABLE)) else None,
        llm_name=os.environ.get(LLM_VARIABLE) or None,
        llm_api_base=_secret(LLM_ADDRESS_VARIABLE, check_address),
        llm_api_key=_secret(LLM_KEY_VARIABLE),
    )


def _home() -> Path:
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(os.path.expanduser(given)).absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("shipfit"))


def _secret(name: str, check: Callable[[str], str] = str) -> SecretStr | None:
    value = os.environ.get(name)
    try:
        return SecretStr(check(value)) if value else None
    except ValueError as error:
        raise RequestError(f"{name}: {error}") from None
