"""`--config FILE`: a request in YAML, with units, in the shape of `Request` or of `DeploymentConfig`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from ...contracts import MAX_WORDS, Request, RequestError, units, validate
from .bounds import BOUND_NAMES, read_bounds, read_dimensions
from .paths import text_file

MAX_BYTES = 2**20
MAX_DEPTH = 20
PATHS = ("model", "data", "calibration_data", "out")
# Written as the option is called, wherever the contract keeps it.
SHORT: dict[str, tuple[str, str]] = {
    "max_attempts": ("budget", "max_attempts"),
    "time_limit": ("budget", "time_limit"),
    "level": ("optimization", "level"),
    "forbid": ("optimization", "forbid"),
    "platform": ("target", "platform"),
    "runtime": ("target", "runtime"),
}


# The request in words is called `request` in a file; what was read from them, nobody writes.
_OF_WORDS = frozenset({"words", "understood", "not_understood"})
REQUEST_KEYS = frozenset({*Request.model_fields, *BOUND_NAMES, *SHORT, "request"}) - _OF_WORDS


class Loader(yaml.SafeLoader):
    """A safe loader that refuses what YAML would silently drop: a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_config(given: str) -> dict[str, Any]:
    """Return a configuration file as the nested fields of `Request`, checked, its paths absolute.

    Raises:
        RequestError: not readable, no YAML, an unknown key, or a value that a field cannot have; names the file.
    """
    raw = load_yaml(text_file(given, "configuration", MAX_BYTES), given)
    try:
        fields = request_fields(raw, Path(os.path.expanduser(given)).absolute().parent)
        validate(Request, {"model": "-", **fields})
    except RequestError as error:
        raise RequestError(f"{given}: {error.message}") from error
    return fields


def load_yaml(text: str, given: str) -> dict[str, Any]:
    """Return the settings that a text in YAML holds; `given` is what errors call it.

    Raises:
        RequestError: no YAML, no settings, or a text that would become huge.
    """
    try:
        refuse_bombs(text, given)
        raw: object = yaml.load(text, Loader=Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}" if mark else ""
        raise RequestError(f"{given}: cannot be read as YAML{where}: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{given}: cannot be read as YAML: {first}") from error
    settings = _group(raw)
    if settings is None or not all(isinstance(key, str) for key in settings):
        raise RequestError(f"{given}: holds no settings; write lines such as `objective: size`")
    return settings


def refuse_bombs(text: str, given: str) -> None:
    """Refuse aliases, which a small file can use to become huge, and nesting that exhausts the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise RequestError(f"{given}: aliases such as *{event.anchor} are not allowed; write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise RequestError(f"{given}: nested too deeply to be a request")


def request_fields(raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return settings as the nested fields of `Request`, unchecked, paths absolute from `folder` on.

    Raises:
        RequestError: an unknown key, a bound that cannot be read, or the same setting twice.
    """
    refuse_unknown(raw, REQUEST_KEYS, "key")
    raw = _spread(raw)
    if "request" in raw:
        raw["words"] = _words(raw.pop("request"))
    fields = {key: value for key, value in raw.items() if key not in BOUND_NAMES}
    target = _group(fields.get("target"))
    bounds = _collect_bounds(raw, target)
    if target is not None:
        fields["target"] = {key: value for key, value in target.items() if key != "constraints"}
    if bounds or "constraints" in fields:
        fields["constraints"] = bounds
    _absolute_paths(fields, folder)
    _read_budget(fields)
    _read_alerts(fields)
    _absolute_tokenizer(fields, folder)
    shape = _group(fields.get("shape"))
    if shape is not None:
        fields["shape"] = {name: _dimensions(name, value) for name, value in shape.items()}
    _split_list(fields, "allow_regression")
    _split_list(fields.get("optimization"), "forbid")
    return fields


def _split_list(group: object, name: str) -> None:
    """Read, in place, a list that is written in one line with commas."""
    if isinstance(group, dict) and isinstance(value := cast("dict[str, Any]", group).get(name), str):
        group[name] = [item.strip() for item in value.split(",")]


