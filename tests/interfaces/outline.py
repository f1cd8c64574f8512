"""What every page of ours has to be, and a parser that holds it to balanced tags."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Outline(HTMLParser):
    """Holds a document to balanced tags, and gathers its tags, attributes and words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def assert_stands_alone(page: str) -> None:
    """No script, nothing from elsewhere, a policy that allows nothing but the style sheet."""
    outline = Outline(page)
    assert "http" not in page.replace("http-equiv", "")
    assert {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in outline.tags} == set()
    assert "@import" not in page
    assert "url(" not in page
    names = {name for _, attributes in outline.tags for name in attributes}
    assert {name for name in names if name.startswith("on") or name in ("style", "src", "href")} == set()
    policy = next(a["content"] for tag, a in outline.tags if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def assert_accessible(page: str) -> None:
    """Headers say what they head, ids are unique and exist, every picture has a name or is an ornament."""
    outline = Outline(page)
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in outline.tags if tag == "th")
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = " ".join(a["aria-labelledby"] or "" for _, a in outline.tags if "aria-labelledby" in a)
    assert set(named.split()) <= set(ids)
    assert outline.count("h1") == 1
    for tag, attributes in outline.tags:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("role") == "img"
