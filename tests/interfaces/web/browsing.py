"""A server to try the page with, and what is done to it again and again."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A loaded machine is slow; nothing is judged by how long it took.
PATIENCE_MS = 120_000
AXE = "4.14.1"


@dataclass
class Server:
    """`shipfit chat --web` over a workspace."""

    process: subprocess.Popen[str]
    link: str
    workspace: Path
    log: Path

    def end(self) -> int:
        """Stop it as its user would, and return its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


def visit(page: Page, link: str) -> None:
    """Open a link and wait until the page listens: it is painted before that."""
    page.goto(link)
    page.locator("body:not([aria-busy])").wait_for()


def say(page: Page, words: str) -> None:
    """Write and send a message with the keyboard."""
    field = page.get_by_label("What shall be reached")
    field.fill(words)
    field.press("Enter")


def fit(page: Page, words: str, *paths: Path) -> None:
    """Upload files, limit the run to one attempt, say what shall be reached, and have it started."""
    send_files(page, *paths)
    say(page, "max_attempts 1")
    card(page, "Your turn").get_by_text("What shall be reached?").wait_for()
    say(page, words)
    page.get_by_role("button", name="Yes").click()
    page.get_by_role("article").wait_for()


def card(page: Page, title: str) -> Locator:
    """The last card of that title."""
    return page.locator(".card").filter(has=page.get_by_role("heading", name=title)).last


def send_files(page: Page, *paths: Path) -> None:
    """Upload files by the button, and wait until they were looked at."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload…").click()
    chooser.value.set_files(list(paths))
    page.locator("#chosen li").nth(len(paths) - 1).wait_for()


def violations(page: Page, axe: str) -> list[str]:
    """What axe-core finds wrong with the page as it is now, in both colour schemes."""
    found: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate(axe)
        report: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        for each in report["violations"]:
            nodes = "; ".join(node["html"][:120] for node in each["nodes"][:3])
            found.append(f"{scheme}: {each['id']}: {nodes}")
    return found
