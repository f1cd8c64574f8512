"""Intake and profile: admit model and data, normalize once, and find out what the model is made of."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from ..contracts import (
    AdmitReport,
    ArtifactRef,
    DataRef,
    DataReport,
    Effort,
    ExportStep,
    ModelFileError,
    NormalizeStep,
    Profile,
    Profiled,
    Request,
    Step,
    StepReport,
    ToolError,
    WorkerError,
    names_code,
)
from ..tools.context import TORCH_FILE
from .execute import Executed, Execution
from .state import RunInput, RunState, add_effort, came_as

if TYPE_CHECKING:
    from .context import RunContext


def admit(request: Request, execute: Execution, max_bytes: int) -> RunInput:
    """Admit the model by copy, and bring the data into canonical form against it.

    Raises:
        UserError: what was given cannot be used; one line says why.
    """
    started = time.monotonic()
    model = admit_model(request, execute, max_bytes)
    source = original = model.outputs["model"]
    effort = model.effort
    if TORCH_FILE in model.report.files and request.target.runtime == "onnx":
        done = exported(request, execute, source)
        original, effort = done.outputs["model"], add_effort(effort, done.effort)
    data = admit_data(request, execute, original)
    return RunInput(
        source=source,
        original=original,
        data=data.report.ref,
        data_source=data.report.source,
        data_notes=data.report.notes,
        asks=request.approve,
        effort=add_effort(effort, data.effort),
        elapsed_s=time.monotonic() - started,
    )


def admit_data(
    request: Request, execute: Execution, model: ArtifactRef, *, scored: bool = True
) -> Executed[DataReport]:
    """Bring the data into canonical form against `model`; where nothing is `scored`, answers are left aside.

    Raises:
        DataError: they are missing, damaged, or do not fit.
    """
    data = execute("data", DataReport, inputs={"model": model}, params=_data_params(request) | {"scored": scored})
    # The store names the data; the tool, which does not know it, cannot.
    ref = data.report.ref.model_copy(update={"id": data.outputs["data"].id})
    return data.model_copy(update={"report": data.report.model_copy(update={"ref": ref})})


def exported(request: Request, execute: Execution, program: ArtifactRef) -> Executed[StepReport]:
    """Turn an admitted program into ONNX.

    Raises:
        ModelFileError: it cannot be exported; the message names the operator in the way, where one is.
    """
    try:
        return execute("perform", StepReport, inputs={"model": program}, step=ExportStep())
    except ToolError as error:
        raise ModelFileError(f"{request.model}: {error.message}", details=error.details) from error


def absolute_source(given: str) -> str:
    """Return a model as requests name it: an absolute path, or `module:factory` where no such file is there."""
    return given if names_code(given) and not os.path.exists(given) else os.path.abspath(given)


def admit_model(request: Request, execute: Execution, max_bytes: int, *, load: bool = True) -> Executed[AdmitReport]:
    """Admit the model alone.

    Args:
        request: names the model.
        execute: runs the job.
        max_bytes: larger models are refused.
        load: whether the runtime must be able to load it.

    Raises:
        UserError: it cannot be used. The user's own code that hangs or dies is the user's to mend.
    """
    params = {
        "source": request.model,
        "max_bytes": max_bytes,
        "load": load,
        "runtime": request.target.runtime,
        "data": request.data,
        "working_directory": os.getcwd(),
    }
    try:
        return execute("admit", AdmitReport, params=params)
    except WorkerError as error:
        if names_code(request.model):
            raise ModelFileError(
                f"{request.model}: {error.message}; mend the factory", details=error.details
            ) from error
        raise


def _data_params(request: Request) -> dict[str, Any]:
    return {
        "source": request.data,
        "calibration_source": request.calibration_data,
        "output": request.output,
        "shape": {name: list(dims) for name, dims in request.shape.items()},
        "needs_accuracy": request.constraints.needs_labels,
        "metric": request.metric,
        "preprocess": request.preprocess.model_dump(mode="json", exclude_unset=True) if request.preprocess else None,
        "state": request.state,
        "working_directory": os.getcwd(),
    }


def intake(state: RunState, context: RunContext) -> RunState:
    """Normalize the original; where that fails, plans start from the original itself."""
    exported = came_as(state).id != state["original"].id
    model, steps, effort = normalized(
        context.request, context.execute, state["original"], state["data"], (ExportStep(),) if exported else ()
    )
    return {"model": model, "base_steps": steps, "effort": effort}


def normalized(
    request: Request, execute: Execution, original: ArtifactRef, data: DataRef, steps: tuple[Step, ...] = ()
) -> tuple[ArtifactRef, tuple[Step, ...], Effort]:
    """Return the model that plans start from, the steps that made it (`steps` first) and the effort.

    An exported program that stays in torch has nothing to normalize.
    """
    if request.target.runtime == "torch":
        return original, steps, Effort()
    step = NormalizeStep()
    try:
        done = execute("perform", StepReport, inputs={"model": original}, data=data, step=step)
    except ToolError:
        return original, steps, Effort()
    return done.outputs["model"], (*steps, step) if done.report.changed else steps, done.effort


def profile(state: RunState, context: RunContext) -> RunState:
    """Inspect the normalized model, with the share of time of each operator type."""
    done = context.execute(
        "inspect", Profile, inputs={"model": state["model"]}, data=state["data"], params={"timing": True}
    )
    context.emit(Profiled(profile=done.report))
    return {"profile": done.report, "effort": done.effort}
