"""How raw data become a model's inputs, and how its outputs are read back."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from .base import Contract

Finite = Annotated[float, Field(allow_inf_nan=False)]
PerChannel = Annotated[tuple[Finite, ...], Field(min_length=1, max_length=4)]


def _number(value: Any) -> Any:
    """Read `1/255`, as people write the scale of a byte."""
    if not isinstance(value, str):
        return value
    over, slash, under = value.partition("/")
    try:
        return float(over) / float(under) if slash else float(over)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{value[:40]!r} is no number; write it like 1/255") from error


def _symbols(value: Any) -> Any:
    """Read an alphabet that is written as one string."""
    return tuple(value) if isinstance(value, str) else value


class Preprocess(Contract):
    """What a data source does to raw samples. What is absent is read off the model's inputs, and said in the notes.

    Images: a pixel is `(value · scale − mean) / std`, per channel.

    Attributes:
        size: height and width in pixels.
        layout: where the channels stand.
        channels: their order, or `L` for grey.
        scale: factor on the bytes 0 … 255; 1/255 for floating inputs, 1 for bytes.
        mean, std: one value, or one per channel, in the unit that `scale` makes.
        resize: `stretch` to the size, `crop` the middle after fitting the shorter side, or `pad` the fitted image.
        tokenizer: path of a `tokenizer.json`.
        max_length: tokens that are kept of a text.
        text: column or key that holds the text; one called `text_pair` beside it is its second part.
        alphabet: symbols of a CTC output's classes in order, the blank left out.
        blank: class of the blank.
    """

    size: (
        Annotated[tuple[Annotated[int, Field(gt=0, le=8192)], Annotated[int, Field(gt=0, le=8192)]], Field()] | None
    ) = None
    layout: Literal["NCHW", "NHWC"] | None = None
    channels: Literal["RGB", "BGR", "L"] | None = None
    scale: Annotated[Finite, BeforeValidator(_number), Field(gt=0)] | None = None
    mean: PerChannel | None = None
    std: Annotated[tuple[Annotated[Finite, Field(gt=0)], ...], Field(min_length=1, max_length=4)] | None = None
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    tokenizer: str | None = None
    max_length: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    text: str = "text"
    alphabet: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_symbols)] = ()
    blank: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.alphabet and self.blank > len(self.alphabet):
            raise ValueError(f"blank {self.blank} is beyond the {len(self.alphabet)} symbols of the alphabet")
        if self.max_length is not None and self.tokenizer is None:
            raise ValueError("max_length cuts tokens, which needs a tokenizer: name its file")
        return self
