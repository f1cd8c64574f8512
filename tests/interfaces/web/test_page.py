"""The page is one document with its own files: nothing inline, nothing from other hosts, text only ever as text."""

import asyncio
import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from shipfit.interfaces.web.gate import headers_of_all
from shipfit.interfaces.web.pages import Pages
from shipfit.interfaces.web.script import bundled

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


def given(name: str) -> str:
    return bytes(asyncio.run(Pages().file(name)).body).decode()


@pytest.fixture(scope="module")
def page() -> Elements:
    elements = Elements()
    elements.feed(given("index.html"))
    return elements


def test_nothing_is_inline_but_the_style_that_the_policy_names(page: Elements):
    assert "script" not in page.text_in
    digest = hashlib.sha256(page.text_in["style"].encode()).digest()
    assert f"style-src 'sha256-{base64.b64encode(digest).decode()}'" in headers_of_all()["Content-Security-Policy"]
    for _, attributes in page.found:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_everything_comes_from_here(page: Elements):
    links = [str(value) for _, each in page.found for name, value in each.items() if name in ("src", "href")]
    assert [link for link in links if not link.startswith("#")] == ["/static/icon.svg", "/static/main.js"]
    for path in STATIC.iterdir():
        assert "//" not in re.sub(r"(?m)(^|\s)//.*$", "", path.read_text().replace(NAMESPACE, "")), path.name


def test_the_script_holds_every_module_after_what_it_imports():
    script = given("main.js")
    begins = {path.stem: script.index(f"const ${path.stem} = ") for path in SCRIPTS}
    for path in SCRIPTS:
        for needed in re.findall(r'from "\./(\w+)\.js"', path.read_text()):
            assert begins[needed] < begins[path.stem]


@pytest.mark.parametrize(
    "line", ['import * as all from "./dom.js";', "export default 5;", 'export { a } from "./b.js";']
)
def test_a_form_that_cannot_be_bundled_is_refused(tmp_path: Path, line: str):
    (tmp_path / "main.js").write_text(f"{line}\n")
    with pytest.raises(ValueError, match="no form that can be bundled"):
        bundled(tmp_path / "main.js")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_text_is_never_read_as_markup(path: Path):
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|setAttribute\(\"on"
    assert re.findall(sinks, path.read_text()) == []


@pytest.mark.parametrize("name", ["../gate.py", "..%2fgate.py", "", "nothing.js", "dom.js", "page.css", "/etc/passwd"])
def test_only_files_of_the_page_are_given(name: str):
    with pytest.raises(HTTPException):
        asyncio.run(Pages().file(name))
    assert asyncio.run(Pages().file("main.js")).headers["content-type"] == "text/javascript; charset=utf-8"
