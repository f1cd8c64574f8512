"""The package is what pyproject.toml says: nothing missing from the wheel, nothing that does not belong in it."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

import shipfit

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("agents", "contracts", "interfaces", "memory", "tools")
DATA_SUFFIXES = {".typed", ".j2", ".css", ".html", ".svg", ".js"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def source_files(suffixes: set[str]) -> list[Path]:
    """The files of the package, relative to the root: those at the root itself and those of its floors."""
    floors = [path for floor in FLOORS for path in (ROOT / floor).rglob("*")]
    found = [path for path in [*ROOT.iterdir(), *floors] if path.suffix in suffixes and path.is_file()]
    return sorted(path.relative_to(ROOT) for path in found)


def normalized(requirement: str) -> str:
    """The distribution's name in a requirement, as package indexes compare it."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def direct_requirements() -> set[str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    return {normalized(each) for group in [PROJECT["project"]["dependencies"], *extras] for each in group}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy so that the checkout stays as it is."""
    copy, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in [*source_files({".py", *DATA_SUFFIXES}), Path("pyproject.toml"), Path("README.md"), Path("LICENSE")]:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, copy / path)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(built)], cwd=copy, check=True, capture_output=True, timeout=100)
    return zipfile.ZipFile(next(built.glob("*.whl")))


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    path = next(each for each in wheel.namelist() if each.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def core_metadata(wheel: zipfile.ZipFile) -> Message:
    return message_from_string(metadata(wheel, "METADATA"))


def test_every_folder_with_code_is_a_listed_package():
    folders = {path.parent for path in source_files({".py"})}
    expected = {".".join(["shipfit", *folder.parts]) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == expected


def test_every_package_has_an_init():
    folders = {path.parent for path in source_files({".py"})}
    assert [folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []


def test_wheel_holds_every_source_and_data_file(wheel: zipfile.ZipFile):
    expected = {f"shipfit/{path.as_posix()}" for path in source_files({".py", *DATA_SUFFIXES})}
    shipped = {name for name in wheel.namelist() if name.startswith("shipfit/")}
    assert shipped == expected
    assert "shipfit/py.typed" in shipped


def test_wheel_has_one_top_level_name(wheel: zipfile.ZipFile):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"shipfit", f"shipfit-{shipfit.__version__}.dist-info"}


def test_wheel_metadata(wheel: zipfile.ZipFile):
    core = core_metadata(wheel)
    assert core["Version"] == shipfit.__version__ == PROJECT["project"]["version"]
    assert core["Requires-Python"] == ">=3.11"
    assert core["License-Expression"] == "Apache-2.0"
    assert "shipfit = shipfit.interfaces.cli:main" in metadata(wheel, "entry_points.txt")
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())


def test_no_generic_name_is_importable(tmp_path: Path):
    look = f"import importlib.util as u; print([n for n in {FLOORS!r} if u.find_spec(n)])"
    found = subprocess.run([sys.executable, "-I", "-c", look], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_requirement_is_pinned_once():
    names = [normalized(pin) for pin in PINS]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", pin) for pin in PINS)
    assert len(names) == len(set(names))
    assert direct_requirements() <= set(names)


def test_setup_and_constraints_agree_on_torch():
    version = re.search(r"^TORCH=(\S+)$", (ROOT / "scripts/setup").read_text(), re.MULTILINE)
    assert version is not None
    assert f"torch=={version.group(1)}" in PINS


def test_every_dependency_is_described():
    described = re.findall(r"^\| \[?`?([A-Za-z0-9._-]+)", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    assert direct_requirements() <= {normalized(name) for name in described}


def test_public_names_are_sorted_and_declared_for_type_checkers():
    assert shipfit.__all__ == sorted(shipfit.__all__)
    tree = ast.parse((ROOT / "__init__.py").read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {
        alias.name: "." * each.level + (each.module or "")
        for each in guarded.body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }
    assert declared == shipfit._HOMES
    assert {*declared, "__version__"} == set(shipfit.__all__)


@pytest.mark.parametrize("name", shipfit.__all__)
def test_public_name_resolves(name: str):
    assert getattr(shipfit, name) is not None
    assert name in dir(shipfit)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        shipfit.no_such_name  # noqa: B018
