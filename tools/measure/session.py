"""Models in a stock session on the CPU: the `Runtime` and `Session` protocols, by onnxruntime and by torch.

The file's suffix says which runtime it is for; torch is imported where a program is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...contracts import RequestError, Runtime, RuntimeSettings, Session, TensorSpec, ToolError
from .. import session as stock_session
from ..context import TORCH_SUFFIX
from ..onnx_model import is_large_file
from ..sample_runs import count
from ..session import run_errors, runtime_words

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


# What onnxruntime calls element types that numpy calls otherwise.
_ELEMENTS = {"float": "float32", "double": "float64"}


def _spec(item: Any) -> TensorSpec:
    kind = str(item.type)
    if not kind.startswith("tensor("):
        return TensorSpec(name=item.name, dtype=kind, shape=None)
    element = kind.removeprefix("tensor(").removesuffix(")")
    # onnxruntime says [] for a scalar and for an unknown rank alike.
    shape = tuple(dim if isinstance(dim, int) and dim >= 0 else str(dim or "?") for dim in item.shape)
    return TensorSpec(name=item.name, dtype=_ELEMENTS.get(element, element), shape=shape)


class OnnxSession:
    """A model loaded in onnxruntime."""

    def __init__(self, inner: Any) -> None:
        import onnxruntime

        self.inner = inner
        self._inputs = tuple(_spec(item) for item in inner.get_inputs())
        self._outputs = tuple(_spec(item) for item in inner.get_outputs())
        self._quiet = onnxruntime.RunOptions()
        self._quiet.log_severity_level = 4  # what goes wrong arrives as an exception, not on stderr

    @property
    def input_names(self) -> Sequence[str]:
        return tuple(spec.name for spec in self._inputs)

    @property
    def output_names(self) -> Sequence[str]:
        return tuple(spec.name for spec in self._outputs)

    @property
    def input_specs(self) -> Sequence[TensorSpec]:
        return self._inputs

    @property
    def output_specs(self) -> Sequence[TensorSpec]:
        return self._outputs

    def run(self, feeds: Mapping[str, Any]) -> Sequence[Any]:
        """Return the outputs in the order of `output_names`.

        Raises:
            ToolError: the runtime refuses the feeds, or fails while it runs.
        """
        count()
        try:
            return self.inner.run(None, feeds, self._quiet)
        except run_errors() as error:
            raise ToolError(f"the model does not run: {runtime_words(error)}") from error

    def arm(self, feeds: Sequence[Mapping[str, Any]]) -> Callable[[int], object]:
        """Return what runs the feed of that number, with nothing around the runtime's own call."""
        run, given = self.inner.run, [dict(feed) for feed in feeds]

        def arm(number: int) -> object:
            return run(None, given[number])

        return arm


class OnnxRuntime:
    """onnxruntime on the CPU of this host."""

    @property
    def name(self) -> str:
        return "onnxruntime"

    @property
    def version(self) -> str:
        import onnxruntime

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


def runtime_of(model: Path) -> Runtime:
    """Return the runtime that a model file is for."""
    if model.suffix != TORCH_SUFFIX:
        return OnnxRuntime()
    from .torch_session import TorchRuntime

    return TorchRuntime()


def open_session(model: Path, settings: RuntimeSettings | None = None) -> Session:
    """Load `model` in its runtime with `settings`, by default a stock session of one thread.

    Raises:
        ToolError: the runtime refuses the file; the message is the runtime's own.
        RequestError: a setting that is not on the allow-list.
    """
    return runtime_of(model).open(model, settings or stock())


def open_onnx(model: Path, settings: RuntimeSettings | None = None) -> OnnxSession:
    """Load an ONNX model, for tools that know no other."""
    return OnnxRuntime().open(model, settings or stock())


def open_briefly(*models: Path) -> list[Session]:
    """Load models for a few answers that nobody times.

    Where one of them is large, all go without the passes of a stock session: these fold and lay out every weight anew,
    which takes far longer than the calls.

    Raises:
        ToolError: the runtime refuses a file; the message is the runtime's own.
    """
    if any(model.suffix == TORCH_SUFFIX for model in models) or not any(map(is_large_file, models)):
        return [open_session(model) for model in models]
    return [OnnxSession(stock_session.open_session(model, stock_session.plain_options())) for model in models]


def runtime_label(model: Path | None = None) -> str:
    """Return name and version of the runtime that `model` is for (onnxruntime), as measurements quote them."""
    runtime = runtime_of(model) if model is not None else OnnxRuntime()
    return f"{runtime.name} {runtime.version}"
