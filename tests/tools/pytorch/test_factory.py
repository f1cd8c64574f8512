"""`module:factory`: the user's own code, and everything that may be wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipfit.contracts import ModelFileError, names_code
from shipfit.tools.pytorch.factory import call_factory

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
    def forward(self, x, scale=None):
        return self.linear(x) if scale is None else self.linear(x) * scale

def pair(): return Net(), torch.zeros(1, 4)
def named(): return Net(), {"x": torch.zeros(1, 4), "scale": torch.ones(1, 1)}
def attribute():
    net = Net()
    net.example_inputs = (torch.zeros(2, 4),)
    return net
def bare(): return Net()
def raises(): raise RuntimeError("no weights\\nhere")
def leaves(): raise SystemExit(3)
def nothing(): return None
def text(): return "net"
def no_tensor(): return Net(), (3,)
def too_many(): return Net(), (torch.zeros(1), torch.zeros(1), torch.zeros(1))
number = 3
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """A module of the user's own, under a name that no other test has imported."""
    name = f"user_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    return name, tmp_path


@pytest.mark.parametrize(
    ("factory", "inputs"), [("pair", ["x"]), ("named", ["x", "scale"]), ("attribute", ["x"]), ("Net", None)]
)
def test_what_a_factory_may_return(factory: str, inputs: list[str] | None, code: tuple[str, Path]):
    name, folder = code
    if inputs is None:
        with pytest.raises(ModelFileError, match="no example inputs"):
            call_factory(f"{name}:{factory}", folder)
        return
    live = call_factory(f"{name}:{factory}", folder)
    assert list(live.tensors) == inputs
    assert list(live.answer()) == ["output"]
    assert not live.module.training


def test_data_serve_as_example(code: tuple[str, Path]):
    name, folder = code
    arrays: dict[str, Any] = {"x": np.zeros((5, 4), np.float32), "labels": np.zeros(5, np.int64)}
    np.savez(folder / "data.npz", **arrays)
    live = call_factory(f"{name}:bare", folder, "data.npz")
    assert list(live.tensors["x"].shape) == [1, 4]


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("bare", "no example inputs"),
        ("raises", r"RuntimeError: no weights here \(user_\w+\.py, line \d+\)"),
        ("leaves", "SystemExit: 3"),
        ("nothing", "returned None"),
        ("text", "object of type str"),
        ("no_tensor", "type int; only tensors"),
        ("too_many", "do not fit forward"),
        ("number", "not a function"),
        ("missing", "no attribute 'missing'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(factory: str, words: str, code: tuple[str, Path]):
    name, folder = code
    with pytest.raises(ModelFileError, match=words) as caught:
        call_factory(f"{name}:{factory}", folder)
    assert "\n" not in caught.value.message


def test_a_missing_module_is_named(tmp_path: Path):
    with pytest.raises(ModelFileError, match="cannot import 'no_such_module'"):
        call_factory("no_such_module:factory", tmp_path)


@pytest.mark.parametrize("text", ["a:b", "pkg.mod:make"])
def test_names_code(text: str):
    assert names_code(text)


@pytest.mark.parametrize("text", ["/a:b", "a", "a:b:c", "a.onnx", "C:\\x", "a: b", "../a:b", "a:b.c"])
def test_paths_are_no_code(text: str):
    assert not names_code(text)
