"""Digits that were moved, turned, scaled and made noisy: more samples than there are digits, and harder ones.

The digits that are trained on, given to shipfit and held out from it are different ones, drawn by different people's
hands as far as scikit-learn's set allows, so that no sample of one part is a variant of one of another.
"""

from __future__ import annotations

from functools import cache

import datasets
import numpy as np
from datasets import Part

_TRAINED_ON, _GIVEN, _HELD_OUT = 12_000, 3_000, 4_000
_TURN, _SHIFT, _SCALE, _NOISE = 16.0, 0.8, 0.12, 0.14  # degrees, pixels, share, deviation in 0..1


@cache
def digits() -> tuple[Part, Part, Part]:
    """Return images (n, 1, 8, 8) in 0..1 and classes: for training, for shipfit, and held out."""
    (images, kinds), (rest, labels) = datasets.digits()
    half = len(rest) // 2
    return (
        _varied(images, kinds, _TRAINED_ON, 1),
        _varied(rest[:half], labels[:half], _GIVEN, 2),
        _varied(rest[half:], labels[half:], _HELD_OUT, 3),
    )


def _varied(images: np.ndarray, kinds: np.ndarray, count: int, seed: int) -> Part:
    """Return `count` variants, each digit as often as any other up to one."""
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(len(images)) for _ in range(-(-count // len(images)))])[:count]
    found = np.stack([_moved(images[index, 0], rng) for index in chosen])[:, None]
    noisy = found + rng.normal(0, _NOISE, found.shape)
    return np.clip(noisy, 0, 1).astype(np.float32), kinds[chosen]


def _moved(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one image turned, scaled and shifted about its middle, read by linear interpolation."""
    from scipy.ndimage import affine_transform

    angle = np.deg2rad(rng.uniform(-_TURN, _TURN))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / rng.uniform(
        1 - _SCALE, 1 + _SCALE
    )
    middle = (np.array(image.shape) - 1) / 2
    offset = middle - turn @ (middle + rng.uniform(-_SHIFT, _SHIFT, 2))
    return np.asarray(affine_transform(image, turn, offset, order=1))
