"""Make inputs from a model's specification, where nobody gave data.

Free dimensions, value ranges of integers and scalars such as a sample rate are not part of an ONNX file,
so plausible ones are tried until the runtime accepts them and answers with finite numbers.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...contracts import DataError, Session, TensorSpec, ToolError
from .session import open_session

Feed = dict[str, np.ndarray]

_ELEMENTS = frozenset({
    "float32", "float16", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
})  # fmt: skip
_IMAGE_SIZES = (224, 64, 48, 32, 320, 640, 128, 96, 28, 16, 8, 1)
_SEQUENCE_SIZES = (64, 32, 128, 16, 8, 512, 256, 576, 1, 320, 224, 1024, 2048, 16000)
_SCALARS = (1, 0, 16000, 8000)
_RATES = (16000, 8000, 1)
_TOKEN_LIMITS = (100, 2, 1)
_ANY_SIZE = range(1, 1025)
_MAX_TRIES = 4000
_MAX_SECONDS = 20.0
# A larger input leaves no room for what a model makes of it.
_MAX_ELEMENTS = 2**30

# A free dimension: the model's own name for it, or (input, axis) where it has none.
_Symbol = str | tuple[str, int]


@dataclass(frozen=True)
class InputSpec:
    """One input as the runtime sees it. A dimension is fixed (int) or free (a symbol)."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | _Symbol, ...]


def input_specs(session: Session) -> list[InputSpec]:
    """Return the inputs of a loaded model.

    Raises:
        DataError: an input that is no numeric tensor (strings, sequences, maps), named.
    """
    return [_spec(each) for each in session.input_specs]


def _spec(given: TensorSpec) -> InputSpec:
    if given.dtype not in _ELEMENTS or given.shape is None:
        raise DataError(
            f"input {given.name!r} has type {given.dtype}, which cannot be fed; only numeric tensors are served"
        )
    shape = tuple((given.name, axis) if dim == "?" else dim for axis, dim in enumerate(given.shape))
    return InputSpec(given.name, np.dtype(given.dtype), shape)


@dataclass(frozen=True)
class _Guess:
    """One way to fill what the specification leaves open."""

    sizes: Mapping[_Symbol, int]
    scalar: int
    tokens: int


def synthesize_feeds(
    model: Path, count: int, seed: int, shape: Mapping[str, tuple[int, ...]] | None = None
) -> list[Feed]:
    """Return `count` feeds that `model` accepts, the same for the same seed.

    Floats are normal (mean 0, deviation 1, clipped at 4); integers are small and not negative, masks are
    ones, booleans true. `shape` fixes the whole shape of an input by name.

    Raises:
        DataError: an input that cannot be synthesised, or no guess that the model accepts.
        ToolError: the model does not load.
    """
    make = synthesizer(open_session(model), seed, shape)
    return [make(index) for index in range(count)]


def synthesizer(
    session: Session, seed: int, shape: Mapping[str, tuple[int, ...]] | None = None
) -> Callable[[int], Feed]:
    """Return what makes feed number `n` for a loaded model; the search for a fitting guess is done once.

    Raises:
        DataError: as `synthesize_feeds`.
    """
    specs = pinned_specs(session, shape or {})
    guess = _accepted(session, specs)
    return lambda index: _feed(specs, guess, np.random.default_rng([seed, index]))


def pinned_specs(session: Session, shape: Mapping[str, tuple[int, ...]]) -> list[InputSpec]:
    """Return the inputs of a loaded model, with the shapes that were asked for in place of free ones.

    Raises:
        DataError: a shape for an input that is not there, or one that contradicts the model.
    """
    specs = input_specs(session)
    names = [spec.name for spec in specs]
    for name in shape:
        if name not in names:
            raise DataError(f"--shape names {name!r}, which is no input; the inputs are {', '.join(names)}")
    return [_pinned(spec, shape) for spec in specs]


def _pinned(spec: InputSpec, shape: Mapping[str, tuple[int, ...]]) -> InputSpec:
    given = shape.get(spec.name)
    if given is None:
        return spec
    fits = len(given) == len(spec.shape) and all(
        not isinstance(dim, int) or dim == size for dim, size in zip(spec.shape, given, strict=True)
    )
    if not fits:
        raise DataError(f"--shape {spec.name}={_commas(given)} does not fit the model's {shape_text(spec)}")
    if math.prod(given) > _MAX_ELEMENTS:
        raise DataError(
            f"--shape {spec.name}={_commas(given)} has more than {_MAX_ELEMENTS:,} elements; make it smaller"
        )
    return InputSpec(spec.name, spec.dtype, tuple(given))


def _commas(values: tuple[int, ...]) -> str:
    return ",".join(str(value) for value in values)


