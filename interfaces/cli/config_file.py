"""`--config FILE`: a request in YAML, with units, in the shape of `Request` or of `DeploymentConfig`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ...contracts import Request, RequestError, units, validate
from .bounds import BOUND_NAMES, read_bounds, read_dimensions
from .paths import text_file

MAX_BYTES = 2**20
MAX_DEPTH = 20
_PATHS = ("model", "data", "calibration_data", "out")


class _Loader(yaml.SafeLoader):
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
    raw = _load(text_file(given, "configuration", MAX_BYTES), given)
    try:
        fields = _request_fields(raw, Path(given).expanduser().absolute().parent)
        validate(Request, {"model": "-", **fields})
    except RequestError as error:
        raise RequestError(f"{given}: {error.message}") from error
    return fields


def _load(text: str, given: str) -> dict[str, Any]:
    try:
        _refuse_bombs(text, given)
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}" if mark else ""
        raise RequestError(f"{given}: cannot be read as YAML{where}: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{given}: cannot be read as YAML: {first}") from error
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise RequestError(f"{given}: holds no settings; write lines such as `objective: size`")
    return raw


def _refuse_bombs(text: str, given: str) -> None:
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


def _request_fields(raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    known = {*Request.model_fields, *BOUND_NAMES}
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(Request.model_fields))}"
            raise RequestError(f"unknown key {key!r}; {hint}")
    fields = {key: value for key, value in raw.items() if key not in BOUND_NAMES}
    bounds = _collect_bounds(raw)
    if isinstance(fields.get("target"), dict):
        fields["target"] = {key: value for key, value in fields["target"].items() if key != "constraints"}
    if bounds or "constraints" in fields:
        fields["constraints"] = bounds
    _absolute_paths(fields, folder)
    _read_units(fields)
    return fields


def _collect_bounds(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Gather the bounds from the three places where they may stand: top, `constraints`, `target.constraints`."""
    target = raw.get("target")
    places = {
        "": {key: value for key, value in raw.items() if key in BOUND_NAMES},
        "constraints.": raw.get("constraints"),
        "target.constraints.": target.get("constraints") if isinstance(target, dict) else None,
    }
    gathered: dict[str, Any] = {}
    for prefix, given in places.items():
        if given is None:
            continue
        if not isinstance(given, dict):
            raise RequestError(f"{prefix.rstrip('.')} must be a list of bounds such as `max_size: 10MB`")
        _refuse_unknown_bounds(given, prefix)
        bounds = read_bounds({key: value for key, value in given.items() if value is not None}, prefix.__add__)
        if twice := set(bounds) & set(gathered):
            raise RequestError(f"{min(twice)} is given twice; give it once")
        gathered |= bounds
    return gathered


def _refuse_unknown_bounds(given: Mapping[Any, Any], prefix: str) -> None:
    for key in given:
        if key not in BOUND_NAMES:
            near = difflib.get_close_matches(str(key), BOUND_NAMES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(BOUND_NAMES))}"
            raise RequestError(f"unknown bound '{prefix}{key}'; {hint}")


def _absolute_paths(fields: dict[str, Any], folder: Path) -> None:
    """Make relative paths relative to the file that names them; `module:callable` stays."""
    for name in _PATHS:
        value = fields.get(name)
        if isinstance(value, str) and (name not in ("data", "calibration_data") or ":" not in value):
            fields[name] = str(folder / Path(value).expanduser())


def _read_units(fields: dict[str, Any]) -> None:
    """Turn the texts that may carry a unit into numbers, in place."""
    budget = fields.get("budget")
    if isinstance(budget, dict):
        fields["budget"] = budget = dict(budget)
        if "time_limit" in budget:
            budget["time_limit_s"] = budget.pop("time_limit")
        _convert(budget, "time_limit_s", units.parse_seconds, "budget.")
    shape = fields.get("shape")
    if isinstance(shape, dict):
        fields["shape"] = {
            name: read_dimensions(value, f"shape.{name}") if isinstance(value, str) else value
            for name, value in shape.items()
        }
    if isinstance(fields.get("allow_regression"), str):
        fields["allow_regression"] = [item.strip() for item in fields["allow_regression"].split(",")]
    monitoring = fields.get("monitoring")
    alerts = monitoring.get("alerts") if isinstance(monitoring, dict) else None
    if isinstance(monitoring, dict) and isinstance(alerts, dict):
        alerts = dict(alerts)
        _convert(alerts, "latency", units.parse_milliseconds, "monitoring.alerts.")
        _convert(alerts, "memory_usage", units.parse_bytes, "monitoring.alerts.")
        _convert(alerts, "error_rate", units.parse_share, "monitoring.alerts.")
        fields["monitoring"] = {**monitoring, "alerts": alerts}


def _convert(group: dict[str, Any], name: str, parse: Callable[[str, str], float], prefix: str) -> None:
    if isinstance(group.get(name), str):
        group[name] = parse(group[name], prefix + name)
