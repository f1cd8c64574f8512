"""The models of the table: made or fetched, each with samples for shipfit and others that it never sees."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import augmented
import catalogue
import datasets
import larger
import numpy as np
import speech
import voices
from datasets import Arrays, Part
from prepare import split
from sessions import open_session
from torch import nn
from training import train, write_onnx

Split = tuple[Arrays, Arrays]
Maker = Callable[[Path], Split]

_STREAMS, _CALLS = 120, 24
_BLOCKS, _FRAMES, _LINES, _PAGES = 144, 48, 240, 72
_GIVEN_RECORDINGS, _HELD_OUT_RECORDINGS = 96, 12


def _digits(make: Callable[[], nn.Module], epochs: int, rate: float, read_as: str, folder: Path) -> Split:
    """Train on augmented digits, read as `rows`, as a small `image` or as a `large image`, and write the file."""
    parts = augmented.images() if read_as == "large image" else augmented.digits()
    trained_on, given, held_out = (_as_rows(part) if read_as == "rows" else part for part in parts)
    name = "rows" if read_as == "rows" else "image"
    network = train(make, *trained_on, epochs, rate=rate)
    write_onnx(network, folder / "model.onnx", [given[0][:1]], [name], ["scores"])
    return _named(name, given), _named(name, held_out)


def _as_rows(part: Part) -> Part:
    return part[0][:, 0], part[1]


def _named(name: str, part: Part) -> Arrays:
    return {name: part[0], "labels": part[1]}


def speaker_lstm(folder: Path) -> Split:
    """Train on bands divided by a common size, then fold the division into the weights: the model takes raw ones."""
    (bands, speakers), given, held_out = voices.utterances()
    scale = np.quantile(bands, 0.95, axis=(0, 1)).astype(np.float32)
    network = train(
        lambda: larger.SpeakerEncoder(voices.BANDS, voices.SPEAKERS), bands / scale, speakers, 12, rate=5e-3
    )
    assert isinstance(network, larger.SpeakerEncoder)
    network.take_in(scale)
    write_onnx(network, folder / "model.onnx", [given[0][:1]], ["bands"], ["scores"])
    return _named("bands", given), _named("bands", held_out)


def _streaming(pinned: str, rate: int, names: tuple[str, ...], folder: Path) -> Split:
    """Copy a streaming Silero file; samples are streams of frames with what came before each, the state fed back."""
    shutil.copyfile(catalogue.pinned(pinned)["model"], folder / "model.onnx")
    sound = speech.talk(_STREAMS * _CALLS * speech.FRAME / speech.RATE, 6).reshape(_STREAMS, _CALLS, speech.FRAME)
    before = np.zeros((_STREAMS, _CALLS, speech.CONTEXT), np.float32)
    before[:, 1:] = sound[:, :-1, -speech.CONTEXT :]
    arrays = {"input": np.concatenate([before, sound], axis=2), "sr": np.full(_STREAMS, rate, np.int64)}
    return split({name: arrays[name] for name in names})


def silero_sequence(folder: Path) -> Split:
    """Copy the sequence file; samples are blocks of one talk, each with the state that it starts from."""
    shutil.copyfile(catalogue.pinned("silero_vad_16k_sequence")["model"], folder / "model.onnx")
    session = open_session(folder / "model.onnx")
    names = [output.name for output in session.get_outputs()]

    def step(feed: Arrays) -> tuple[np.ndarray, np.ndarray]:
        after = dict(zip(names, session.run(None, feed), strict=True))
        return after["hn"], after["cn"]

    return split(speech.blocks(_BLOCKS, _FRAMES, 6, step))


def silero_recordings(folder: Path) -> Split:
    """Copy the sequence file; samples are recordings of half a minute, each from the empty state.

    Half a minute is what transcription hands to a voice detector in one call.
    """
    shutil.copyfile(catalogue.pinned("silero_vad_16k_sequence")["model"], folder / "model.onnx")
    count, frames = _GIVEN_RECORDINGS + _HELD_OUT_RECORDINGS, round(30 * speech.RATE / speech.FRAME)
    sound = speech.talk(count * frames * speech.FRAME / speech.RATE, 8).reshape(count, frames, speech.FRAME)
    before = np.zeros((count, frames, speech.CONTEXT), np.float32)
    before[:, 1:] = sound[:, :-1, -speech.CONTEXT :]
    state = np.zeros((count, 1, 1, 128), np.float32)
    arrays = {"input": np.concatenate([before, sound], axis=2), "h": state, "c": state}
    given = {name: array[:_GIVEN_RECORDINGS] for name, array in arrays.items()}
    return given, {name: array[_GIVEN_RECORDINGS:] for name, array in arrays.items()}


def magika(folder: Path) -> Split:
    """Copy the file; samples are files of this system, labelled by what their extension promises."""
    return split(catalogue.magika(folder))


def _pp_ocr(part: str, samples: Callable[[], np.ndarray], folder: Path) -> Split:
    """Copy one of the three files; samples are lines or pages of text that we drew."""
    shutil.copyfile(catalogue.pinned(f"pp_ocr_{part}")["model"], folder / "model.onnx")
    return split({"x": samples()})


def _lines() -> np.ndarray:
    return datasets.text_lines(_LINES, 0)["x"]


def _upright_lines() -> np.ndarray:
    return datasets.text_lines(_LINES, 4)["x"][::2]


def mini_lm(folder: Path) -> Split:
    """Short texts as token ids, read beforehand, so that every tool is given the same."""
    files = catalogue.pinned("mini_lm")
    texts = datasets.texts()[:240]
    catalogue.write_sentence_encoder(files["model"], datasets.sentences(texts, files["tokenizer"]), folder)
    return split(datasets.sentences(texts, files["tokenizer"]))


_WITH_RATE, _WITHOUT = ("input", "sr"), ("input",)

MAKERS: dict[str, Maker] = {
    "resnet": partial(_digits, larger.resnet, 2, 2e-3, "large image"),
    "lstm": partial(_digits, larger.lstm, 8, 4e-3, "rows"),
    "speaker_lstm": speaker_lstm,
    "transformer": partial(_digits, larger.transformer, 6, 1e-3, "image"),
    "silero_sequence": silero_sequence,
    "silero_recordings": silero_recordings,
    "silero_vad": partial(_streaming, "silero_vad", speech.RATE, _WITH_RATE),
    "silero_op15": partial(_streaming, "silero_vad_16k_op15", speech.RATE, _WITH_RATE),
    "silero_ifless": partial(_streaming, "silero_vad_op18_ifless", speech.RATE, _WITH_RATE),
    "silero_openvino": partial(_streaming, "silero_vad_openvino_16k", speech.RATE, _WITHOUT),
    "silero_half": partial(_streaming, "silero_vad_half", speech.RATE, _WITHOUT),
    "mini_lm": mini_lm,
    "magika": magika,
    "pp_ocr_direction": partial(_pp_ocr, "direction", _lines),
    "pp_ocr_detection": partial(_pp_ocr, "detection", lambda: datasets.pages(_PAGES)),
    "pp_ocr_recognition": partial(_pp_ocr, "recognition", _upright_lines),
}
