"""Digits that were moved, turned, scaled and made noisy: more samples than there are digits, and harder ones.

The digits that are trained on, given to shipfit and held out from it are different ones, drawn by different people's
hands as far as scikit-learn's set allows, so that no sample of one part is a variant of one of another.
"""

from __future__ import annotations

from functools import cache

import datasets
import numpy as np
from datasets import Part

_GIVEN, _HELD_OUT = 3_000, 4_000
_TURN, _SHIFT, _SCALE = 16.0, 0.8, 0.12  # degrees, pixels of the 8×8 original, share


@cache
def digits() -> tuple[Part, Part, Part]:
    """Return images (n, 1, 8, 8) in 0..1 and classes: for training, for shipfit, and held out."""
    return _parts(12_000, side=8, noise=0.14)


@cache
def images() -> tuple[Part, Part, Part]:
    """Return the same at (n, 1, 32, 32), the size at which these digits were scanned before they were summed to 8×8.

    Noise is of each pixel; there are sixteen times as many, so it takes more of it to be as hard.
    """
    return _parts(6_000, side=32, noise=0.5)


def _parts(trained_on: int, side: int, noise: float) -> tuple[Part, Part, Part]:
    (first, kinds), (rest, labels) = datasets.digits()
    half = len(rest) // 2
    return (
        _varied(first, kinds, trained_on, 1, side, noise),
        _varied(rest[:half], labels[:half], _GIVEN, 2, side, noise),
        _varied(rest[half:], labels[half:], _HELD_OUT, 3, side, noise),
    )


def _varied(originals: np.ndarray, kinds: np.ndarray, count: int, seed: int, side: int, noise: float) -> Part:
    """Return `count` variants, each digit as often as any other up to one; `noise`: its deviation in 0..1."""
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(len(originals)) for _ in range(-(-count // len(originals)))])[:count]
    found = np.stack([_moved(originals[index, 0], rng, side) for index in chosen])[:, None]
    noisy = found + rng.normal(0, noise, found.shape)
    return np.clip(noisy, 0, 1).astype(np.float32), kinds[chosen]


def _moved(image: np.ndarray, rng: np.random.Generator, side: int) -> np.ndarray:
    """Return one image turned, scaled and shifted about its middle, read by linear interpolation onto side × side."""
    from scipy.ndimage import affine_transform

    angle, grain = np.deg2rad(rng.uniform(-_TURN, _TURN)), len(image) / side
    scale = rng.uniform(1 - _SCALE, 1 + _SCALE)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    offset = (np.array(image.shape) - 1) / 2 - turn @ (grain * (side - 1) / 2 + rng.uniform(-_SHIFT, _SHIFT, 2))
    return np.asarray(affine_transform(image, turn * grain, offset, (side, side), order=1))
