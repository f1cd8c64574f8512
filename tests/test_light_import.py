"""Light at the door: importing shipfit, asking for help and being wrong load nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "chromadb", "dspy", "fastapi", "langgraph", "litellm", "mcp", "onnx", "onnxruntime", "ray", "starlette", "torch",
)  # fmt: skip

# Runs in a fresh interpreter; what was loaded is written to a file, because the command owns stdout.
PROBE = """
import json, sys
target, heavy, *argv = sys.argv[1:]
status = 0
try:
    import shipfit
    if argv:
        from shipfit.interfaces.cli import main
        sys.argv = ["shipfit", *argv]
        status = main()
except SystemExit as stop:
    status = stop.code
with open(target, "w") as out:
    json.dump({"status": status or 0, "loaded": [name for name in heavy.split(",") if name in sys.modules]}, out)
"""


def probe(folder: Path, *argv: str) -> tuple[int, list[str]]:
    """Run a command line in a fresh interpreter: its exit status and the heavy modules it loaded."""
    out = folder / "loaded.json"
    command = [sys.executable, "-c", PROBE, str(out), ",".join(HEAVY), *argv]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    answer = json.loads(out.read_text())
    return answer["status"], answer["loaded"]


def test_import(tmp_path: Path):
    assert probe(tmp_path) == (0, [])


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["optimize", "--help"],
        ["batch", "--help"],
        ["inspect", "--help"],
        ["benchmark", "--help"],
        ["check", "--help"],
        ["apply", "--help"],
        ["runs", "--help"],
        ["resume", "--help"],
        ["demo", "--help"],
        ["doctor", "--help"],
        ["scenarios", "--help"],
        ["memory", "--help"],
        ["memory", "list"],
        ["memory", "forget", "--help"],
    ],
    ids=" ".join,
)
def test_help(argv: list[str], tmp_path: Path):
    assert probe(tmp_path, *argv) == (0, [])


@pytest.mark.parametrize(
    "argv",
    [
        ["no-such-command"],
        ["optimize"],
        ["optimize", "model.onnx", "--no-such-option"],
        ["optimize", "missing.onnx", "--max-size", "10MB"],
        ["optimize", "missing.onnx", "--max-size", "10 parsecs"],
        ["inspect", "missing.onnx"],
        ["batch", "missing.yaml"],
        ["scenarios", "run", "no-such-suite"],
        ["mcp", "--workspace", "missing"],
    ],
    ids=" ".join,
)
def test_wrong_argument(argv: list[str], tmp_path: Path):
    assert probe(tmp_path, *argv) == (2, [])


def test_module_form_prints_help(tmp_path: Path):
    command = [sys.executable, "-m", "shipfit", "--help"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert "optimize" in shown.stdout
