"""The zoo's data: what scikit-learn ships, sound and pages of text made with numpy. All of it is seeded."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import speech
from text_lines import text_lines

Arrays = dict[str, np.ndarray]
Part = tuple[np.ndarray, np.ndarray]

SOUNDS = ("silence", "tone", "rising", "falling", "noise", "vowel", "pulse", "fricative")
_SOUND_LENGTH, _SOUND_RATE = 2048, 16_000


@cache
def digits() -> tuple[Part, Part]:
    """Return images (n, 1, 8, 8) in 0..1 and classes, for training and for shipfit."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    images = (found.images[:, None] / 16).astype(np.float32)
    return _parts(images, found.target.astype(np.int64), 900)


@cache
def diabetes() -> tuple[Part, Part]:
    """Return ten standardized features (n, 10) and the course of the disease, standardized (n, 1)."""
    from sklearn.datasets import load_diabetes

    features, target = load_diabetes(return_X_y=True)
    course = ((target - target.mean()) / target.std())[:, None].astype(np.float32)
    return _parts((features / features.std(axis=0)).astype(np.float32), course, 200)


@cache
def cancer() -> tuple[Part, Part]:
    """Return thirty standardized features (n, 30) of tumours and whether they are benign."""
    from sklearn.datasets import load_breast_cancer

    features, target = load_breast_cancer(return_X_y=True)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    return _parts(scaled.astype(np.float32), target.astype(np.int64), 240)


@cache
def noisy_digits() -> tuple[Part, Part]:
    """Return digits in noise and the digits themselves, both (n, 1, 8, 8)."""
    rng = np.random.default_rng(3)

    def noisy(part: Part) -> Part:
        images = part[0]
        return np.clip(images + rng.normal(0, 0.25, images.shape), 0, 1).astype(np.float32), images

    train, rest = digits()
    return noisy(train), noisy(rest)


@cache
def sounds() -> tuple[Part, Part]:
    """Return short sounds (n, 1, 2048) of eight kinds and which they are."""
    rng = np.random.default_rng(5)
    kinds = np.arange(1600) % len(SOUNDS)
    waves = np.stack([_sound(SOUNDS[kind], rng) for kind in kinds])[:, None]
    return _parts(waves.astype(np.float32), kinds.astype(np.int64), 800)


def _parts(inputs: np.ndarray, wanted: np.ndarray, train: int) -> tuple[Part, Part]:
    order = np.random.default_rng(1).permutation(len(wanted))
    first, rest = order[:train], order[train:]
    return (inputs[first], wanted[first]), (inputs[rest], wanted[rest])


def _sound(kind: str, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(_SOUND_LENGTH) / _SOUND_RATE
    low, high = rng.uniform(200, 900), rng.uniform(1500, 4000)
    sweep = {"rising": (low, high), "falling": (high, low), "tone": (low, low)}
    if kind in sweep:
        start, end = sweep[kind]
        wave = np.sin(2 * np.pi * np.cumsum(np.linspace(start, end, _SOUND_LENGTH)) / _SOUND_RATE)
    elif kind == "noise":
        wave = rng.normal(0, 0.6, _SOUND_LENGTH)
    elif kind == "pulse":
        wave = np.where((time * rng.uniform(60, 200)) % 1 < 0.06, 1.0, 0.0)
    elif kind == "silence":
        wave = np.zeros(_SOUND_LENGTH)
    else:
        wave = speech.sample(kind, _SOUND_LENGTH, rng)
    loud = rng.uniform(0.2, 0.9)
    return loud * wave + rng.normal(0, rng.uniform(0.01, 0.1), _SOUND_LENGTH)


def crops(size: int, count: int) -> np.ndarray:
    """Return crops (count, 3, size, size) of scikit-learn's two photographs, scaled as MTCNN wants them."""
    from sklearn.datasets import load_sample_images

    photographs: Any = load_sample_images().images
    rng = np.random.default_rng(size)
    found = [_crop(photographs[index % 2], size, rng) for index in range(count)]
    return np.stack(found).astype(np.float32)


def _crop(photograph: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a square of the photograph, shrunk by a whole factor."""
    factor = int(rng.integers(1, 5))
    side = size * factor
    top, left = (int(rng.integers(0, extent - side)) for extent in photograph.shape[:2])
    square = photograph[top : top + side, left : left + side].reshape(size, factor, size, factor, 3).mean((1, 3))
    return (square.transpose(2, 0, 1) - 127.5) / 128


def pages(count: int, height: int = 96, width: int = 256) -> np.ndarray:
    """Return pages (count, 3, height, width) with lines of text, scaled as PP-OCR's detector wants them."""
    lines = text_lines(2 * count, 11)["x"][::2]
    rng = np.random.default_rng(11)
    sheets = np.ones((count, 3, height, width), np.float32) * rng.uniform(0.5, 1.0, (count, 3, 1, 1))
    for sheet, line in zip(sheets, lines, strict=True):
        top, left = int(rng.integers(0, height - line.shape[1])), int(rng.integers(0, width - line.shape[2]))
        sheet[:, top : top + line.shape[1], left : left + line.shape[2]] = line
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    scaled = ((sheets + 1) / 2 - mean[:, None, None]) / deviation[:, None, None]
    return scaled.astype(np.float32)


def sentences(texts: list[str], tokenizer: Path, length: int = 32) -> Arrays:
    """Return texts as token ids and masks (count, length), as the published tokenizer reads them."""
    from tokenizers import Tokenizer

    reader = Tokenizer.from_file(str(tokenizer))
    reader.enable_truncation(length)
    reader.enable_padding(length=length)
    read = reader.encode_batch(texts)
    return {
        "input_ids": np.array([each.ids for each in read], np.int64),
        "attention_mask": np.array([each.attention_mask for each in read], np.int64),
    }


def texts() -> list[str]:
    """Return different sentences of scikit-learn's data descriptions."""
    from sklearn import datasets

    loaders = (datasets.load_digits, datasets.load_diabetes, datasets.load_breast_cancer, datasets.load_wine)
    whole = " ".join(loader().DESCR for loader in (*loaders, datasets.load_iris, datasets.load_linnerud))
    found = [re.sub(r"\s+", " ", part).strip() for part in re.split(r"(?<=[.:])\s", whole)]
    return [text for text in dict.fromkeys(found) if 20 <= len(text) <= 300]
