"""The page's modules as one script: a way to the server for each would come between, just when the page is painted."""

from __future__ import annotations

import re
from pathlib import Path

# The forms in which our modules import and export; any other is refused.
_IMPORT = re.compile(r'^import (\{ [\w, ]+ \}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
# The page is painted before it comes to life; one that nobody sees is not painted.
_FIRST_PAINT = """const live = () => {{
{modules}}};
if (document.hidden) live();
else requestAnimationFrame(() => setTimeout(live));
"""
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundled(entry: Path) -> str:
    """Return a module and those that it needs as one, which runs once the page was painted.

    Each has a scope of its own, after what it imports itself.

    Raises:
        ValueError: one of them imports or exports in another form than ours.
    """
    scopes: dict[str, str] = {}
    _add(entry, scopes)
    return _FIRST_PAINT.format(modules="".join(scopes.values()))


def _add(path: Path, scopes: dict[str, str]) -> None:
    if path.stem in scopes:
        return
    text = path.read_text(encoding="utf-8")
    for _, needed in _IMPORT.findall(text):
        _add(path.with_name(f"{needed}.js"), scopes)
    body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = $\2;", text))
    if left := _LEFT.search(body):
        raise ValueError(f"{path.name}: {left[0]!r} is in no form that can be bundled")
    given = ", ".join(_EXPORT.findall(text))
    scopes[path.stem] = f"const ${path.stem} = (() => {{\n{body}\nreturn {{ {given} }};\n}})();\n"
