"""Measure the web chat in a real Chromium: its first paint, and how long an event takes from the worker to the page.

    python benchmarks/chat/run.py                    20 open conversations
    python benchmarks/chat/run.py --conversations 5  fewer; figures are only printed

A server is started over a workspace with the demo's model. Each conversation is open in a page of its own, in a profile
of its own; one of them has a run at work, and all of them are spoken in meanwhile. An event's way ends with the first
frame after it was shown. It begins where the conversation wrote it down, or, for attempts, where the worker's own
process wrote it to the run's trail, which is earlier. Figures go to benchmarks/results/chat.{json,md}. Exits with 1
when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).resolve().parent
# What the tests of the page do with a browser is done here the same way.
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "tests" / "interfaces" / "web")]
PAINTS, OPEN = 20, 20
MOST_PAINT_MS, MOST_EVENT_MS = 200.0, 300.0
WORDS = "half the size and twice as fast"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
# Notes for every event when the frame after it began: `[number, kind, event, attempt, written, seen]`, milliseconds.
LISTEN = """
window.seen = [];
const Plain = window.EventSource;
window.EventSource = class extends Plain {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => setTimeout(() => requestAnimationFrame(() => {
      const { number, kind, event, attempt, at } = JSON.parse(data);
      window.seen.push([number, kind, event ?? "", attempt?.index ?? 0, at * 1000, Date.now()]);
    })));
  }
};
"""


def main() -> int:
    """Measure, write the figures and say whether the bars hold."""
    parser = argparse.ArgumentParser(description="Measure the web chat.")
    parser.add_argument("--conversations", type=int, default=OPEN)
    given = parser.parse_args()
    from browsing import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="shipfit-chat-") as folder, sync_playwright() as playwright:
        home, workspace = Path(folder, "home"), Path(folder, "workspace")
        make_model(home, workspace)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with server(home, workspace) as link:
            figures = {"paint_ms": first_paints(browser, link), **events(browser, link, home, given.conversations)}
        browser.close()
    return write(figures, given.conversations)


def make_model(home: Path, workspace: Path) -> None:
    """Put the demo's model and data into the workspace."""
    from shipfit.agents.standalone import make_demo
    from shipfit.contracts import Settings

    files = make_demo(Settings(home=home), workspace / "made")
    for path in (files.model, files.data):
        shutil.copyfile(path, workspace / path.name)
    shutil.rmtree(workspace / "made")


@contextmanager
def server(home: Path, workspace: Path) -> Iterator[str]:
    """Serve the workspace, and yield the link."""
    command = [
        sys.executable,
        "-m",
        "shipfit",
        "chat",
        "--web",
        "--no-browser",
        "--port",
        "0",
        "--workspace",
        str(workspace),
    ]
    process = subprocess.Popen(
        command, env={**os.environ, "SHIPFIT_HOME": str(home)}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def first_paints(browser: Browser, link: str) -> list[float]:
    """Return the first contentful paint of fresh profiles, without the browser's own start."""
    found: list[float] = []
    for _ in range(PAINTS + 1):
        context = browser.new_context()
        page = context.new_page()
        page.goto(link)
        while not (paint := page.evaluate(PAINT)):
            page.wait_for_timeout(20)
        found.append(paint)
        context.close()
    return found[1:]


def events(browser: Browser, link: str, home: Path, count: int) -> dict[str, Any]:
    """Open conversations, have one of them run, speak in all, and return how long events took."""
    from browsing import say

    pages = [opened(browser, link) for _ in range(count)]
    for page in pages:
        say(page, "hello")
        page.locator(".note").first.wait_for()
    pages[0].get_by_role("button", name="Workspace…").click()
    pages[0].get_by_label("Data").select_option(index=1)
    pages[0].get_by_role("button", name="Take these").click()
    say(pages[0], WORDS)
    pages[0].get_by_role("button", name="Yes").click()
    deadline = time.monotonic() + 300
    while pages[0].get_by_role("link", name="the product").count() == 0 and time.monotonic() < deadline:
        for page in pages[1:]:
            say(page, "status")
            page.wait_for_timeout(50)
    time.sleep(1)
    seen = [page.evaluate("window.seen") for page in pages]
    all_ms = [shown - written for each in seen for *_, written, shown in each]
    run_ms = [shown - written for _, kind, *_, written, shown in seen[0] if kind == "event"]
    return {"all_ms": all_ms, "run_ms": run_ms, "attempt_ms": attempts(seen[0], home)}


def opened(browser: Browser, link: str) -> Page:
    """Return a page in a profile of its own that notes what it is told."""
    from browsing import visit

    context = browser.new_context()
    context.set_default_timeout(120_000)
    context.add_init_script(LISTEN)
    page = context.new_page()
    visit(page, link)
    return page


def attempts(seen: list[list[Any]], home: Path) -> list[float]:
    """Return how long after its entry on the trail, made by the worker's process, each attempt was shown."""
    with sqlite3.connect(home / "ledger.sqlite") as ledger:
        kept = [
            (json.loads(body), at)
            for body, at in ledger.execute("SELECT body, created FROM trail WHERE kind = 'attempt'")
        ]
    ledger.close()
    made = {int(body["index"]): at * 1000 for body, at in kept if "index" in body}
    return [
        shown - made[index] for _, _, event, index, _, shown in seen if event == "attempt_finished" and index in made
    ]


def spread(values: list[float]) -> dict[str, float]:
    """Return count, median, 95th percentile and the largest, milliseconds."""
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 1),
        "largest": round(ordered[-1], 1),
    }


def write(figures: dict[str, list[float]], conversations: int) -> int:
    """Print the figures, keep them where they are of the full size, and return the exit status."""
    from machine import describe

    spreads = {name: spread(values) for name, values in figures.items() if values}
    bars = {"paint_ms": MOST_PAINT_MS, "all_ms": MOST_EVENT_MS, "run_ms": MOST_EVENT_MS, "attempt_ms": MOST_EVENT_MS}
    labels = {
        "paint_ms": "first contentful paint, from opening the link on",
        "all_ms": f"any entry to the frame that shows it, {conversations} open conversations",
        "run_ms": "what a run tells, to the frame that shows it",
        "attempt_ms": "an attempt, from the worker's trail to the frame that shows it",
    }
    host = describe()
    rows = [
        f"| {labels[name]} | {one['count']} | {one['median']} | {one['p95']} | {one['largest']} | ≤ {bars[name]:.0f} |"
        for name, one in spreads.items()
    ]
    text = "\n".join(
        (
            "# The web chat",
            "",
            f"{host.date}, commit {host.commit}, `{host.command}`, {host.cpu}, {host.cores} cores, load average at the "
            f"end {host.load:.2f}, niceness {os.nice(0)}. Milliseconds; the bar is on the 95th percentile.",
            "",
            "| what | count | median | 95th percentile | largest | bar |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        )
    )
    print(text)
    if conversations >= OPEN:
        results = HERE.parent / "results"
        (results / "chat.md").write_text(text, encoding="utf-8")
        document = {"machine": host.model_dump(), "conversations": conversations, "spreads": spreads}
        (results / "chat.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return int(any(one["p95"] > bars[name] for name, one in spreads.items()))


if __name__ == "__main__":
    sys.exit(main())
