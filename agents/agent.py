"""The public agent: one call from Python, the same state machine as everywhere else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..contracts import (
    Answer,
    Constraints,
    DeploymentConfig,
    Event,
    OptimizationResponse,
    Question,
    Request,
    RequestError,
    Settings,
    Target,
    load_settings,
    validate,
)
from ..tools import BenchmarkTool, CompatibilityChecker, PruningAdvisor, QuantizationTool, RuntimeOptimizer
from .intake import absolute_source
from .language.words import WordReader
from .reading import merge_words
from .service import Service

if TYPE_CHECKING:
    import numpy as np

Listener = Callable[[Event], None]
Person = Callable[[Question], Answer]


class DeploymentOptimizationAgent:
    """Fits models to their targets.

    Attributes:
        config: target, optimization and monitoring; every call may override any part.
        tools: the tools by name, each usable alone.
    """

    def __init__(self, config: DeploymentConfig | None = None, *, settings: Settings | None = None) -> None:
        self.config = config or DeploymentConfig()
        self.settings = settings or load_settings()
        kinds = (RuntimeOptimizer, QuantizationTool, PruningAdvisor, BenchmarkTool, CompatibilityChecker)
        self.tools = {tool.name: tool for tool in (kind() for kind in kinds)}

    def optimize_for_deployment(
        self,
        request: Request | str | None = None,
        *,
        model: Any = None,
        example_inputs: Any = None,
        validation_data: Any = None,
        require_accuracy: float | None = None,
        target: Mapping[str, Any] | None = None,
        optimization: Mapping[str, Any] | None = None,
        monitoring: Mapping[str, Any] | None = None,
        llm: Mapping[str, Any] | None = None,
        on_event: Listener | None = None,
        on_question: Person | None = None,
        **preferences: Any,
    ) -> OptimizationResponse:
        """Return the response of a run; `shipfit.deliver(response, folder)` lays out its product.

        Args:
            request: everything at once, instead of the parts below and of the agent's configuration; or what is
                asked for in words, which the parts below win over.
            model: path, bytes of an ONNX file, `onnx.ModelProto`, a `torch.nn.Module`, or `module:factory` that returns
                one. A live module is exported in this process.
            example_inputs: a tuple or dict of tensors that a live module is traced on; absent, its attribute of that
                name, or the first sample of `validation_data`, serves.
            validation_data: path of an `.npz` or a folder of them, `module:callable`, or a mapping of arrays
                named as the model's inputs, with `labels`.
            require_accuracy: smallest accuracy as a fraction.
            target: part of the configuration to override, field by field.
            optimization: likewise.
            monitoring: likewise.
            llm: likewise; `{"name": "none"}` does without the language model of the environment.
            on_event: called with each event while the run works.
            on_question: with `approve=True`, called with each question, and returns the answer.
            preferences: further fields of `Request`, such as `objective`, `seed`, `budget` or `constraints`.

        Raises:
            OptimizationError: `type` and `details` tell what kind of failure it is.
        """
        with tempfile.TemporaryDirectory(prefix="shipfit-") as folder:
            parts = (model, validation_data, require_accuracy, target, optimization, monitoring, llm)
            if isinstance(request, Request) and (preferences or any(part is not None for part in parts)):
                raise RequestError("a request holds everything; give either request= or the parts, not both")
            reader = WordReader(self.settings)
            if not isinstance(request, Request):
                given = _Given(model, example_inputs, validation_data, require_accuracy, preferences)
                config = self.config.override(target=target, optimization=optimization, monitoring=monitoring, llm=llm)
                request = given.request(config, Path(folder), request, reader)
            if request.approve and on_question is None:
                raise RequestError("approve asks a person: pass on_question=, which returns an Answer to a Question")
            service = Service(self.settings)
            return _answered(service, service.start(request, reader.advised), on_event, on_question)


def _answered(
    service: Service, run: str, on_event: Listener | None, on_question: Person | None
) -> OptimizationResponse:
    """Return the response of a run, each of its questions answered by `on_question`."""
    while True:
        for event in service.events(run):
            if on_event is not None:
                on_event(event)
        question = service.question(run)
        if question is None or on_question is None:
            return service.response(run)
        service.answer(run, on_question(question))
        service.resume(run)


class _Given:
    """What a call gave beside the configuration."""

    def __init__(
        self, model: Any, example: Any, data: Any, accuracy: float | None, preferences: Mapping[str, Any]
    ) -> None:
        self.model = model
        self.example = example
        self.data = data
        self.accuracy = accuracy
        self.preferences = dict(preferences)

    def request(self, config: DeploymentConfig, folder: Path, words: str | None, reader: WordReader) -> Request:
        bounds = config.target.constraints.to_constraints().model_dump(exclude_none=True)
        extra = self.preferences.pop("constraints", {})
        if not isinstance(extra, Constraints | Mapping):
            raise RequestError(f"constraints of type {type(extra).__name__} are not supported; pass Constraints")
        bounds |= extra.model_dump(exclude_none=True) if isinstance(extra, Constraints) else extra
        if self.accuracy is not None:
            bounds["min_accuracy"] = self.accuracy
        if "words" in self.preferences:
            raise RequestError("words are given as request=; they are read, and what numbers say wins over them")
        asked = _asked(config, bounds, self.preferences, words, reader)
        target, data = validate(Target, asked.pop("target")), _data_path(self.data, folder)
        if _is_module(self.model):
            model = _exported(self.model, self.example, data, folder, target)
        else:
            model = _model_path(self.model, folder)
        fields = {
            "model": model,
            "data": data,
            "target": target,
            "monitoring": config.monitoring,
            "llm": config.llm,
            **asked,
        }
        return validate(Request, {name: value for name, value in fields.items() if value is not None})


def _asked(
    config: DeploymentConfig,
    bounds: Mapping[str, Any],
    preferences: Mapping[str, Any],
    words: str | None,
    reader: WordReader,
) -> dict[str, Any]:
    """Return the fields that words may speak of, and the preferences; what is given in numbers wins."""
    given = {**preferences, "constraints": bounds, "optimization": config.optimization.model_dump()}
    target = config.target.to_target()
    if words is None:
        return {**given, "target": target}
    given["target"] = target.model_dump(exclude_defaults=True)
    return merge_words(given, words, reader.read(words, config.llm.model_dump(exclude_unset=True))).fields


def _is_module(model: Any) -> bool:
    """Tell whether `model` is a live torch module, without importing torch for those who pass none."""
    names = {(kind.__module__, kind.__qualname__) for kind in type(model).__mro__}
    return ("torch.nn.modules.module", "Module") in names


def _exported(model: Any, example: Any, data: str | None, folder: Path, target: Target) -> str:
    from ..tools.pytorch.caller import export_here

    return str(export_here(model, example, data, folder, target.runtime))


def _model_path(model: Any, folder: Path) -> str:
    if model is None:
        raise RequestError("no model was given; pass model= a path, bytes, an onnx.ModelProto or a torch module")
    if isinstance(model, str | os.PathLike):
        return absolute_source(os.fspath(cast("str | os.PathLike[str]", model)))
    content = model if isinstance(model, bytes) else getattr(model, "SerializeToString", lambda: None)()
    if not isinstance(content, bytes):
        raise RequestError(
            f"a model of type {type(model).__name__} is not supported; pass a path, bytes, ModelProto or nn.Module"
        )
    path = folder / "model.onnx"
    path.write_bytes(content)
    return str(path)


def _data_path(data: Any, folder: Path) -> str | None:
    if data is None:
        return None
    if isinstance(data, str | os.PathLike):
        text = os.fspath(cast("str | os.PathLike[str]", data))
        return text if ":" in text and not os.path.exists(text) else os.path.abspath(text)
    if isinstance(data, Mapping):
        return _saved(cast("Mapping[str, Any]", data), folder / "validation.npz")
    raise RequestError(
        f"validation data of type {type(data).__name__} are not supported; pass a path or arrays by name"
    )


def _saved(arrays: Mapping[str, np.ndarray[Any, Any]], path: Path) -> str:
    import numpy as np

    named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez(path, **named)
    return str(path)
