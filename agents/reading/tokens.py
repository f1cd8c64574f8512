"""Cut words into tokens: words, numbers, names and marks, each with its place in the text.

One pass from left to right in linear time. What looks like a name (`resnet50`, `v1.2`, `tiny-10mb.onnx`, a path, an
address) becomes one token, so that no number inside it can be taken for a wish.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

TokenKind = Literal["word", "number", "name", "mark", "end"]

# A line that was wrapped is about this long; a shorter one ends on purpose.
WRAPPED = 60
_BLOB = re.compile(
    r"\n[^\S\n]*|-+>|[/*×÷]=|÷|(?:(?![/×]=|÷)[^\s<>=≤≥≈~,;:!?()\[\]{}|*\"“”„«»•→⇒…&]|(?<=\d),(?=\d))+|[<>]=?|\S"
)
# Marks that people who program write for what is done to a quantity: `size /= 4`.
_DONE_TO = {"/=": "÷", "÷=": "÷", "÷": "÷", "*=": "×=", "×=": "×="}
_NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)(?:e[+-]?\d+(?![a-z\d]))?", re.IGNORECASE)
_TAIL = re.compile(r"[^\W\d_]+|%|/")
_DATE = re.compile(r"^\d+([./-]\d+){2,}$")
_RATIO = re.compile(r"^\d+/\d+$")
_RANGE = re.compile(r"^(\d+(?:\.\d+)?)([-–—])(\d.*)$")
_TIMES = re.compile(r"^[x×](\d+(?:[.,]\d+)?)$")
_EXPONENT = re.compile(r"^\d+(?:\.\d+)?e-\d+")
_TO_NUMBER = re.compile(r"[^\S\n]{0,3}[<>≤≥~=]{0,2}[^\S\n]{0,2}\d")  # `max. 0.12 s`
_SHORTENED = frozenset({"max", "min", "approx", "ca", "avg", "acc", "lat", "mem", "incl", "est", "resp"})
_POSSESSIVE = re.compile(r"'s$")
FRACTIONS = {"½": 1 / 2, "¼": 1 / 4, "¾": 3 / 4, "⅓": 1 / 3, "⅔": 2 / 3, "⅕": 1 / 5, "⅛": 1 / 8, "⅒": 1 / 10}
_SENTENCE_ENDS = frozenset("!?;•…")
_DASHES = "-–—−"


@dataclass(frozen=True)
class Token:
    """A piece of the words.

    Attributes:
        kind: `name` stands for itself only; `end` closes a sentence or an entry of a list.
        text: what is compared: case folded, apostrophes straight.
        start, end: where it stands in the words.
        value: of a number.
    """

    kind: TokenKind
    text: str
    start: int
    end: int
    value: float = 0.0


def tokenize(words: str, known: Collection[str], units: Collection[str]) -> list[Token]:
    """Return the tokens of `words`.

    Args:
        words: any text.
        known: terms that mix letters and digits and are no names, such as `int8`.
        units: what may be written right behind a number.
    """
    return list(_Tokenizer(words, known, units).tokens())


class _Tokenizer:
    def __init__(self, words: str, known: Collection[str], units: Collection[str]) -> None:
        self._words, self._known, self._units = words, known, units
        self._line = 0
        self._brackets = 0

    def tokens(self) -> Iterator[Token]:
        for match in _BLOB.finditer(self._words):
            text, at = match[0], match.start()
            if text[0] == "\n":
                yield from self._new_line(at, match.end())
            elif text in _DONE_TO:
                yield Token("word", _DONE_TO[text], at, match.end())
            elif text[-1] == ">" and text[0] == "-":
                yield Token("mark", "→", at, match.end())
            elif not text.strip(_DASHES):
                yield Token("mark", text[0], at, match.end())
            elif len(text) == 1 and not (text.isalnum() or text in FRACTIONS):
                yield from self._mark(text, at)
            else:
                yield from self._blob(text, at)

    def _new_line(self, at: int, end: int) -> Iterator[Token]:
        """Yield an end where a line stops on purpose: it is short, empty, or the next is an entry of a list."""
        short = at - self._line < WRAPPED
        self._line = end
        opens = self._words[end : end + 1] in "-*•–|\n#" or re.match(r"\d+[.)]\s", self._words[end : end + 6])
        if short or opens:
            yield Token("end", "\n", at, end)

    def _mark(self, text: str, at: int) -> Iterator[Token]:
        if unicodedata.category(text)[0] == "C":  # control codes and marks of direction say nothing
            return
        self._brackets = max(0, self._brackets + (text == "(") - (text == ")"))
        kind: TokenKind = "end" if text in _SENTENCE_ENDS else "mark"
        if text == "!" and self._words[at + 1 : at + 2].isalnum() and not self._words[at - 1 : at].isalnum():
            kind = "mark"  # `!int8`
        yield Token(kind, text, at, at + 1)

    def _blob(self, text: str, at: int) -> Iterator[Token]:
        core = text.rstrip(".'’/")
        stripped = core.lstrip("'’#") if not core[:1].isdigit() else core
        at += len(core) - len(stripped)
        if stripped:
            yield from self._piece(stripped, at)
        rest = text[len(core) :]
        behind = at + len(stripped) + len(rest)
        after = self._words[behind : behind + 1]
        shortened = rest == "." and bool(after) and after in "),:;"  # `(max.)`
        leads = fold(stripped) in _SHORTENED and bool(_TO_NUMBER.match(self._words, behind))
        shortened = shortened or (rest == "." and leads)
        if "." in rest and not shortened and not self._is_marker(stripped, at):
            yield Token("end", ".", at + len(stripped), at + len(stripped) + 1)

    def _is_marker(self, text: str, at: int) -> bool:
        """Tell whether `1.` opens an entry of a list rather than ending a sentence."""
        return text.isdigit() and self._is_first(at)

    def _is_first(self, at: int) -> bool:
        return at - self._line < WRAPPED and not self._words[self._line : at].strip(" \t-*•#|")

    def _piece(self, text: str, at: int) -> Iterator[Token]:
        folded = fold(text)
        unit, slash, rest = text.partition("/")
        if folded in self._known or folded.isalpha() or folded == "%":
            yield Token("word", folded, at, at + len(text))
        elif slash and rest[:1].isdigit() and fold(unit) in self._units:  # `12 MB/8 ms`
            place = at + len(unit)
            yield from (Token("word", fold(unit), at, place), Token("mark", "/", place, place + 1))
            yield from self._piece(rest, place + 1)
        elif slash and self._is_list(text):  # `browser/webgpu/16MB/30fps`
            yield from self._slashed(text, at)
        elif self._opens_entry(text, at):
            yield Token("end", ")", at, at + len(text))
        elif (found := _TIMES.match(folded)) is not None:
            yield self._number(text, at, _value(found[1]))
            yield Token("word", "x", at, at + len(text))
        elif text in FRACTIONS:
            yield Token("number", text, at, at + 1, FRACTIONS[text])
        elif _RATIO.match(text):
            top, bottom = text.split("/")
            yield self._number(text, at, float(top[:30]) / (float(bottom[:30]) or 1.0))
        elif (found := _RANGE.match(text)) and not _DATE.match(text) and not _EXPONENT.match(text):
            yield self._number(found[1], at, _value(found[1]))
            yield Token("mark", "–", at + found.end(1), at + found.end(2))
            yield from self._piece(found[3], at + found.start(3))
        elif (parts := self._with_unit(text, at)) is not None:
            yield from parts
        else:
            yield from self._compound(text, at)

    def _is_list(self, text: str) -> bool:
        """Tell whether slashes part known words and amounts, of which there is at least one amount and one word."""
        parts = text.split("/")
        amounts = [part[:1].isdigit() and self._with_unit(part, 0) is not None and not part.isdigit() for part in parts]
        words = [fold(part) in self._known or (part.isalpha() and len(part) > 2) for part in parts]
        return len(parts) > 2 and any(amounts) and all(a or b for a, b in zip(amounts, words, strict=True))

    def _slashed(self, text: str, at: int) -> Iterator[Token]:
        for part in re.finditer(r"[^/]+", text):
            if part.start():
                yield Token("mark", "/", at + part.start() - 1, at + part.start())
            yield from self._piece(part[0], at + part.start())

    def _opens_entry(self, text: str, at: int) -> bool:
        after = self._words[at + len(text) : at + len(text) + 1]
        if not text.isdigit() or len(text) > 2 or after not in (")", "."):
            return False
        return self._is_first(at) or (after == ")" and self._brackets == 0)

    def _number(self, text: str, at: int, value: float) -> Token:
        return Token("number", text, at, at + len(text), value)

    def _with_unit(self, text: str, at: int) -> list[Token] | None:
        """Return a number and the unit written right behind it, or None."""
        signed = text[0] in "+" + _DASHES
        found = _NUMBER.match(text, 1 if signed else 0)
        if found is None:
            return None
        tokens = [Token("mark", "+" if text[0] == "+" else "-", at, at + 1)] if signed else []
        tokens.append(self._number(found[0], at + found.start(), _value(found[0])))
        rest, place = text[found.end() :], at + found.end()
        if rest[:1] in ("-", "'") and len(rest) > 1:
            rest, place = rest[1:], place + 1
        if not rest:
            return tokens
        if rest[-1:] == "+":  # `30fps+`
            if len(rest) == 1:  # `100+ requests`
                return [Token("mark", "≥", at, at), *tokens]
            parts = self._with_unit(text[:-1], at)
            return [*parts, Token("mark", "≥", at + len(text) - 1, at + len(text))] if parts else None
        whole = fold(rest)
        if rest == "S" and found[0].isdigit():
            return None  # `4S` is a name
        if whole in self._units:
            return [*tokens, Token("word", whole, place, place + len(rest))]
        return self._chain(tokens, rest, place)

    def _chain(self, tokens: list[Token], rest: str, place: int) -> list[Token] | None:
        """Return units divided by a slash, as in `100/s` or `10MB/20ms`, or None."""
        head = _TAIL.match(rest)
        unit = head and head[0] != "/" and fold(head[0]) in self._units
        if head is None or not (unit or head[0] == "/"):
            return None
        if head[0] != "/":
            tokens = [*tokens, Token("word", fold(head[0]), place, place + head.end())]
            rest, place = rest[head.end() :], place + head.end()
        if rest[:1] == "/":
            tail = list(self._piece(rest[1:], place + 1)) if len(rest) > 1 else []
            return [*tokens, Token("mark", "/", place, place + 1), *tail]
        if rest[:1] == "@" and len(rest) > 1:  # `300ms@p99`
            return [*tokens, *self._piece(rest[1:], place + 1)]
        if rest[:1] in tuple("-x×@") and len(rest) > 1 and rest[1:].isalpha():
            return [*tokens, *self._piece(rest[1:], place + 1)]
        return None

    def _compound(self, text: str, at: int) -> Iterator[Token]:
        """Yield the parts of words that hyphens, slashes or underscores join; a name where numbers are among them."""
        parts = list(re.finditer(r"[^\-–—_/+.'’]+(?:['’][^\W\d_]+)*", text))
        plain = len(text) <= 80 and "//" not in text and "@" not in text and not re.search(r"[^\W\d]\.[^\W\d]", text)
        folded = [fold(part[0]) for part in parts]
        sub = plain and len(parts) == 2 and folded[0] == "sub" and self._with_unit(parts[1][0], 0) is not None
        if plain and parts and all(self._is_plain(each) for each in folded):
            yield from self._joined(text, at, parts)
        elif sub:
            yield Token("word", "sub", at, at + 3)
            yield from self._piece(parts[1][0], at + parts[1].start())
        else:
            yield Token("name", fold(text), at, at + len(text))

    def _joined(self, text: str, at: int, parts: list[re.Match[str]]) -> Iterator[Token]:
        for index, part in enumerate(parts):
            joint = text[parts[index - 1].end() : part.start()] if index else ""
            if "/" in joint:
                yield Token("mark", "/", at + part.start() - 1, at + part.start())
            yield Token("word", fold(part[0]), at + part.start(), at + part.end())

    def _is_plain(self, part: str) -> bool:
        return part in self._known or part.replace("'", "").isalpha()


def fold(text: str) -> str:
    """Return text as it is compared: case folded, compatible characters as one, apostrophes straight."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("ʼ", "'")
    return _POSSESSIVE.sub("", folded) if folded not in ("it's", "that's", "let's", "what's", "here's") else folded


def _value(text: str) -> float:
    """Return a number as people write it: `1,500` has thousands, `1,5` is a decimal comma."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?(e.*)?", text, re.IGNORECASE):
        return float(text.replace(",", ""))
    return float(text.replace(",", "."))
