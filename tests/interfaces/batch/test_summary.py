"""What a batch writes about its models holds nothing that a name could smuggle in."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser

from shipfit.contracts import BatchRow, BatchSummary, RowStatus
from shipfit.interfaces.batch.html import render_summary
from shipfit.interfaces.batch.summary import exit_status, to_csv

HOSTILE = '=cmd|"/c calc"!A1<script>alert(1)</script>\x1b[31m\u202e"\'&'


def summary(*rows: BatchRow, complete: bool = True) -> BatchSummary:
    counts: dict[RowStatus, int] = {row.status: sum(other.status == row.status for other in rows) for row in rows}
    return BatchSummary(
        batch="b", zoo="/zoos/zoo.yaml", out="/out", created=0, updated=0, complete=complete, counts=counts, models=rows
    )


def met(name: str = "net", **facts: object) -> BatchRow:
    known = {"original_bytes": 1000, "product_bytes": 250, "size_ratio": 0.25, "speedup": 2.0, "latency_ratio": 0.5}
    return BatchRow.model_validate(
        {"name": name, "status": "met", "report": f"{name}/report.json", "attempts": 2, **known, **facts}
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.links: list[str] = []
        self.bars: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self.scripts += tag == "script"
        if tag == "a":
            self.links.append(facts["href"] or "")
        if tag == "rect" and facts.get("class") == "value":
            self.bars.append(facts["width"] or "")


def read(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    return tags


def test_names_are_text_and_never_markup():
    failed = BatchRow(name=HOSTILE, status="failed", reason=HOSTILE, model=HOSTILE, where=HOSTILE)
    page = render_summary(summary(failed, met("a b/ü?#%")))
    tags = read(page)
    assert tags.scripts == 1, "our own"
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert set(tags.links) == {"a%20b/%C3%BC%3F%23%25/report.html"}
    assert re.search(r"script-src 'sha256-[\w+/=]+'", page)
    assert "unsafe-inline" not in page


def test_bars_are_ratios_and_end_at_the_edge():
    tags = read(render_summary(summary(met(), met("slow", latency_ratio=3.0, speedup=1 / 3))))
    assert tags.bars == ["20.0", "40.0", "20.0", "100.0"]


def test_a_page_of_a_running_batch_renews_itself():
    waiting = BatchRow(name="b", status="pending")
    assert 'http-equiv="refresh"' in render_summary(summary(met(), waiting, complete=False))
    assert 'http-equiv="refresh"' not in render_summary(summary(met()))


def test_no_cell_is_a_formula():
    text = to_csv(summary(*(BatchRow(name=f"{start}1+1", status="failed", reason=HOSTILE) for start in "=+-@\t")))
    for row in csv.DictReader(text.splitlines()):
        assert row["name"][0] == "'"
        assert row["reason"][0] == "'"


def test_exit_status():
    assert exit_status(summary(met()), machine_at_fault=False) == 0
    for status in ("failed", "rolled_back", "unverified", "pending"):
        assert exit_status(summary(met(), BatchRow(name="b", status=status)), machine_at_fault=False) == 3
    assert exit_status(summary(met()), machine_at_fault=True) == 1
