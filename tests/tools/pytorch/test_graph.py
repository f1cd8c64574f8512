"""Graph passes of exported programs: the same function with fewer calls, and every switch shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from torch import nn

from shipfit.contracts import NoOpError, OptimizeGraphStep, RequestError
from shipfit.tools.pytorch.editor import ProgramEditor, copy_program
from shipfit.tools.pytorch.fold import fold_constants, share_equal
from shipfit.tools.pytorch.graph import rewrite
from shipfit.tools.pytorch.layout import apply_layout
from shipfit.tools.pytorch.quiet import quiet

from .programs import calls, decibels, exported, performed, settle, written

PLAIN = OptimizeGraphStep(layer_optimization=False)


class Chain(nn.Module):
    """Random layers, some of them residual, then what a classifier ends with."""

    def __init__(self, kinds: list[str], width: int, bias: bool) -> None:
        super().__init__()
        self.kinds = kinds
        self.layers = nn.ModuleList(self._layer(kind, width, bias) for kind in kinds)
        self.norm = nn.BatchNorm1d(5)
        self.dense = nn.Linear(width, 5)

    @staticmethod
    def _layer(kind: str, width: int, bias: bool) -> nn.Module:
        groups = {"depthwise": width, "grouped": 2}.get(kind, 1)
        if kind == "transposed":
            return nn.Sequential(nn.ConvTranspose2d(width, width, 1, bias=bias), nn.BatchNorm2d(width))
        affine = kind != "plain norm"
        convolution = nn.Conv2d(width, width, 3, padding=1, groups=groups, bias=bias)
        return nn.Sequential(convolution, nn.BatchNorm2d(width, affine=affine), nn.ReLU(), nn.Dropout(0.1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        for kind, layer in zip(self.kinds, self.layers, strict=True):
            image = image + layer(image) if kind == "residual" else layer(image)
        return self.norm(self.dense(image.mean((2, 3))))


KINDS = st.sampled_from(["plain", "plain norm", "residual", "depthwise", "grouped", "transposed"])


@given(st.lists(KINDS, min_size=1, max_size=3), st.sampled_from([2, 4]), st.booleans(), st.integers(0, 99))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_modules_answer_the_same(kinds: list[str], width: int, bias: bool, seed: int):
    torch.manual_seed(seed)
    module = settle(Chain(kinds, width, bias), seed)
    image = torch.randn(3, width, 5, 5)
    program = exported(module, image)
    done = rewrite(PLAIN, program, [])
    assert done.counts["fused"] == len(kinds) + 1
    assert not [name for name in calls(done.program) if "batch_norm" in name or "dropout" in name]
    assert decibels(module(image), done.program.module()(image)) > 80


def test_product_is_plain_and_keeps_its_free_axis(block: nn.Module, images: torch.Tensor, tmp_path: Path):
    source = written(block, tmp_path, images)
    program, report = performed(PLAIN, source, tmp_path)
    assert report.changed
    assert report.details["fused"] == 3
    assert report.size_bytes < source.stat().st_size
    assert decibels(block(images[:5]), program.module()(images[:5])) > 80
    first = (tmp_path / "target" / "model.pt2").read_bytes()
    performed(PLAIN, source, tmp_path)
    assert (tmp_path / "target" / "model.pt2").read_bytes() == first


def test_nothing_to_do_is_said(tmp_path: Path):
    with pytest.raises(NoOpError, match="nothing changed"):
        performed(PLAIN, written(nn.Linear(4, 4), tmp_path, torch.rand(2, 4)), tmp_path)


def test_fusion_switch(block: nn.Module, images: torch.Tensor):
    done = rewrite(PLAIN.model_copy(update={"fusion": False}), exported(block, images), [])
    assert len([name for name in calls(done.program) if "batch_norm" in name]) == 3


def test_elimination_switch_and_names(block: nn.Module, images: torch.Tensor):
    done = rewrite(PLAIN.model_copy(update={"elimination": False}), exported(block, images), [])
    assert done.counts["cleared"] == 0
    assert "aten.dropout.default" in calls(done.program)
    with pytest.raises(RequestError, match="passes by name"):
        rewrite(OptimizeGraphStep(passes=("eliminate_deadend",)), exported(block, images), [])


class Twice(nn.Module):
    """Holds one table twice and computes with constants."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.ones(6, 6))
        self.second = nn.Parameter(torch.ones(6, 6))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value @ (self.first.T * 2 + 1) + value @ self.second


def test_constant_folding_switch():
    value = torch.rand(2, 6)
    module = Twice()
    editor = ProgramEditor(exported(module, value))
    assert fold_constants(editor) == 3
    assert share_equal(editor) == 0  # the first became another tensor
    program = editor.finish()
    assert decibels(module(value), program.module()(value)) > 100
    shared = ProgramEditor(exported(module, value))
    assert share_equal(shared) == 1
    assert len(shared.finish().state_dict) == 1
    with pytest.raises(NoOpError):
        rewrite(PLAIN.model_copy(update={"constant_folding": False}), exported(module, value), [])


@pytest.mark.parametrize("layout", ["channels_last", "onednn", "onednn_channels_last"])
def test_layouts_answer_the_same_and_can_be_saved(layout, block: nn.Module, images: torch.Tensor):
    step = OptimizeGraphStep(layout=layout)
    done = rewrite(step, exported(block, images), [])
    assert done.counts["laid_out"] == 3
    with quiet():
        again = copy_program(done.program)
    assert decibels(block(images), again.module()(images)) > 80
    fused = [name for name in calls(again) if "_convolution_pointwise" in name]
    assert len(fused) == (3 if "onednn" in layout else 0)


def test_layer_optimization_switch_turns_layouts_off(block: nn.Module, images: torch.Tensor):
    step = OptimizeGraphStep(layout="channels_last", layer_optimization=False)
    done = rewrite(step, exported(block, images), [])
    assert done.step.layout == "keep"
    assert done.counts["laid_out"] == 0


@pytest.mark.slow
def test_auto_names_what_was_chosen_and_times_all(block: nn.Module, images: torch.Tensor, tmp_path: Path):
    _, report = performed(OptimizeGraphStep(layout="auto"), written(block, tmp_path, images), tmp_path)
    assert report.step.kind == "optimize_graph"
    assert report.step.layout != "auto"
    assert set(report.details["layout_gains"]) == {"channels_last", "onednn", "onednn_channels_last"}


@pytest.mark.parametrize(
    "activation", [nn.ReLU6(), nn.Hardswish(), nn.SiLU(), nn.Sigmoid(), nn.Tanh(), nn.Hardtanh(-2, 1)]
)
def test_fused_activations(activation: nn.Module):
    module = nn.Sequential(nn.Conv2d(3, 8, 3), activation)
    image = torch.randn(2, 3, 6, 6)
    editor = ProgramEditor(exported(module, image))
    assert apply_layout(editor, "onednn") == 1
    program = editor.finish()
    assert len(calls(program)) == 1
    assert decibels(module(image), program.module()(image)) > 80


class Counter(nn.Module):
    """Writes to a buffer of its own, which no pass may take for a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.count: torch.Tensor
        self.register_buffer("count", torch.zeros(1))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        self.count.add_(1)
        return value * 2 + self.count * 3 + torch.zeros(1)


def test_buffers_that_are_written_stay():
    program = exported(Counter(), torch.rand(2, 3))
    with quiet():
        editor = ProgramEditor(program)
        fold_constants(editor)
        share_equal(editor)
        run = editor.finish().module()
    assert not torch.equal(run(torch.ones(2, 3)), run(torch.ones(2, 3)))
