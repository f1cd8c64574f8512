"""What a manifest says, and how it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipfit.contracts import RequestError
from shipfit.interfaces.batch.folder import read_folder
from shipfit.interfaces.batch.item import Item
from shipfit.interfaces.batch.manifest import read_manifest


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    folder = tmp_path / "zoo"
    folder.mkdir()
    return folder


def read(folder: Path, text: str) -> list[Item]:
    path = folder / "zoo.yaml"
    path.write_text(text)
    return read_manifest(path, "zoo.yaml")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\x08")


def test_sources_names_and_defaults(zoo: Path):
    touch(zoo, "vision/digits.onnx", "more/a.onnx", "more/deep/b.pt2", "more/notes.txt")
    items = read(
        zoo,
        """
defaults: {constraints: {max_size: 40%, max_drop: 1%}, time_limit: 2m, max_attempts: 4, level: aggressive}
models:
  - path: vision/digits.onnx
    data: vision/digits.npz
    constraints: {max_size: 1MB}
  - {name: small, path: vision/digits.onnx}
  - glob: "more/**/*"
  - url: https://example.org/nets/m.onnx
  - resource: package.inner:nets/r.onnx
  - module: package.module:factory
""",
    )
    named = {item.name: item for item in items}
    assert list(named) == ["vision/digits", "small", "more/a", "more/deep/b", "m", "package.inner/nets/r",
                           "package.module.factory"]  # fmt: skip
    digits = named["vision/digits"]
    assert digits.fields["constraints"] == {"max_accuracy_drop": 0.01, "max_size_bytes": 1_000_000}
    assert digits.fields["budget"] == {"time_limit_s": 120.0, "max_attempts": 4}
    assert digits.fields["optimization"] == {"level": "aggressive"}
    assert digits.fields["data"] == str(zoo / "vision/digits.npz")
    assert digits.where == "zoo.yaml, line 4"
    assert [item.fault for item in items] == [""] * 7
    assert named["package.module.factory"].code == "package.module:factory"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models:\n  - path: a.onnx\n    colour: red\n", "zoo.yaml, line 3: unknown key 'colour'"),
        ("models:\n  - path: a.onnx\nextra: 1\n", "zoo.yaml, line 3: unknown key 'extra'"),
        ("defaults:\n  max_size: 12 parsecs\nmodels:\n  - path: a.onnx\n", "zoo.yaml, line 2: max_size"),
        ("models:\n  - path: a.onnx\n    url: https://x.org/a.onnx\n", "line 2: this model has path and url"),
        ("models:\n  - name: a\n", "line 2: this model has no source"),
        ("models:\n  - path: a.onnx\n  - {name: a, path: b.onnx}\n", "line 3: two models are called 'a' (zoo"),
        ("models:\n  - {name: a, path: x.onnx}\n  - {name: a/b, path: b.onnx}\n", "'a/b' lies within the model 'a'"),
        ("models:\n  - {name: ../a, path: x.onnx}\n", "line 2: name: '../a' cannot be"),
        ("models:\n  - {name: summary.json, path: x.onnx}\n", "the batch's own file"),
        ("models:\n  - {path: x.onnx, sha256: aa}\n", "sha256: is for a url"),
        ("models: []\n", "lists no model"),
        ("models:\n  - glob: '*.onnx'\n", "every glob is without a match"),
        ("defaults: {}\n", "lists no model"),
        ("models: [\n", "cannot be read as YAML at line 2"),
        ("models:\n  - &a {path: x.onnx}\n  - *a\n", "aliases"),
        ("models:\n  - path: a.onnx\n    path: b.onnx\n", "the key 'path' is there twice"),
        ("models:\n  - path: a.onnx\n    out: /tmp\n", "unknown key 'out'"),
        ("models:\n  - path: 3\n", "line 2: path: is no text"),
        ("- path: a.onnx\n", "holds no settings"),
    ],
)  # fmt: skip
def test_what_leaves_it_without_a_meaning_is_refused(text: str, said: str, zoo: Path):
    with pytest.raises(RequestError) as caught:
        read(zoo, text)
    assert said in caught.value.message
    assert caught.value.message.startswith("zoo.yaml")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("path: ../a.onnx", "line 3: path: '../a.onnx' leads out of the folder"),
        ("path: /etc/passwd", "leads out of the folder"),
        ("path: link/a.onnx", "leads out of the folder"),
        ("path: a.onnx\n    constraints: {max_size: 3 parsecs}", "zoo.yaml, line 4: constraints.max_size"),
        ("path: a.onnx\n    constraints:\n      max_sise: 3MB", "line 5: unknown bound 'constraints.max_sise'"),
        ("path: a.onnx\n    seed: many", "zoo.yaml, line 4: seed"),
        ("glob: ../*.onnx", "matches no *.onnx"),
        ("glob: a**b.onnx", "matches no *.onnx"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_one_model_is_its_fault(entry: str, said: str, zoo: Path):
    (zoo / "link").symlink_to("/")
    items = read(zoo, f"models:\n  - path: sound.onnx\n  - {entry}\n")
    assert items[0].fault == ""
    assert said in items[1].fault


def test_names_that_clash_keep_their_suffix(zoo: Path):
    touch(zoo, "a.onnx", "a.pt2", "a/b.onnx")
    names = [item.name for item in read(zoo, "models:\n  - glob: '**/*'\n")]
    assert sorted(names) == ["a.onnx", "a.pt2", "a/b"]


def test_a_glob_leaves_to_an_entry_what_the_entry_names(zoo: Path):
    touch(zoo, "a.onnx", "b.onnx", "out/c/model.onnx", ".hidden/d.onnx")
    touch(zoo, *(f"out/c/{name}.json" for name in ("report", "recipe", "runtime")))
    items = read(zoo, "models:\n  - glob: '**/*.onnx'\n  - {path: a.onnx, seed: 7}\n")
    assert [(item.name, item.fields.get("seed")) for item in items] == [("b", None), ("a", 7)]


def test_description_may_name_a_factory(zoo: Path):
    (zoo / "torch").mkdir()
    (zoo / "torch" / "shipfit.yaml").write_text("model: package.module:factory\n")
    (item,) = read_folder(zoo)
    assert (item.source.kind, item.source.text, item.code) == ("module", "package.module:factory", item.source.text)
