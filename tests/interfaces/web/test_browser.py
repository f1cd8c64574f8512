"""The web chat in a real Chromium, as people use it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import psutil
import pytest

from ... import models
from .browsing import Server, card, fit, say, violations, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m\"'`${alert(2)}"


def downloaded(page: Page, link: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name=link).last.click()
    return Path(download.value.path()).read_bytes()


def test_a_whole_conversation(page: Page, server: Server, axe: str, digits_model: Path, digits_data: Path):
    assert violations(page, axe) == []
    fit(
        page,
        "40 % of the size, I can lose two points, speed and memory don't matter, ask me first",
        digits_data,
        digits_model,
    )
    page.get_by_role("button", name="Approve").wait_for()
    assert card(page, "Understood").locator("mark").first.inner_text() == "40 % of the size"
    assert page.locator(".said mark").first.inner_text() == "40 % of the size"

    assert violations(page, axe) == []
    say(page, "make it 50 % of the size instead")
    page.get_by_text(re.compile("size ratio: ≤ 40 % → ≤ 50 %")).first.wait_for()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Shall this be delivered?").wait_for()
    assert page.locator("svg.scatter .point").count() == 2
    assert page.locator("svg.scatter .bound-text").all_text_contents() == ["≤ 50 %"]
    assert page.get_by_role("region", name="Attempts of run 1").locator("tbody tr").count() == 1
    page.get_by_role("button", name="Approve").click()

    page.get_by_role("heading", name="Every constraint is met").wait_for()
    product = next(server.workspace.rglob("recipe.json")).parent
    assert downloaded(page, "the product") == (product / "model.onnx").read_bytes()
    assert b"<html" in downloaded(page, "report.html")

    page.get_by_role("button", name="Why this result?").click()
    card(page, "Why").wait_for()
    say(page, "what would 30 % of the size cost?")
    card(page, "What if").wait_for()
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert violations(page, axe) == []


def test_two_runs_are_compared_and_found_again_tomorrow(
    page: Page, server: Server, serve: Callable[[], Server], digits_model: Path
):
    fit(page, "half the size, speed and memory don't matter", digits_model)
    page.get_by_role("link", name="the product").wait_for()
    say(page, "make it 60 % of the size instead")
    page.get_by_role("button", name="Yes").click()
    page.locator("article").nth(1).get_by_role("link", name="the product").wait_for()
    page.get_by_role("button", name="Compare with another run").last.click()
    page.get_by_role("region", name="Two results side by side").wait_for()
    shown = page.locator("#entries > li").count()

    assert server.end() == 0
    page.locator("#line", has_text="lost").wait_for()
    tomorrow = serve()
    visit(page, tomorrow.link)
    page.get_by_role("navigation").get_by_role("button", name=re.compile("max_attempts")).click()
    page.get_by_role("region", name="Two results side by side").wait_for()
    assert page.locator("#entries > li").count() == shown
    assert tomorrow.link.partition("=")[2] not in tomorrow.log.read_text() + server.log.read_text()


def test_a_reload_in_mid_run_a_second_tab_and_a_stop(page: Page, digits_model: Path):
    fit(page, "half the size and twice as fast", digits_model)
    page.get_by_role("button", name="Stop").wait_for()
    page.locator("article progress:not([value='0'])").wait_for()
    page.reload()
    page.get_by_role("heading", name="Run 1: ").wait_for()
    other = page.context.new_page()
    visit(other, page.url)
    other.get_by_role("button", name="Stop").click()
    for tab in (page, other):
        tab.locator("article .tag", has_text="stopped").wait_for()
    page.get_by_role("button", name="New conversation").click()
    say(page, "hello")
    page.locator(".note").first.wait_for()
    assert page.get_by_role("article").count() == 0
    assert other.get_by_role("article").count() == 1
    other.get_by_role("button", name="Resume").click()
    other.locator("article .head .tag").filter(has_text=re.compile("met|rolled back")).wait_for()
    other.get_by_role("link", name="the product").wait_for()


def test_a_worker_that_dies_is_told_and_its_run_goes_on(page: Page, server: Server, mlp_model: Path):
    fit(page, "half the size, speed and memory don't matter", mlp_model)
    page.locator("article progress:not([value='0'])").wait_for()
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            child.kill()
    page.locator("article .tag", has_text="its process died").wait_for()
    say(page, "status")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("link", name="the product").wait_for()
    assert page.locator("article .head .tag").filter(has_text=re.compile("met|rolled back")).count() == 1


def test_without_the_right_token_nothing_is_shown(chromium: Browser, server: Server):
    context = chromium.new_context()
    page = context.new_page()
    for address in (server.link.partition("?")[0], f"{server.link}x"):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 401
        assert page.get_by_role("heading", name="This page is closed").count() == 1
    page.goto(server.link)
    assert "token" not in page.url
    assert page.get_by_role("button", name="Send").count() == 1
    assert page.evaluate("document.cookie") == ""
    context.close()


def hostile_model(path: Path) -> Path:
    """A model every name of which would run code, if a page read it as markup."""
    model = models.mlp()
    for node in model.graph.node:
        node.name = f"{HOSTILE}{node.name}"
    model.producer_name = HOSTILE
    model.metadata_props.append(onnx.StringStringEntryProto(key=HOSTILE, value=HOSTILE))
    old = model.graph.output[0].name
    model.graph.output[0].name = HOSTILE
    for node in model.graph.node:
        node.output[:] = [HOSTILE if name == old else name for name in node.output]
    return models.save(model, path)


def test_a_model_with_hostile_names_is_text(page: Page, tmp_path: Path):
    model = hostile_model(tmp_path / "'\"><script>alert(3)</script>.onnx".replace("/", ""))
    fit(page, f"half the size {HOSTILE}", model)
    page.get_by_role("link", name="the product").wait_for()
    assert page.locator("main img, main script, main [onerror]").count() == 0
    assert "\u202e" not in page.locator("main").inner_text()


def test_what_is_no_model_is_refused_and_the_rest_goes_on(page: Page, tmp_path: Path):
    broken = tmp_path / "net.onnx"
    broken.write_bytes(b"this is no model" * 100)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload…").click()
    chooser.value.set_files([broken])
    page.get_by_role("alert").filter(has_text="net.onnx").wait_for()
    say(page, "x" * 2**20)
    page.get_by_role("alert").filter(has_text="8,000 characters").wait_for()
    for words in ("hello", "thanks", "half the size"):  # as fast as it goes
        say(page, words)
    card(page, "Understood").wait_for()
    assert page.locator(".said p").all_text_contents()[-3:] == ["hello", "thanks", "half the size"]
    assert page.get_by_role("article").count() == 0
