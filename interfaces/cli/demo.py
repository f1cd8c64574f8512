"""`shipfit demo`: a small real network, trained and fitted while you watch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ...contracts import MachineError
from . import options as opt

if TYPE_CHECKING:
    from ...agents.standalone import DemoFiles


def demo(out: opt.Out = None, seed: opt.Seed = None, json: opt.Json = False) -> int:
    """Train a small network on scikit-learn's digits, and fit it to a size, a speed and an accuracy."""
    from tempfile import TemporaryDirectory

    from ...contracts import Constraints, Request, load_settings, units
    from ...tools.hardware import has_vnni
    from .console import say
    from .paths import check_writable, output_folder
    from .run import start_run
    from .tool_progress import tool_progress

    folder = str(output_folder(out)) if out else None
    if folder is None:
        check_writable(Path.cwd(), "the working directory")

    from ...agents.standalone import make_demo

    settings = load_settings()
    with tool_progress() as progress, TemporaryDirectory(prefix="shipfit-demo-") as made:
        files = make_demo(settings, Path(made), seed or 0, progress=progress)
        model, data = _keep(files, settings.home / "demo")
    trained = files.report
    say(
        f"trained a network of {trained.parameters:,} parameters on {trained.samples:,} handwritten digits in "
        f"{units.format_seconds(trained.seconds)}: accuracy {units.format_share(trained.accuracy)}"
    )
    # int8 arithmetic pays several times over where the processor multiplies it in one instruction, else a little.
    bounds = Constraints(max_size_ratio=0.3, min_speedup=2 if has_vnni() else 1.2, max_accuracy_drop=0.01)
    say(f"asked for: {', '.join(bound.text() for bound in bounds.bounds())}")
    request = Request(model=str(model), data=str(data), constraints=bounds, seed=seed or 0, out=folder)
    return start_run(request, json)


def _keep(files: DemoFiles, folder: Path) -> tuple[Path, Path]:
    """Keep the network and its data where commands that are shown later find them."""
    model, data = folder / "digits.onnx", folder / "digits.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in ((files.model, model), (files.data, data)):
            shutil.copyfile(source, target.with_suffix(".new"))
            target.with_suffix(".new").replace(target)
    except OSError as error:
        raise MachineError(f"{str(folder)!r} cannot be written: {error.strerror}; set SHIPFIT_HOME") from error
    return model, data
