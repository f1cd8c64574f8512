"""Whatever a manifest holds, it is read or refused on one line; nothing else happens."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import example, given, settings, strategies as st

from shipfit.contracts import RequestError
from shipfit.interfaces.batch.folder import describe
from shipfit.interfaces.batch.manifest import read_manifest

KEYS = ["path", "glob", "url", "resource", "module", "name", "sha256", "data", "constraints", "max_size", "max_drop",
        "time_limit", "budget", "level", "optimization", "target", "platform", "shape", "metric", "preprocess", "state",
        "allow_regression", "monitoring", "seed", "memory", "request", "model", "out", "colour"]  # fmt: skip
TEXTS = [
    "a.onnx",
    "**/*.onnx",
    "**",
    "a**",
    "[",
    "../x",
    "/",
    "~",
    "",
    " ",
    "30%",
    "p:q",
    "0",
    "\t",
    "é\u202e",
    "a/../b",
]
SCALARS = st.sampled_from(TEXTS) | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)
ENTRY = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4) | st.builds(
    lambda source, rest: {"path": source, **rest},
    st.sampled_from(TEXTS),
    st.dictionaries(st.sampled_from(KEYS[5:-4]), VALUES, max_size=3),
)


def one_line(error: RequestError) -> None:
    assert "\n" not in error.message
    assert error.message.startswith("zoo.yaml")


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({"models": st.lists(ENTRY, max_size=3) | VALUES}, optional={"defaults": VALUES}))
@example({"models": [{"path": "~"}]})
@example({"models": [{"glob": "**x"}]})
def test_any_manifest(document: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "zoo.yaml")
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        try:
            items = read_manifest(path, "zoo.yaml")
        except RequestError as error:
            one_line(error)
            return
        assert items
        assert len({item.name for item in items}) == len(items)
        for item in items:
            assert "\n" not in item.fault
            assert item.asked(trust_code=False) == item.asked(trust_code=False)


@settings(max_examples=30, deadline=None)
@given(ENTRY)
def test_any_description(document: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "shipfit.yaml")
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        try:
            describe(path, "zoo.yaml")
        except RequestError as error:
            one_line(error)
