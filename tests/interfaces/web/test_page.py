"""The page is one document with its own files: nothing inline, nothing from other hosts, text only ever as text."""

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from shipfit.interfaces.web.pages import Pages

STATIC = Path(__file__).resolve().parents[3] / "interfaces" / "web" / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))
NAMESPACE = "http://www.w3.org/2000/svg"


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text_in: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and data.strip():
            self.text_in[self.found[-1][0]] = data


@pytest.fixture(scope="module")
def page() -> Elements:
    elements = Elements()
    elements.feed((STATIC / "index.html").read_text())
    return elements


def test_nothing_is_inline(page: Elements):
    assert not {"script", "style"} & set(page.text_in)
    for tag, attributes in page.found:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_everything_comes_from_here(page: Elements):
    links = [str(value) for _, each in page.found for name, value in each.items() if name in ("src", "href")]
    files = [link.removeprefix("/static/") for link in links if not link.startswith("#")]
    assert [name for name in files if not (STATIC / name).is_file()] == []
    for path in STATIC.iterdir():
        assert "//" not in re.sub(r"(?m)(^|\s)//.*$", "", path.read_text().replace(NAMESPACE, "")), path.name


def test_every_module_is_fetched_at_once(page: Elements):
    """A module that is found only in another one costs one more way to the server before anything works."""
    wanted = {each["href"] for tag, each in page.found if tag == "link" and each.get("rel") == "modulepreload"}
    assert wanted == {f"/static/{path.name}" for path in SCRIPTS if path.name != "main.js"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_text_is_never_read_as_markup(path: Path):
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|setAttribute\(\"on"
    assert re.findall(sinks, path.read_text()) == []


@pytest.mark.parametrize("name", ["../gate.py", "..%2fgate.py", "", "nothing.js", "/etc/passwd"])
def test_only_files_of_the_page_are_given(name: str):
    with pytest.raises(HTTPException):
        asyncio.run(Pages().file(name))
    assert asyncio.run(Pages().file("page.css")).headers["content-type"] == "text/css; charset=utf-8"
