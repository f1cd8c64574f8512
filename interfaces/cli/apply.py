"""`shipfit apply`: replay a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as opt

if TYPE_CHECKING:
    from ...agents.standalone import AppliedRecipe
    from ...contracts import Recipe

# Recipes name layers, so large models have long ones; a recipe of this size is none.
MAX_RECIPE_BYTES = 16 * 2**20


def apply(
    model: opt.Model,
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe.json, as optimize writes it.")],
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="Folder for the product, new or empty.",
                          rich_help_panel=opt.OUTPUT)
    ],
    data: opt.Data = None,
    config: opt.DataConfig = None,
    metric: opt.Metric = None,
    json: opt.Json = False,
) -> int:  # fmt: skip
    """Make a product again from MODEL and the RECIPE that made it."""
    from ...contracts import load_settings
    from ..delivery import write_folder, write_settings
    from .console import print_json, results
    from .paths import data_source, model_source, output_folder
    from .request import data_handling
    from .tool_progress import tool_progress

    path = model_source(model)
    steps = read_recipe(recipe)
    source = data_source(data) if data is not None else None
    handling = data_handling(config, metric, source)
    folder = output_folder(out)

    from ...agents.standalone import apply_recipe

    def fill(staging: Path) -> AppliedRecipe:
        made = apply_recipe(load_settings(), path, steps, staging, data=source, handling=handling, progress=progress)
        write_settings(staging, made.settings, steps)
        return made

    with tool_progress() as progress:
        applied = write_folder(folder, fill)
    if json:
        print_json({"out": str(folder), **applied.model_dump(mode="json")})
        return 0
    from ...contracts import units
    from ...tools.context import model_file
    from ..text import clean

    console = results()
    for report in applied.reports:
        console.print(f"{report.step.kind}: {clean('; '.join(report.notes) or 'done')}")
    console.print(f"{clean(model_file(folder), 2000)} ({units.format_bytes(applied.artifact.size_bytes)})")
    return 0


def read_recipe(given: str) -> Recipe:
    """Return the recipe in a file.

    Raises:
        RequestError: not there, too large, or not a recipe; the message names the field that is wrong.
    """
    from pydantic import ValidationError

    from ...contracts import Recipe, RequestError
    from ..text import clean
    from .paths import text_file

    text = text_file(given, "recipe", MAX_RECIPE_BYTES)
    try:
        return Recipe.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RequestError(clean(f"{given} is no recipe: {where}{': ' if where else ''}{first['msg']}")) from error
