"""Models in a stock onnxruntime session on the CPU: the `Runtime` and `Session` protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from ...contracts import RequestError, RuntimeSettings, ToolError
from .. import session as stock_session
from ..session import RUNTIME_ERRORS, runtime_words

ALLOWED_PROVIDERS = frozenset({"CPUExecutionProvider"})

# Entries that change how a model runs but neither what it computes beyond rounding, nor which files are
# opened or written. Everything else that onnxruntime knows is refused.
ALLOWED_ENTRIES: Mapping[str, frozenset[str]] = {
    name: frozenset({"0", "1"})
    for name in (
        "session.disable_prepacking",
        "session.force_spinning_stop",
        "session.inter_op.allow_spinning",
        "session.intra_op.allow_spinning",
        "session.set_denormal_as_zero",
        "session.use_device_allocator_for_initializers",
    )
}

# Beside onnxruntime's own exceptions: a plain RuntimeError is how unnamed C++ ones arrive, ValueError how a feed
# that does not fit is refused before the C++ side sees it.
_RUN_ERRORS: tuple[type[Exception], ...] = (*RUNTIME_ERRORS, RuntimeError, ValueError)


def check_settings(settings: RuntimeSettings) -> RuntimeSettings:
    """Return `settings` when everything in them is on the allow-list.

    Raises:
        RequestError: a provider, entry or value that is not allowed, named.
    """
    for provider in settings.providers:
        if provider not in ALLOWED_PROVIDERS:
            raise RequestError(f"provider {provider[:80]!r} is not allowed; use {', '.join(sorted(ALLOWED_PROVIDERS))}")
    for name, value in settings.config_entries.items():
        if name not in ALLOWED_ENTRIES:
            raise RequestError(
                f"session entry {name[:80]!r} is not allowed; allowed are {', '.join(sorted(ALLOWED_ENTRIES))}"
            )
        if value not in ALLOWED_ENTRIES[name]:
            raise RequestError(f"session entry {name!r} cannot be {value[:80]!r}; use 0 or 1")
    return settings


def session_options(settings: RuntimeSettings) -> Any:
    """Return onnxruntime's options for `settings`, with nothing beyond them but silence."""
    options = stock_session.session_options(settings.intra_op_num_threads)
    options.inter_op_num_threads = settings.inter_op_num_threads
    options.enable_mem_pattern = settings.enable_mem_pattern
    for name, value in check_settings(settings).config_entries.items():
        options.add_session_config_entry(name, value)
    return options


class OnnxSession:
    """A model loaded in onnxruntime."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._inputs = tuple(item.name for item in inner.get_inputs())
        self._outputs = tuple(item.name for item in inner.get_outputs())
        self._quiet = onnxruntime.RunOptions()
        self._quiet.log_severity_level = 4  # what goes wrong arrives as an exception, not on stderr

    @property
    def input_names(self) -> Sequence[str]:
        return self._inputs

    @property
    def output_names(self) -> Sequence[str]:
        return self._outputs

    def run(self, feeds: Mapping[str, Any]) -> Sequence[Any]:
        """Return the outputs in the order of `output_names`.

        Raises:
            ToolError: the runtime refuses the feeds, or fails while it runs.
        """
        try:
            return self.inner.run(None, feeds, self._quiet)
        except _RUN_ERRORS as error:
            raise ToolError(f"the model does not run: {runtime_words(error)}") from error


class OnnxRuntime:
    """onnxruntime on the CPU of this host."""

    @property
    def name(self) -> str:
        return "onnxruntime"

    @property
    def version(self) -> str:
        return str(onnxruntime.__version__)

    def open(self, model: Path, settings: RuntimeSettings) -> OnnxSession:
        """Load `model` in a stock session, with `settings`.

        Raises:
            ToolError: the runtime refuses the file; the message is the runtime's own.
            RequestError: a setting that is not on the allow-list.
        """
        return OnnxSession(stock_session.open_session(model, session_options(settings)))


def stock(threads: int = 1) -> RuntimeSettings:
    """Return the settings of a stock session with `threads` threads."""
    return RuntimeSettings(intra_op_num_threads=threads)


def open_session(model: Path, settings: RuntimeSettings | None = None) -> OnnxSession:
    """Load `model` in onnxruntime with `settings`, by default a stock session of one thread."""
    return OnnxRuntime().open(model, settings or stock())


def runtime_label() -> str:
    """Return name and version of the runtime, as measurements quote them."""
    return f"onnxruntime {onnxruntime.__version__}"
