"""Tell whether a model loads and runs in a runtime, and what stands in the way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onnx import ModelProto

from ..contracts import CompatibilityReport, DataError, Profile, RequestError, ToolError
from .bounds import MACHINE_DOMAINS
from .context import TORCH_SUFFIX, ToolAnswer, ToolContext
from .inspect import inspect
from .kernels import kernel_types, newest_opset, unsupported_operators
from .measure.data import open_data
from .measure.session import open_session, runtime_label
from .measure.synthesize import synthesize_feeds
from .onnx_model import load_structure, one_line

# The runtime, by the name that requests use and by its own.
RUNTIMES = ("onnx", "onnxruntime")
TORCH = "torch"
OLDEST_OPSET = 7

_SAMPLES = 2
_NO_KERNEL = re.compile(r"Could not find an implementation for (\w+)\((\d+)\)")


def check_tool(context: ToolContext) -> ToolAnswer:
    """Check role `model` for `params["runtime"]`, on role `data` or on inputs of `params["shape"]`."""
    job = context.job
    feeds = None
    if job.data is not None:
        feeds = open_data(context.inputs["data"], job.data).feeds("calibration", _SAMPLES)
    shape = {name: tuple(dims) for name, dims in (job.params.get("shape") or {}).items()}
    runtime = str(job.params.get("runtime", RUNTIMES[0]))
    return ToolAnswer(report=check(context.model(), runtime, feeds, shape))


def check(
    path: Path,
    runtime: str = "onnx",
    feeds: Sequence[Mapping[str, Any]] | None = None,
    shape: Mapping[str, tuple[int, ...]] | None = None,
) -> CompatibilityReport:
    """Load and run the model at `path`, and look for what the runtime lacks.

    Args:
        path: the model's file.
        runtime: `onnx` (onnxruntime on the CPU), or `torch` for exported programs.
        feeds: inputs to run it on; absent, they are synthesised.
        shape: shapes of synthesised inputs with free dimensions.

    Raises:
        RequestError: a runtime that is not served.
        ModelFileError: the file does not parse.
    """
    if runtime not in (*RUNTIMES, TORCH):
        raise RequestError(f"runtime {runtime[:80]!r} cannot be checked; served are {RUNTIMES[0]!r} and {TORCH!r}")
    if (path.suffix == TORCH_SUFFIX) != (runtime == TORCH):
        raise RequestError(f"{path.name!r} is for another runtime than {runtime!r}; leave the runtime out")
    if runtime == TORCH:
        return _check_program(path, feeds, shape or {})
    model, profile = load_structure(path), inspect(path)
    loads, obstacle = _loads(path)
    # What has no kernel but loads was folded or inlined by the runtime.
    unsupported = () if loads else tuple(one_line(each, 80) for each in unsupported_operators(model))
    runs, refusal = _runs(path, feeds, shape or {}) if loads else (False, None)
    problems = [*_opset_problem(profile), *_layout_problem(profile), *(each for each in (obstacle, refusal) if each)]
    return CompatibilityReport(
        runtime=runtime_label(),
        loads=loads,
        runs=runs,
        opset=profile.opset,
        unsupported=unsupported,
        problems=tuple(problems),
        warnings=tuple(_warnings(model, profile)),
    )


def _check_program(
    path: Path, feeds: Sequence[Mapping[str, Any]] | None, shape: Mapping[str, tuple[int, ...]]
) -> CompatibilityReport:
    loads, obstacle = _loads(path)
    runs, refusal = _runs(path, feeds, shape) if loads else (False, None)
    profile = inspect(path) if loads else None
    return CompatibilityReport(
        runtime=runtime_label(path),
        loads=loads,
        runs=runs,
        opset=profile.opset if profile else 0,
        problems=tuple(each for each in (obstacle, refusal) if each),
        warnings=tuple(_input_warnings(profile)) if profile else (),
    )


def _loads(path: Path) -> tuple[bool, str | None]:
    try:
        open_session(path)
    except ToolError as error:
        return False, error.message + _types_hint(error.message)
    return True, None


def _types_hint(message: str) -> str:
    """Say which types an operator that lacks one does have."""
    found = _NO_KERNEL.search(message)
    types = sorted(set(kernel_types(found[1]))) if found else []
    return f"; on the CPU it takes {', '.join(types[:12])}" if types else ""


def _runs(
    path: Path, feeds: Sequence[Mapping[str, Any]] | None, shape: Mapping[str, tuple[int, ...]]
) -> tuple[bool, str | None]:
    try:
        session = open_session(path)
        for feed in feeds if feeds is not None else synthesize_feeds(path, _SAMPLES, 0, shape):
            session.run(feed)
    except (ToolError, DataError) as error:
        return False, error.message
    return True, None


def _opset_problem(profile: Profile) -> list[str]:
    newest = newest_opset()
    if profile.opset <= newest:
        return []
    return [f"opset {profile.opset} is newer than what the runtime supports (up to {newest}); export with a lower one"]


def _layout_problem(profile: Profile) -> list[str]:
    bound = sorted(MACHINE_DOMAINS.intersection(profile.domains))
    return [f"operators of {each} are laid out for one machine; take the file it was made from" for each in bound]


def _warnings(model: ModelProto, profile: Profile) -> list[str]:
    found: list[str] = []
    if profile.opset < OLDEST_OPSET:
        found.append(f"opset {profile.opset} is below {OLDEST_OPSET}, the oldest that the runtime promises to support")
    found += _input_warnings(profile)
    if model.ir_version < 4:
        found.append(f"IR version {model.ir_version} makes every weight an input; normalize lifts it")
    return found


def _input_warnings(profile: Profile) -> list[str]:
    found: list[str] = []
    free = [one_line(each.name, 40) for each in profile.inputs if each.shape is None or _free(each.shape)]
    if free:
        found.append(f"free dimensions in {', '.join(free[:5])}: memory and latency depend on what is fed")
    for each in profile.inputs:
        if each.dtype in {"float16", "bfloat16", "string"}:
            found.append(f"input {one_line(each.name, 40)} is {each.dtype}, which the CPU runs slowly or in part only")
    return found


def _free(shape: tuple[int | str, ...]) -> bool:
    return any(isinstance(each, str) for each in shape)
