"""From options and a configuration file to a checked request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...contracts import ModelFileError, Request, RequestError, check_served, override_bounds, units, validate
from .bounds import bound_fields, read_bounds, read_shapes
from .paths import check_writable, data_source, model_source, output_folder
from .seam import open_reader
from .words import read_words, say_understood

if TYPE_CHECKING:
    from ...agents.language.words import WordReader

# Options that are bounds; each is called as it is typed in errors.
BOUND_OPTIONS = (
    "max_size", "max_memory", "max_latency", "min_speedup", "min_throughput", "min_accuracy", "max_drop",
    "min_fidelity", "min_logits_fidelity", "latency_statistic",
)  # fmt: skip
# Option → where it stands in a request, and how its text is read.

_FIELDS: dict[str, tuple[str, ...]] = {
    "data": ("data",),
    "calibration_data": ("calibration_data",),
    "platform": ("target", "platform"),
    "runtime": ("target", "runtime"),
    "level": ("optimization", "level"),
    "forbid": ("optimization", "forbid"),
    "metric": ("metric",),
    "output": ("output",),
    "threads": ("threads",),
    "shape": ("shape",),
    "max_attempts": ("budget", "max_attempts"),
    "time_limit": ("budget", "time_limit_s"),
    "objective": ("objective",),
    "allow_regression": ("allow_regression",),
    "strict_accuracy": ("strict_accuracy",),
    "no_memory": ("memory",),
    "approve": ("approve",),
    "seed": ("seed",),
    "llm": ("llm", "name"),
    "llm_required": ("llm", "required"),
    "out": ("out",),
    "model": ("model",),
    "words": ("words",),
}


def _listed(texts: list[str]) -> list[str]:
    return [item.strip() for text in texts for item in text.split(",") if item.strip()]


_READ: dict[str, Callable[[Any], Any]] = {
    "time_limit": lambda text: units.parse_seconds(text, "--time-limit"),
    "shape": read_shapes,
    "allow_regression": _listed,
    "forbid": _listed,
    "no_memory": lambda given: not given,
}

# Field, as the contracts' errors name it → the option that sets it.
_OPTION_OF = {".".join(place): f"--{name.replace('_', '-')}" for name, place in _FIELDS.items() if name != "model"} | {
    f"constraints.{field}": f"--{name.replace('_', '-')}" for name in BOUND_OPTIONS for field in bound_fields(name)
}


def option_name(name: str) -> str:
    """Return how the option of a Python name is typed: `max_size` is `--max-size`."""
    return f"--{name.replace('_', '-')}"


def build_request(given: Mapping[str, Any], config: str | None = None, reader: WordReader | None = None) -> Request:
    """Return the request that options and a configuration file make together; options win.

    Args:
        given: Python name of an option → what was typed; None where it was not given.
        config: path of a YAML file, or None.
        reader: of words; holds afterwards the language model that it asked, if any.

    Raises:
        UserError: the first thing that is wrong, cheap checks first; nothing has been written.
        LanguageModelError: a required language model cannot be reached.
    """
    base = _from_file(config) if config else {}
    merged = with_options(base, given)
    if "model" not in merged:
        raise ModelFileError("no model is given; write: shipfit optimize MODEL, or name it in --config")
    merged |= _checked_paths(merged)
    asked = read_words(merged, reader or open_reader())
    merged = asked.fields if asked else merged
    request = check_served(validated(merged))
    if asked:
        say_understood(asked)
    return request


def with_options(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request with the options that were typed laid over them.

    Raises:
        RequestError: an option that cannot be read.
    """
    typed = {name: value for name, value in given.items() if value is not None and value != []}
    merged = _merge(base, _nested(typed))
    bounds = read_bounds({name: typed[name] for name in BOUND_OPTIONS if name in typed}, option_name)
    merged["constraints"] = override_bounds(base.get("constraints", {}), bounds)
    return merged


# What decides how data are read, split and scored, for commands that are no run.
_HANDLING = ("calibration_data", "metric", "output", "preprocess", "shape", "state")


def data_handling(config: str | None, metric: str | None, data: str | None) -> dict[str, Any]:
    """Return the fields of a request that say how data are read and scored, from a configuration and `--metric`.

    Raises:
        RequestError: the configuration or the metric is wrong, or there are no data to handle.
    """
    base = _from_file(config) if config else {}
    fields = {name: base[name] for name in _HANDLING if name in base} | ({"metric": metric} if metric else {})
    check_served(validated({"model": "-", "data": data, **fields}))
    return fields


def _from_file(config: str) -> dict[str, Any]:
    from .config_file import read_config

    return read_config(config)


def _nested(typed: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in typed.items():
        if name not in _FIELDS:
            continue
        *groups, field = _FIELDS[name]
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[field] = _READ[name](value) if name in _READ else value
    return nested


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        both = name in ("target", "optimization", "budget", "llm") and isinstance(old, dict)
        merged[name] = {**old, **value} if both and isinstance(old, dict) else value
    return merged


def _checked_paths(merged: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths of a request, absolute, after looking whether they can be used."""
    paths: dict[str, Any] = {"model": model_source(merged["model"])}
    for name in ("data", "calibration_data"):
        if merged.get(name) is not None:
            paths[name] = data_source(merged[name], option_name(name))
    if merged.get("out") is not None:
        paths["out"] = str(output_folder(merged["out"]))
    else:
        check_writable(Path.cwd(), "the working directory")
    return paths


def validated(merged: Mapping[str, Any]) -> Request:
    """Return the request of these fields; what is wrong with one is told by the name of its option.

    Raises:
        RequestError: a value that a field cannot have, or bounds that contradict each other.
    """
    try:
        return validate(Request, merged)
    except RequestError as error:
        field, colon, rest = error.message.partition(": ")
        option = _OPTION_OF.get(field.removesuffix(".0"), field)
        raise RequestError(f"{option}{colon}{rest}", details=error.details) from error
