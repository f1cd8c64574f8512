"""`module:factory` on the command line, through real child processes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shipfit.agents.intake import absolute_source
from shipfit.contracts import Limits
from shipfit.interfaces.delivery import default_folder

from ..conftest import Answer

Shipfit = Callable[..., Answer]

CODE = """
import time
import torch
from torch import nn
def factory():
    print("printed while it is made")
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), torch.zeros(1, 4)
def raises():
    raise RuntimeError("the weights are gone")
def hangs():
    time.sleep(1000)
"""


@pytest.fixture
def code(home: object) -> str:
    with open("given_model.py", "w", encoding="utf-8") as file:
        file.write(CODE)
    return "given_model"


def test_inspect_a_factory(code: str, shipfit: Shipfit):
    answer = shipfit("inspect", f"{code}:factory", "--json")
    assert answer.status == 0, answer.err
    profile = json.loads(answer.out)
    assert profile["inputs"][0]["shape"] == ["batch", 4]
    assert "printed" not in answer.out + answer.err


def test_a_factory_that_raises_is_one_line(code: str, shipfit: Shipfit):
    answer = shipfit("optimize", f"{code}:raises", "--max-size", "30%")
    assert answer.status == 2
    assert "given_model:raises failed: RuntimeError: the weights are gone (given_model.py, line 9)" in answer.error


def test_a_factory_that_hangs_is_one_line(code: str, shipfit: Shipfit, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shipfit.agents.dry_run.Limits", lambda **_: Limits(time_s=4.0))
    answer = shipfit("inspect", f"{code}:hangs")
    assert answer.status == 2
    assert "given_model:hangs" in answer.error
    assert "factory" in answer.error


def test_a_file_of_that_name_goes_first(home: object):
    with open("a:b", "w", encoding="utf-8") as file:
        file.write("x")
    assert absolute_source("a:b").endswith("/a:b")
    assert absolute_source("pkg.model:make") == "pkg.model:make"


def test_the_default_folder_names_the_factory():
    assert default_folder("pkg.model:make", "r1").name == "pkg.model_make-r1"
