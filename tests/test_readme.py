"""What README.md shows can be typed: its commands and options exist, its links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = "".join(re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
COMMANDS = [line.partition(" #")[0].strip() for line in re.findall(r"^shipfit .*$", BLOCKS, re.MULTILINE)]


@pytest.mark.parametrize("line", COMMANDS)
def test_command_and_its_options_exist(line: str, tmp_path: Path):
    command, *arguments = shlex.split(line)[1:]
    wide = {**os.environ, "COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
    subcommand = [each for each in arguments[:1] if command in ("runs", "agents") and not each.startswith("-")]
    shown = subprocess.run(
        [sys.executable, "-m", "shipfit", command, *subcommand, "--help"],
        cwd=tmp_path,
        env=wide,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.returncode == 0, shown.stderr
    assert [each for each in arguments if each.startswith("--") and each not in shown.stdout] == []


def test_make_targets_exist():
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = re.findall(r"^make ([a-z-]+)$", BLOCKS, re.MULTILINE) + re.findall(r"`make ([a-z-]+)`", README)
    assert {"run", "test"} <= set(shown) <= set(rules)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_link_leads_somewhere(link: str):
    assert (ROOT / link).exists()
