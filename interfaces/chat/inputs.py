"""How data are read and a run measured, said as options and configurations write it: `shape x=1,3,224,224`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, cast

from ...contracts import Draft, Preprocess, RequestError, validate
from ..cli.bounds import read_shapes
from ..text import clean
from ..workspace import Workspace

_SETTING = re.compile(
    r"^(?:(?:use|set|with) )?(?:the )?(?:--)?(?:"
    r"threads(?: is| to)?[ =:]+(?P<threads>\d{1,4})"
    r"|(?P<name>shape|state|preprocess)(?: is| to)?[ .=:]+(?P<value>none|\S+\s*=.*))$",
    re.IGNORECASE | re.DOTALL,
)
_THREADS = re.compile(r"(?:\b(?:using|use|with|on|in) )?(?<![\w.,-])(?P<threads>\d{1,4}) threads?\b", re.IGNORECASE)
# Fields of `Preprocess` that hold several values.
_SEVERAL = frozenset({"size", "mean", "std"})


def with_inputs(draft: Draft, words: str, workspace: Workspace) -> tuple[Draft, str]:
    """Return a draft with the threads, shapes, states and preprocessing that words set, and the rest of the words.

    Raises:
        RequestError: a setting is in another form, or names what is not there.
    """
    bare = words.strip().rstrip("!")
    if (setting := _SETTING.match(bare)) and setting["name"]:
        return draft.model_copy(update=_setting(draft, setting["name"].lower(), setting["value"], workspace)), ""
    if found := setting or _THREADS.search(words):
        rest = words.replace(found[0], " ", 1).strip(" ,;.!")
        return draft.model_copy(update={"threads": int(found["threads"])}), "" if setting else rest
    return draft, words


def placed(draft: Draft, workspace: Workspace) -> Draft:
    """Return a draft whose files beside model and data have whole paths.

    Raises:
        RequestError: one of them is gone, or leads out of the workspace.
    """
    how = draft.preprocess
    if how is None or how.tokenizer is None:
        return draft
    found = how.model_copy(update={"tokenizer": str(workspace.find(how.tokenizer))})
    return draft.model_copy(update={"preprocess": found})


def input_settings(draft: Draft) -> dict[str, str]:
    """Return what is not as usual of threads, shapes, states and preprocessing, in words; nothing where it is."""
    how = draft.preprocess
    pairs: Mapping[str, Any] = how.model_dump(exclude_defaults=True) if how else {}
    return {
        "threads": str(draft.threads) if draft.threads != 1 else "",
        "shape": " ".join(f"{name}={_several(sizes)}" for name, sizes in draft.shape.items()),
        "state": " ".join(f"{given}={taken}" for given, taken in draft.state.items()),
        "preprocess": " ".join(f"{name}={_several(value)}" for name, value in pairs.items()),
    }


def _setting(draft: Draft, name: str, value: str, workspace: Workspace) -> dict[str, Any]:
    """Return the field of a draft that a setting changes: what it names is laid over what stands, `none` is nothing."""
    if value.lower() == "none":
        return {name: None if name == "preprocess" else {}}
    if name == "shape":
        return {name: draft.shape | read_shapes(_parts(re.sub(r",\s+", ",", value)))}
    pairs = dict(_pair(part, name) for part in _parts(value))
    return {name: draft.state | pairs} if name == "state" else {name: _preprocess(draft, pairs, workspace)}


def _preprocess(draft: Draft, pairs: Mapping[str, str], workspace: Workspace) -> Preprocess:
    stands = draft.preprocess.model_dump(exclude_unset=True) if draft.preprocess else {}
    given: dict[str, Any] = {key: _values(key, value) for key, value in pairs.items()}
    if "tokenizer" in given:
        given["tokenizer"] = workspace.relative(workspace.find(pairs["tokenizer"]))
    return validate(Preprocess, stands | given)


def _values(key: str, value: str) -> str | list[str]:
    return [part for part in re.split("[,x×]", value) if part] if key in _SEVERAL else value


def _parts(value: str) -> list[str]:
    """Return `a=1 b=2` part by part; a value with spaces is quoted."""
    try:
        return shlex.split(re.sub(r"\s*=\s*", "=", value.replace(";", " ")))
    except ValueError as error:
        raise RequestError(f"{clean(value, 80)!r} has a quote that does not end") from error


def _pair(part: str, name: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not (key and equals and value):
        example = "size=224,224 scale=1/255" if name == "preprocess" else "input=output"
        raise RequestError(f"{name} {clean(part, 80)!r} is no pair; write it like {name} {example}")
    return key, value


def _several(value: object) -> str:
    return ",".join(map(str, cast("tuple[object, ...]", value))) if isinstance(value, tuple) else str(value)