def _words(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RequestError("request: is no text; write what is asked for in words, or leave it out")
    if len(value) > MAX_WORDS:
        raise RequestError(f"request: has {len(value):,} characters; keep it under {MAX_WORDS:,}")
    return value


def _group(value: object) -> dict[Any, Any] | None:
    """Return a copy of a nested group of settings, or None where the value is no group."""
    if not isinstance(value, dict):
        return None
    return dict(cast("Mapping[Any, Any]", value))


def _spread(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Put what is written in short where the contract keeps it."""
    spread = {key: value for key, value in raw.items() if key not in SHORT}
    for key in [key for key in raw if key in SHORT]:
        group, name = SHORT[key]
        inner = _group(spread.get(group, {}))
        if inner is None or name in inner:
            raise RequestError(f"{key} and {group} cannot both be given this way; write {group}: {{{name}: …}}")
        spread[group] = {**inner, name: raw[key]}
    return spread


def refuse_unknown(given: Mapping[str, Any], known: Iterable[str], what: str, prefix: str = "") -> None:
    """Refuse the first key that is not among those that are `known`, with the one that was probably meant."""
    known = sorted(known)
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise RequestError(f"unknown {what} '{prefix}{key}'; {hint}")


def _collect_bounds(raw: Mapping[str, Any], target: Mapping[str, Any] | None) -> dict[str, Any]:
    """Gather the bounds from the three places where they may stand: top, `constraints`, `target.constraints`."""
    places = {
        "": {key: value for key, value in raw.items() if key in BOUND_NAMES},
        "constraints.": raw.get("constraints"),
        "target.constraints.": (target or {}).get("constraints"),
    }
    gathered: dict[str, Any] = {}
    for prefix, value in places.items():
        given = {} if value is None else _group(value)
        if given is None:
            raise RequestError(f"{prefix.rstrip('.')} must be a list of bounds such as `max_size: 10MB`")
        refuse_unknown(given, BOUND_NAMES, "bound", prefix)
        bounds = read_bounds({key: bound for key, bound in given.items() if bound is not None}, prefix.__add__)
        if twice := set(bounds) & set(gathered):
            raise RequestError(f"{min(twice)} is given twice; give it once")
        gathered |= bounds
    return gathered


def _absolute_paths(fields: dict[str, Any], folder: Path) -> None:
    """Make relative paths relative to the file that names them; `module:callable` stays."""
    for name in PATHS:
        value = fields.get(name)
        if isinstance(value, str) and (name not in ("data", "calibration_data") or ":" not in value):
            fields[name] = str(folder / os.path.expanduser(value))


def _absolute_tokenizer(fields: dict[str, Any], folder: Path) -> None:
    preprocess = _group(fields.get("preprocess"))
    if preprocess is not None and isinstance(preprocess.get("tokenizer"), str):
        fields["preprocess"] = {**preprocess, "tokenizer": str(folder / os.path.expanduser(preprocess["tokenizer"]))}


def _dimensions(name: str, value: object) -> object:
    return read_dimensions(value, f"shape.{name}") if isinstance(value, str) else value


def _read_budget(fields: dict[str, Any]) -> None:
    budget = _group(fields.get("budget"))
    if budget is not None:
        if "time_limit" in budget:
            budget["time_limit_s"] = budget.pop("time_limit")
        _convert(budget, "time_limit_s", units.parse_seconds, "budget.")
        fields["budget"] = budget


def _read_alerts(fields: dict[str, Any]) -> None:
    monitoring = _group(fields.get("monitoring"))
    alerts = _group((monitoring or {}).get("alerts"))
    if monitoring is not None and alerts is not None:
        _convert(alerts, "latency", units.parse_milliseconds, "monitoring.alerts.")
        _convert(alerts, "memory_usage", units.parse_bytes, "monitoring.alerts.")
        _convert(alerts, "error_rate", units.parse_share, "monitoring.alerts.")
        fields["monitoring"] = {**monitoring, "alerts": alerts}


def _convert(group: dict[str, Any], name: str, parse: Callable[[str, str], float], prefix: str) -> None:
    """Turn a text that may carry a unit into a number, in place."""
    if isinstance(group.get(name), str):
        group[name] = parse(group[name], prefix + name)