def shape_text(spec: InputSpec) -> str:
    """Return the shape of `spec` for people, free dimensions as their name or `?`."""
    return "[" + ", ".join(str(dim) if not isinstance(dim, tuple) else "?" for dim in spec.shape) + "]"


def _accepted(session: Session, specs: list[InputSpec]) -> _Guess:
    """Return the first guess that runs with finite, nonempty outputs, else the first that runs at all."""
    fallback: _Guess | None = None
    refusal = "no guess was tried"
    end = time.monotonic() + _MAX_SECONDS
    for guess in itertools.islice(_guesses(specs), _MAX_TRIES):
        try:
            outputs = session.run(_feed(specs, guess, np.random.default_rng(0)))
        except ToolError as error:
            refusal = error.message
        else:
            if all(sound(output) for output in outputs):
                return guess
            fallback = fallback or guess
        if time.monotonic() > end:
            break
    if fallback is None:
        raise DataError(f"cannot synthesise inputs: {_openings(specs)}; give --data or --shape ({refusal})")
    return fallback


def _openings(specs: list[InputSpec]) -> str:
    described = [f"{spec.name!r} {spec.dtype}{shape_text(spec)}" for spec in specs]
    return "the model refuses every guess for " + ", ".join(described)


def sound(output: Any) -> bool:
    """Tell whether an output holds something, and nothing but finite numbers."""
    if not isinstance(output, np.ndarray):
        return True
    return output.size > 0 and (output.dtype.kind != "f" or bool(np.isfinite(output).all()))


def _guesses(specs: list[InputSpec]) -> Iterator[_Guess]:
    scalars = _scalars([spec.name.lower() for spec in specs if _is_scalar(spec)])
    tokens = _TOKEN_LIMITS if any(_is_token(spec) for spec in specs) else _TOKEN_LIMITS[:1]
    for sizes in _assignments(specs):
        for scalar, limit in itertools.product(scalars, tokens):
            yield _Guess(sizes, scalar, limit)


def _scalars(names: list[str]) -> tuple[int, ...]:
    """Values to try for scalar integers; a name like `sr` or `sample_rate` asks for a rate first."""
    if not names:
        return _SCALARS[:1]
    return _RATES if any(name == "sr" or "rate" in name for name in names) else _SCALARS


def _is_scalar(spec: InputSpec) -> bool:
    return spec.dtype.kind in "iu" and spec.shape in ((), (1,))


def _is_token(spec: InputSpec) -> bool:
    return spec.dtype.kind in "iu" and not _is_scalar(spec)


def _assignments(specs: list[InputSpec]) -> Iterator[dict[_Symbol, int]]:
    """Sizes for free dimensions: batch 1 and one size for the rest, then one at a time, then any combination."""
    batch = {spec.shape[0]: 1 for spec in specs if spec.shape and not isinstance(spec.shape[0], int)}
    symbols = {dim: None for spec in specs for dim in spec.shape if not isinstance(dim, int) and dim not in batch}
    if not symbols:
        yield batch
        yield from (dict.fromkeys(batch, size) for size in _SEQUENCE_SIZES)
        return
    image = any(len(spec.shape) == 4 and not isinstance(spec.shape[3], int) for spec in specs)
    options = _IMAGE_SIZES if image else _SEQUENCE_SIZES
    for size in options:
        yield batch | dict.fromkeys(symbols, size)
    for sizes_of_one in (options, _ANY_SIZE):
        for symbol, size in itertools.product(symbols, sizes_of_one):
            yield batch | dict.fromkeys(symbols, 1) | {symbol: size}
    for sizes in itertools.product(options, repeat=len(symbols)):
        yield batch | dict(zip(symbols, sizes, strict=True))


def _feed(specs: list[InputSpec], guess: _Guess, rng: np.random.Generator) -> Feed:
    return {spec.name: _values(spec, guess, rng) for spec in specs}


def _values(spec: InputSpec, guess: _Guess, rng: np.random.Generator) -> np.ndarray:
    shape = tuple(dim if isinstance(dim, int) else guess.sizes[dim] for dim in spec.shape)
    name = spec.name.lower()
    if spec.dtype.kind == "f":
        return np.asarray(np.clip(rng.standard_normal(shape), -4, 4), spec.dtype)
    if spec.dtype.kind == "b" or "mask" in name:
        return np.ones(shape, spec.dtype)
    if _is_scalar(spec):
        return np.full(shape, min(guess.scalar, np.iinfo(spec.dtype).max), spec.dtype)
    if "position" in name and shape:
        return np.broadcast_to(np.arange(shape[-1]), shape).astype(spec.dtype)
    return rng.integers(0, guess.tokens, shape).astype(spec.dtype)
