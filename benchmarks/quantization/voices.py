"""Speakers told apart by band amplitudes that are neither compressed nor normalised, with clicks: a heavy tail.

A speaker is a pitch, a length of the vocal tract, a tilt and a roughness; an utterance is vowels and breaths
of theirs (`speech.py`'s synthesis with these four). In some a click beside the microphone is a hundred times as loud,
so that a range that holds it leaves the speech a few steps.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import speech
from datasets import Part

SPEAKERS, BANDS, FRAMES = 10, 40, 32
_RATE, _WINDOW, _HOP = 8_000, 256, 128
_TRAINED_ON, _GIVEN, _HELD_OUT = 4_800, 1_200, 2_400
_LOUDNESS, _NOISE = 0.5, 2e-3  # deviation of the logarithm; of the noise
_CLICKS, _CLICK, _CLICK_SPREAD = 0.35, 100.0, 0.8  # in an utterance on average; amplitude; deviation of its logarithm


@cache
def utterances() -> tuple[Part, Part, Part]:
    """Return band amplitudes (n, 32, 40) and speakers: for training, for shipfit, and held out."""
    people = np.random.default_rng(7).uniform(size=(SPEAKERS, 4))
    counts = (_TRAINED_ON, _GIVEN, _HELD_OUT)
    first, given, held_out = (_spoken(people, count, 100 + index) for index, count in enumerate(counts))
    return first, given, held_out


def _spoken(people: np.ndarray, count: int, seed: int) -> Part:
    rng = np.random.default_rng(seed)
    speakers = rng.permutation(np.arange(count) % SPEAKERS)
    amplitudes = np.stack([_amplitudes(_utterance(people[each], rng)) for each in speakers])
    return amplitudes.astype(np.float32), speakers.astype(np.int64)


def _utterance(person: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return FRAMES hops of one speaker's sound, peak amplitude by the utterance's loudness."""
    pitch, tract = 85 + 150 * person[0], 0.82 + 0.36 * person[1]
    length = _HOP * (FRAMES - 1) + _WINDOW
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < length:
        parts.append(_vowel(pitch, tract, person, rng) * rng.uniform(0.5, 1.0))
        if rng.random() < 0.4:
            parts.append(rng.normal(0, 0.1, int(rng.uniform(0.03, 0.08) * _RATE)))
    loud = 0.1 * np.exp(rng.normal(0, _LOUDNESS))
    return _clicked(loud * np.concatenate(parts)[:length], rng) + rng.normal(0, _NOISE, length)


def _clicked(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the sound with bursts of noise that die away within milliseconds."""
    sound, peak = sound.copy(), float(np.abs(sound).max())
    for _ in range(rng.poisson(_CLICKS)):
        length = int(rng.integers(20, 80))
        start = int(rng.integers(0, len(sound) - length))
        burst = rng.normal(size=length) * np.exp(-np.arange(length) / 15)
        sound[start : start + length] += peak * _CLICK * np.exp(rng.normal(0, _CLICK_SPREAD)) * burst
    return sound


def _vowel(pitch: float, tract: float, person: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a vowel with the speaker's pitch, formants, tilt (person[2]) and roughness (person[3])."""
    time = np.arange(int(rng.uniform(0.1, 0.25) * _RATE)) / _RATE
    around = pitch * rng.uniform(0.92, 1.08) * (1 + rng.uniform(-0.1, 0.1) * time / time[-1])
    rough = 1 + 0.04 * person[3] * rng.normal(size=len(time)).cumsum() / np.sqrt(len(time))
    phase = 2 * np.pi * np.cumsum(around * rough) / _RATE
    formants = speech.VOWELS[rng.integers(len(speech.VOWELS))] * tract * rng.uniform(0.97, 1.03)
    harmonics = np.arange(1, int(3400 / pitch))
    loud = speech.formants(harmonics * pitch, formants) / harmonics ** (0.6 + person[2])
    return speech.faded((loud[:, None] * np.sin(harmonics[:, None] * phase)).sum(0))


def _amplitudes(sound: np.ndarray) -> np.ndarray:
    """Return the amplitude in each mel band of each frame, (FRAMES, BANDS), linear and not normalised."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_HOP][:FRAMES]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)) ** 2
    return np.sqrt(power @ _bands())


@cache
def _bands() -> np.ndarray:
    """Return triangles on the mel scale (129, BANDS), from 50 Hz to 3.8 kHz."""
    low, high = 2595 * np.log10(1 + np.array([50, 3800]) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(_WINDOW, 1 / _RATE)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0, None)
