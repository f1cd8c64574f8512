"""Lay out the product's folder: all of it at once, or nothing."""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic_core import to_json

from ..contracts import MachineError, OptimizationResponse, Recipe, RuntimeSettings, names_code

if TYPE_CHECKING:
    from ..agents.service import Service
    from ..memory.trail import TrailEntry

T = TypeVar("T")

# On the trail of a run whose product lies where it was asked for.
DELIVERED = "delivered"

# A folder that is a mount point cannot be replaced; its content can.
_NOT_REPLACEABLE = frozenset({errno.EBUSY, errno.EXDEV, errno.EINVAL, errno.EACCES, errno.EPERM})


def default_folder(model: str, run: str, base: Path | None = None) -> Path:
    """Return `shipfit-out/<model>-<run>` below `base`, by default the working directory."""
    name = model if names_code(model) else Path(model).stem
    stem = re.sub(r"[^\w.-]+", "_", name)[:60].strip(".") or "model"
    return (base or Path.cwd()) / "shipfit-out" / f"{stem}-{run}"


def deliver_run(service: Service, run: str) -> OptimizationResponse:
    """Write the product of a finished run, and return its response with the folder it went to.

    Raises:
        MachineError: the product could not be written.
    """
    response = service.response(run)
    known = service.run(run).out
    out = Path(known) if known else default_folder(response.request.model, run)
    deliver(response, service.product_folder(run), service.trail(run), out)
    service.ledger.trail.append(run, DELIVERED, {"out": str(out)}, once=DELIVERED)
    return response.model_copy(update={"out": str(out)})


def deliver(response: OptimizationResponse, product: Path, trail: Iterable[TrailEntry], out: Path) -> None:
    """Write the product of a run and everything that is known about it to `out`.

    Args:
        response: of the finished run.
        product: folder with `model.onnx` and its external data, or `model.pt2`; it is copied, byte by byte.
        trail: everything that the run found out, in order.
        out: folder that is absent or empty; it appears complete or not at all.

    Raises:
        MachineError: no space, no permission, or something else is there; nothing is left behind.
    """
    from .report import render

    response = response.model_copy(update={"out": str(out)})

    def fill(folder: Path) -> None:
        _copy(product, folder)
        write_settings(folder, response.runtime_settings, _recipe(response))
        (folder / "report.json").write_text(response.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / "report.html").write_text(render(response), encoding="utf-8")
        (folder / "trail.jsonl").write_text(trail_text(trail), encoding="utf-8")

    write_folder(out, fill)


def trail_text(trail: Iterable[TrailEntry]) -> str:
    """Return everything that a run found out as JSON lines."""
    return "".join(to_json(asdict(entry), inf_nan_mode="strings").decode() + "\n" for entry in trail)


def write_folder(out: Path, fill: Callable[[Path], T]) -> T:
    """Have `fill` write into a temporary folder beside `out`, then give it that name; returns what `fill` returns.

    Raises:
        MachineError: no space, no permission, or something else is there; nothing is left behind.
    """
    try:
        with _staging(out) as staging:
            made = fill(staging)
            _put_in_place(staging, out)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MachineError(
            f"the product cannot be written to {str(out)!r} ({reason}); mend that or give another --out"
        ) from error
    return made


@contextmanager
def _staging(out: Path) -> Generator[Path]:
    """Yield an empty folder on the file system of `out`; what is left of it, and of new parents, goes at the end."""
    made = _make_parents(out.parent)
    name = f".{out.name}-{uuid.uuid4().hex[:8]}"
    staging = out.parent / name
    try:
        try:
            staging.mkdir()
        except PermissionError:
            # The folder itself was made for us in a place that is not ours, such as a mounted volume.
            staging = out / name
            staging.mkdir()
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not out.exists():
            _remove_empty(made)


def _make_parents(folder: Path) -> list[Path]:
    """Make `folder` and its missing parents, and return those that were made, the innermost first."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _put_in_place(staging: Path, out: Path) -> None:
    try:
        os.rename(staging, out)
    except OSError as error:
        if error.errno not in _NOT_REPLACEABLE or not out.is_dir():
            raise
        _move_into(staging, out)


def _move_into(staging: Path, out: Path) -> None:
    """Move the files one by one into an empty folder that cannot be replaced as a whole."""
    if any(entry != staging for entry in out.iterdir()):
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
    moved: list[Path] = []
    try:
        for entry in sorted(staging.iterdir()):
            shutil.move(entry, out / entry.name)
            moved.append(out / entry.name)
    except OSError:
        for path in moved:
            path.unlink(missing_ok=True)
        raise


def _copy(product: Path, folder: Path) -> None:
    for source in sorted(path for path in product.rglob("*") if path.is_file()):
        target = folder / source.relative_to(product)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _recipe(response: OptimizationResponse) -> Recipe:
    """Return the product's recipe; an original is its own product, made in no steps."""
    return response.recipe or Recipe(model=response.artifact.sha256, seed=response.request.seed)


def write_settings(folder: Path, settings: RuntimeSettings, recipe: Recipe) -> None:
    """Write `runtime.json` and `recipe.json`."""
    (folder / "runtime.json").write_text(settings.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
