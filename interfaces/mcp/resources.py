"""What can be read of runs: the list, reports as JSON and as a page, trails, and the files of products."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mcp_types import BlobResourceContents, Resource, ResourceTemplate, TextResourceContents

from ...contracts import RequestError, units
from ...memory.runs import RunRecord
from ..text import clean
from ..workspace import Workspace
from .answers import run_list
from .past import Past
from .uris import PAGE, PRODUCT, REPORT, RUNS, TRAIL, product_files, read_uri, uri_of

MAX_RESOURCE_BYTES = 32 * 2**20
_MOST_LISTED = 20
_MOST_RUNS = 200
_JSON, _HTML, _LINES, _BYTES = "application/json", "text/html", "application/x-ndjson", "application/octet-stream"
_KINDS = {
    REPORT: (_JSON, "everything that is known of the run"),
    PAGE: (_HTML, "the same as a self-contained page, with pictures"),
    TRAIL: (_LINES, "all that the run found out, in order"),
}
_MIME = {".json": _JSON, ".html": _HTML, ".jsonl": _LINES}


@dataclass(frozen=True)
class Resources:
    """Reads resources of one workspace; its methods wait for the disk: call them in a thread."""

    workspace: Workspace
    past: Past

    def listed(self) -> list[Resource]:
        """Return the list of runs, and the reports of the latest."""
        finished = (record for record in self.past.runs() if record.response_json)
        reports = [
            Resource(uri=uri_of(record.id, name), name=f"{record.id}/{name}", mime_type=_KINDS[name][0])
            for record in islice(finished, _MOST_LISTED)
            for name in (REPORT, PAGE)
        ]
        runs = Resource(uri=RUNS, name="runs", description="The runs of this workspace.", mime_type=_JSON)
        return [runs, *reports]

    def read(self, uri: str) -> TextResourceContents | BlobResourceContents:
        """Return what an address means.

        Raises:
            RequestError: it means nothing here, is not there yet, or is too large to be sent.
        """
        if uri == RUNS:
            return _text(uri, self._runs(), _JSON)
        found = read_uri(uri)
        if found is None:
            raise _missing(uri)
        record = self.past.find(found[0])
        return self._of_run(uri, record, found[1])

    def _runs(self) -> str:
        # A resource takes no argument; the tool `runs` lists what is older.
        return run_list(self.past, self.past.runs(), _MOST_RUNS).model_dump_json(exclude_none=True)

    def _of_run(self, uri: str, record: RunRecord, name: str) -> TextResourceContents | BlobResourceContents:
        from ..delivery import trail_text

        if name == TRAIL:
            return _text(uri, trail_text(self.past.trail(record.id)), _LINES)
        if name.startswith(f"{PRODUCT}/"):
            return self._product(uri, record, name.removeprefix(f"{PRODUCT}/"))
        if name not in _KINDS:
            raise _missing(uri)
        response = self.past.response(record.id).model_copy(update={"out": record.out})
        if name == REPORT:
            return _text(uri, response.model_dump_json(indent=2), _JSON)
        from ..report import render

        return _text(uri, render(response), _HTML)

    def _product(self, uri: str, record: RunRecord, name: str) -> TextResourceContents | BlobResourceContents:
        folder = self.past.folder(record)
        if folder is None:
            raise RequestError(f"run {record.id} has no product in the workspace (yet, or it was moved)")
        # Only what the folder really lists has a name here, and it is opened without following a link.
        if name not in product_files(folder):
            raise _missing(uri)
        with self.workspace.open(str(folder / name)) as file:
            content = file.read(MAX_RESOURCE_BYTES + 1)
        _check_size(len(content), str(folder / name))
        mime = _MIME.get(Path(name).suffix, _BYTES)
        if mime != _BYTES:
            return _text(uri, content.decode(errors="replace"), mime)
        return BlobResourceContents(uri=uri, blob=base64.b64encode(content).decode(), mime_type=mime)


def templates() -> list[ResourceTemplate]:
    """Return the forms of all addresses."""
    of_run = [
        ResourceTemplate(uri_template=f"{RUNS}/{{run}}/{name}", name=name, mime_type=mime, description=about)
        for name, (mime, about) in _KINDS.items()
    ]
    product = ResourceTemplate(
        uri_template=f"{RUNS}/{{run}}/{PRODUCT}/{{+file}}",
        name=PRODUCT,
        description="A file of the product: model.onnx (or model.pt2), runtime.json, recipe.json.",
    )
    return [*of_run, product]


def _text(uri: str, text: str, mime: str) -> TextResourceContents:
    _check_size(len(text.encode(errors="replace")), uri)
    return TextResourceContents(uri=uri, text=text, mime_type=mime)


def _check_size(size: int, what: str) -> None:
    if size > MAX_RESOURCE_BYTES:
        limit = units.format_bytes(MAX_RESOURCE_BYTES)
        raise RequestError(f"{clean(what, 200)!r} is larger than {limit}, which is sent at most; read it on the disk")


def _missing(uri: str) -> RequestError:
    return RequestError(f"there is no resource {clean(uri, 200)!r}; the templates say what there is")
