"""Speech-like sound for a voice detector: voiced syllables, fricatives and pauses in noise, made with numpy.

A voiced syllable is a sum of the harmonics of a gliding pitch, each as loud as three formants let it be
(additive source-filter synthesis); a fricative is noise in a band.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RATE = 16_000
FRAME, CONTEXT = 512, 64  # samples in a frame of the 16 kHz model, and what it sees of the frame before
# First three formants of some vowels, Hz (adult averages as in Peterson and Barney, 1952, rounded).
VOWELS = np.array([[270, 2290, 3010], [390, 1990, 2550], [660, 1720, 2410], [730, 1090, 2440], [300, 870, 2240]])
_BANDWIDTHS = np.array([80.0, 120.0, 160.0])

Step = Callable[[dict[str, np.ndarray]], tuple[np.ndarray, np.ndarray]]


def blocks(count: int, frames: int, seed: int, step: Step) -> dict[str, np.ndarray]:
    """Return `count` blocks of a talk as the sequence model's inputs, with the state that each block starts from.

    Args:
        count: number of blocks.
        frames: frames in a block.
        seed: of the sound.
        step: runs the original model on one block (`input`, `h`, `c`) and returns the state after it.

    Returns:
        `input` (count, frames, 576), `h` and `c` (count, 1, 1, 128).
    """
    sound = talk(count * frames * FRAME / RATE, seed).reshape(count, frames, FRAME)
    state = np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
    before = np.zeros(CONTEXT, np.float32)
    rows: dict[str, list[np.ndarray]] = {"input": [], "h": [], "c": []}
    for block in sound:
        contexts = np.concatenate([before[None], block[:-1, -CONTEXT:]])
        before = block[-1, -CONTEXT:]
        feed = {"input": np.concatenate([contexts, block], axis=1), "h": state[0], "c": state[1]}
        for name, value in feed.items():
            rows[name].append(value)
        state = step(feed)
    return {name: np.stack(values) for name, values in rows.items()}


def talk(seconds: float, seed: int) -> np.ndarray:
    """Return mono sound at 16 kHz, float32 in −1..1: phrases of syllables, pauses of up to a second, soft noise."""
    rng = np.random.default_rng(seed)
    length = round(seconds * RATE)
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < length:
        pitch, loudness = rng.uniform(90, 230), rng.uniform(0.08, 0.35)
        for _ in range(int(rng.integers(3, 9))):
            if rng.random() < 0.5:
                parts.append(0.4 * loudness * _fricative(rng))
            parts.append(loudness * _syllable(pitch * rng.uniform(0.9, 1.1), rng))
        parts.append(np.zeros(int(rng.uniform(0.2, 1.0) * RATE)))
    sound = np.concatenate(parts)[:length]
    return np.clip(sound + rng.normal(0, 10 ** rng.uniform(-3.5, -2.5), length), -1, 1).astype(np.float32)


def sample(kind: str, length: int, rng: np.random.Generator) -> np.ndarray:
    """Return `length` samples of vowels or fricatives on end, peak amplitude 1."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < length:
        parts.append(_syllable(rng.uniform(90, 230), rng) if kind == "vowel" else _fricative(rng))
    return np.concatenate(parts)[:length]


def _syllable(pitch: float, rng: np.random.Generator) -> np.ndarray:
    """Return a vowel that glides into another, peak amplitude 1."""
    time = np.arange(int(rng.uniform(0.12, 0.3) * RATE)) / RATE
    share = time / time[-1]
    glide = pitch * (1 + rng.uniform(-0.15, 0.15) * share)
    phase = 2 * np.pi * np.cumsum(glide) / RATE
    start, end = VOWELS[rng.integers(len(VOWELS), size=2)] * rng.uniform(0.92, 1.15)
    sound = np.zeros_like(time)
    for harmonic in range(1, int(4000 / pitch)):
        frequency = harmonic * glide
        loud = (1 - share) * formants(frequency, start) + share * formants(frequency, end)
        sound += loud / harmonic * np.sin(harmonic * phase)
    return faded(sound / np.abs(sound).max())


def formants(frequency: np.ndarray, resonances: np.ndarray) -> np.ndarray:
    """Return how loud three resonances, Hz, make each frequency."""
    distance = (frequency[:, None] - resonances) / _BANDWIDTHS
    return np.asarray(0.03 + (np.array([1.0, 0.7, 0.4]) / np.sqrt(1 + distance**2)).sum(axis=1))


def _fricative(rng: np.random.Generator) -> np.ndarray:
    """Return noise in a band between 2 and 8 kHz, peak amplitude 1."""
    count = int(rng.uniform(0.05, 0.12) * RATE)
    spectrum = np.fft.rfft(rng.normal(size=count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= np.exp(-(((frequency - rng.uniform(3500, 6000)) / 1500) ** 2))
    sound = np.fft.irfft(spectrum, count)
    return faded(sound / np.abs(sound).max())


def faded(sound: np.ndarray) -> np.ndarray:
    edge = np.minimum(1, np.arange(len(sound)) / (0.02 * RATE))
    return sound * edge * edge[::-1]
