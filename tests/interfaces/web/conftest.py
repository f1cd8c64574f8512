"""A real server in a process of its own, and a real Chromium before it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from .browsing import AXE, CHROMIUM, FLAGS, PATIENCE_MS, Server, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; while it is open its loop runs in this thread, and no other can."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}; scripts/browser installs it where it can")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Starts servers of one workspace, one at a time, with one home."""
    started: list[Server] = []
    workspace = tmp_path / "workspace"
    workspace.mkdir()

    def start() -> Server:
        log = tmp_path / f"server-{len(started)}.log"
        command = [sys.executable, "-m", "shipfit", "chat", "--web", "--no-browser", "--port", "0"]
        environment = {**os.environ, "SHIPFIT_HOME": str(tmp_path / "home")}
        with log.open("w") as errors:
            process = subprocess.Popen(
                [*command, "--workspace", str(workspace)],
                env=environment, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        assert process.stdout is not None
        started.append(Server(process, _first_line(process.stdout), workspace, log))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.end()
        if server.process.stdout is not None:
            server.process.stdout.close()


def _first_line(stream: IO[str]) -> str:
    return stream.readline().strip()


@pytest.fixture
def server(serve: Callable[[], Server]) -> Server:
    return serve()


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    """The server's page, opened by its link; whatever it should not do fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    own = "http://127.0.0.1:"  # a test may start another server
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(own) else None)
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    visit(page, server.link)
    yield page
    shown = page.locator("main").inner_text() if not page.is_closed() else ""
    context.close()
    sys.stdout.write(shown)  # pytest shows it where the test failed
    assert faults == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, fetched from the npm registry once and kept outside the repository."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "shipfit-tests"
    found = cache / f"axe-core-{AXE}" / "package" / "axe.min.js"
    if not found.is_file():
        _fetch_axe(found.parents[1])
    return found.read_text(encoding="utf-8")


def _fetch_axe(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to fetch axe-core with")
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"axe-core@{AXE}", "--silent", "--ignore-scripts"]
    try:
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"axe-core cannot be fetched: {type(error).__name__}")
    shutil.unpack_archive(folder / packed.stdout.split()[-1], folder, filter="data")
