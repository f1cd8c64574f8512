"""Make an environment of its own for each peer, pinned, in `benchmarks/peers/cache/environments`.

    python benchmarks/peers/environments.py [NAME …]

What is there and made of the same pins is kept. Nothing of a peer gets into shipfit's own environment.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements"
ENVIRONMENTS = HERE / "cache" / "environments"
NAMES = ("onnxruntime", "nncf", "olive")
_DONE = "made-of.txt"
# File of an environment → what is mended in it. Olive 0.13 writes metrics of one's own as JSON, where it asks their
# absent parts to write themselves and loses the functions' names, so that no search with such a metric begins.
_MENDED = {
    "olive": (
        "olive/evaluator/metric.py",
        (
            ("return backend if isinstance(backend, str) else backend.model_dump()",
             "return backend.model_dump() if hasattr(backend, 'model_dump') else backend"),
            ("return metric_config.model_dump()", "return metric_config.model_dump() if metric_config else None"),
            ("user_config: Optional[ConfigBase] =", "user_config: Any ="),
        ),
    )
}  # fmt: skip


def python_of(name: str) -> Path:
    """Return the interpreter of a peer, making its environment when it is missing or of other pins.

    Raises:
        RuntimeError: something could not be installed; what pip said last.
    """
    folder, pins = ENVIRONMENTS / name, REQUIREMENTS / f"{name}.txt"
    interpreter, done = folder / "bin" / "python", folder / _DONE
    wanted = f"{pins.read_text(encoding='utf-8')}{_MENDED.get(name, '')}\n"
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return interpreter
    print(f"  making the environment of {name}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    _install(interpreter, pins)
    _mend(folder, name)
    done.write_text(wanted, encoding="utf-8")
    return interpreter


def _install(interpreter: Path, pins: Path) -> None:
    """Install the pins as they are; of torch the CPU build, which Linux has to ask for by its local version."""
    lines = [line for line in pins.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    torch = [line for line in lines if line.startswith("torch==")]
    if torch:
        _pip(interpreter, [f"{torch[0]}+cpu" if sys.platform == "linux" else torch[0]])
    _pip(interpreter, [line for line in lines if line not in torch])


def _mend(folder: Path, name: str) -> None:
    """Replace what is known to be broken, which must be there exactly once."""
    if name not in _MENDED:
        return
    file, changes = _MENDED[name]
    path = next(folder.glob(f"lib/python*/site-packages/{file}"))
    text = path.read_text(encoding="utf-8")
    for before, after in changes:
        if text.count(before) != 1:
            raise RuntimeError(f"{name}: {file} is not the file that is mended here")
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")


def _pip(interpreter: Path, requirements: list[str]) -> None:
    command = [str(interpreter), "-m", "pip", "install", "--quiet", "--no-deps", "--no-input", *requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise RuntimeError(f"{interpreter.parent.parent.name}: {last}")


if __name__ == "__main__":
    for each in sys.argv[1:] or NAMES:
        print(f"{each}: {python_of(each)}", flush=True)
