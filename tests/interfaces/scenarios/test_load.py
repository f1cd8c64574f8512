"""The scenario files say what they mean; what does not fit is refused with its file and its key."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shipfit.contracts import RequestError
from shipfit.interfaces.scenarios import files, load
from shipfit.interfaces.scenarios.load import FOLDER, load_file, load_models, load_suite, suites

from ..conftest import Answer

Shipfit = Callable[..., Answer]


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `scenarios/` that the loader reads instead."""
    folder = tmp_path / "scenarios"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("cache"))
    monkeypatch.setattr(load, "FOLDER", folder)
    return folder


def test_every_row_of_the_main_job_is_there():
    assert {(each.name, each.expect.status) for each in load_suite("main_job")} == {
        ("digits-size", "met"),
        ("digits-size-speed", "met"),
        ("impossible", "rolled_back"),
        ("magika", "met"),
        ("pp-ocr-direction", "met"),
        ("shuffled-labels", "rolled_back"),
        ("silero-vad", "met"),
    }


def test_the_quick_suite_is_made_on_the_spot_and_holds_every_ending():
    quick = load_suite("quick")
    assert {each.expect.status for each in quick} == {"met", "rolled_back", "unverified", "refused"}
    assert len(quick) >= 6
    assert all(each.made for each in quick)


def test_suites_are_what_is_no_manifest():
    assert {"main_job", "quick"} <= set(suites())
    assert "zoo" not in suites()


@pytest.mark.parametrize("suite", ["main_job", "quick"])
def test_products_are_measured_again_and_originals_are_not(suite: str):
    assert all(
        (each.held_out is not None) == (each.expect.status in ("met", "unverified")) for each in load_suite(suite)
    )


def test_models_are_pinned():
    models = load_models()
    assert all("model" in pinned.files for pinned in models.values())
    versions = {name: f"{pinned.distribution} {pinned.version}" for name, pinned in models.items()}
    assert (
        versions.items()
        >= {
            "magika": "magika 1.0.3",
            "pp_ocr_direction": "rapidocr-onnxruntime 1.4.4",
            "silero_vad_16k_sequence": "silero-vad 6.2.3",
        }.items()
    )


def test_options_exist(shipfit: Shipfit):
    shown = shipfit("optimize", "--help").out
    cases = [*load_suite("main_job"), *load_suite("quick")]
    given = {word for each in cases for word in each.arguments() if word.startswith("--")}
    assert given <= set(re.findall(r"--[a-z-]+", shown))


def test_arguments_can_be_replaced():
    impossible = next(each for each in load_suite("main_job") if each.name == "impossible")
    assert impossible.arguments() == ["--max-size", "1%", "--max-drop", "0", "--seed", "0"]
    assert impossible.arguments({"max-size": "27%"}, seed=3) == ["--max-size", "27%", "--max-drop", "0", "--seed", "3"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("max_drop:", "max_dorp:", "held_out.max_dorp"),
        ("status: met", "status: perfect", "expect.status"),
        ("model: magika", "model: mgika", "model: there is no 'mgika'"),
        ("data: files", "data: digits", "model magika has no data 'digits'"),
        ("status: met", "status: rolled_back", "there is none after rolled_back"),
        ("max-size: 40%", "max size: 40%", "'max size' is no long option"),
        ("name: magika", "name: Magika!", "name:"),
        ("name: magika", "name: [magika", "YAML at line"),
        ("name: magika", "name: magika\nname: other", "'name' is there twice"),
    ],
)
def test_what_does_not_fit_is_refused_by_file_and_key(old: str, new: str, words: str, copied: Path):
    path = copied / "main_job" / "magika.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RequestError, match=re.escape(words)) as refused:
        load_file(path)
    assert refused.value.message.startswith(str(path))
    assert "\n" not in refused.value.message


def test_same_name_twice_is_refused(copied: Path):
    shutil.copyfile(copied / "main_job" / "magika.yaml", copied / "main_job" / "again.yaml")
    with pytest.raises(RequestError, match="is called 'magika' too"):
        load_suite("main_job")


def test_wrong_files_end_the_command_with_2(shipfit: Shipfit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "empty").mkdir()
    for given, words in (
        ("no-such-suite", "suites: main_job, quick"),
        (str(tmp_path / "empty"), "holds no scenario"),
    ):
        answer = shipfit("scenarios", "run", given)
        assert (answer.status, words in answer.error) == (2, True)
    monkeypatch.setattr(files, "PREPARED", tmp_path)
    answer = shipfit("scenarios", "run", "main_job", "--out", "kept")
    assert (answer.status, "make fetch" in answer.error) == (2, True)
    assert not Path("kept").exists()


def test_without_a_clone_a_path_is_asked_for(shipfit: Shipfit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    case = tmp_path / "case.yaml"
    shutil.copyfile(FOLDER / "quick" / "lstm.yaml", case)
    monkeypatch.setattr(load, "FOLDER", tmp_path / "missing")
    assert "give a path" in shipfit("scenarios", "list").error
    assert "give the path" in shipfit("scenarios", "run").error
    assert load_file(case).name == "lstm-rows"


def test_list(shipfit: Shipfit):
    answer = shipfit("scenarios", "list", "quick")
    assert answer.status == 0
    assert "hostile-path" in answer.out
    assert set(json.loads(shipfit("scenarios", "list", "--json").out)["suites"]) >= {"main_job", "quick"}
