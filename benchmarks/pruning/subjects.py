"""The models that are pruned: trained with a seed or published, with samples for recovery that they never saw.

The folder of one holds beside the model `recovery.npz`, samples without labels that every tool may recover with,
`data.npz`, labelled ones that shipfit is given besides, `held_out.npz`, which nobody sees, and of a network that we
trained `weights.npz`, for tools that need its source.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import augmented
import catalogue
import datasets
import larger
import networks
import numpy as np
import torch
import voices
from datasets import Arrays, Part
from makers import MAKERS
from sessions import open_session
from shelf import Maker
from torch import nn
from training import train, write_onnx

RECOVERY, WEIGHTS, OUTPUT = "recovery.npz", "weights.npz", "scores"
_LINES, _LINES_HELD_OUT = 900, 300


@dataclass(frozen=True)
class Subject:
    """A network of ours.

    Attributes:
        parts: samples and classes to train on, to give, and to hold out.
        input_name: of the file.
    """

    make: Callable[[], nn.Module]
    parts: Callable[[], tuple[Part, Part, Part]]
    input_name: str
    epochs: int
    rate: float

    def load(self, folder: Path) -> nn.Module:
        """Return the network that was trained, from the folder of its file."""
        network = self.make()
        with np.load(folder / WEIGHTS) as weights:
            network.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights.files})
        return network.eval()


def mobile() -> nn.Sequential:
    """Return a network of inverted residuals with squeeze and excitation for digits of 32×32."""
    return nn.Sequential(
        networks.convolution(1, 32, stride=2),
        nn.Hardswish(),
        networks.InvertedResidual(32, 128, 32, 1),
        networks.InvertedResidual(32, 128, 64, 2),
        networks.InvertedResidual(64, 256, 64, 1),
        networks.InvertedResidual(64, 256, 96, 2),
        networks.convolution(96, 384, 1),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(384, networks.CLASSES),
    )


def _rows() -> tuple[Part, Part, Part]:
    first, given, held_out = augmented.digits()
    return _flat(first), _flat(given), _flat(held_out)


def _flat(part: Part) -> Part:
    return part[0][:, 0], part[1]


def _levelled() -> tuple[Part, Part, Part]:
    """Return utterances whose bands have been divided by their usual sizes."""
    parts = voices.utterances()
    scale = np.quantile(parts[0][0], 0.95, axis=(0, 1)).astype(np.float32)
    first, given, held_out = ((bands / scale, speakers) for bands, speakers in parts)
    return first, given, held_out


def _of(name: str) -> tuple[Callable[[], nn.Module], int, float]:
    """Return how the table of quantization makes and trains a network: factory, epochs, learning rate."""
    maker = MAKERS[name]
    assert isinstance(maker, partial)
    make, epochs, rate, _ = maker.args
    return make, epochs, rate


def _subject(name: str, parts: Callable[[], tuple[Part, Part, Part]], input_name: str) -> Subject:
    make, epochs, rate = _of(name)
    return Subject(make, parts, input_name, epochs, rate)


SUBJECTS: dict[str, Subject] = {
    "resnet": _subject("resnet", augmented.images, "image"),
    "mobile": Subject(mobile, augmented.images, "image", 4, 4e-3),
    "lstm": _subject("lstm", _rows, "rows"),
    "speaker_lstm": Subject(
        partial(larger.SpeakerEncoder, voices.BANDS, voices.SPEAKERS), _levelled, "bands", 12, 5e-3
    ),
    "transformer": _subject("transformer", augmented.digits, "image"),
}
PUBLISHED = ("pp_ocr_direction",)


def place(name: str, seed: int) -> str:
    """Return the folder of a model on its shelf."""
    return f"{name}-{seed}"


def makers(names: Iterable[str], seeds: Iterable[int]) -> dict[str, Maker]:
    """Return what makes each model with each seed, by folder."""
    seeds = list(seeds)
    return {place(name, seed): partial(_make, name, seed) for name in names for seed in seeds}


def _make(name: str, seed: int, folder: Path) -> tuple[Arrays, Arrays]:
    if name in PUBLISHED:
        return _direction(seed, folder)
    subject = SUBJECTS[name]
    (samples, classes), given, held_out = subject.parts()
    network = train(subject.make, samples, classes, subject.epochs, rate=subject.rate, seed=seed)
    weights: dict[str, Any] = {key: value.numpy() for key, value in network.state_dict().items()}
    np.savez(folder / WEIGHTS, **weights)
    write_onnx(network, folder / "model.onnx", [given[0][:1]], [subject.input_name], [OUTPUT])
    arrays = {subject.input_name: given[0], "labels": given[1]}
    return _shared(arrays, seed, folder), {subject.input_name: held_out[0], "labels": held_out[1]}


def _shared(arrays: Arrays, seed: int, folder: Path) -> Arrays:
    """Write two thirds of the samples, without labels, for recovery, and return the rest."""
    count = len(next(iter(arrays.values())))
    order = np.random.default_rng(seed).permutation(count)
    apart, rest = order[: 2 * count // 3], order[2 * count // 3 :]
    unlabelled: dict[str, Any] = {name: array[apart] for name, array in arrays.items() if name != "labels"}
    np.savez(folder / RECOVERY, **unlabelled)
    return {name: array[rest] for name, array in arrays.items()}


def _direction(seed: int, folder: Path) -> tuple[Arrays, Arrays]:
    """Copy the file; lines that are held out are labelled by the original's own answers."""
    shutil.copyfile(catalogue.pinned("pp_ocr_direction")["model"], folder / "model.onnx")
    lines = datasets.text_lines(_LINES + _LINES_HELD_OUT, 20 + seed)["x"]
    session = open_session(folder / "model.onnx")
    held_out = lines[_LINES:]
    answers = [int(session.run(None, {"x": line[None]})[0].argmax()) for line in held_out]
    return _shared({"x": lines[:_LINES]}, seed, folder), {"x": held_out, "labels": np.array(answers)}
