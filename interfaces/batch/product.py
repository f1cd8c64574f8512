"""The folder of a model's product within a batch's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def delivered_run(out: Path) -> str | None:
    """Return the run whose product lies in a folder, or None where no product lies there."""
    try:
        return str(json.loads((out / "report.json").read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove_product(out: Path) -> None:
    """Remove a product that is to be made anew; a folder that holds anything else stays."""
    if delivered_run(out) is not None:
        shutil.rmtree(out, ignore_errors=True)


def clear_remains(out: Path) -> None:
    """Remove what a delivery that was killed left beside the product's folder."""
    if out.parent.is_dir():
        for left in out.parent.glob(f".{_literal(out.name)}-????????"):
            shutil.rmtree(left, ignore_errors=True)


def _literal(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
