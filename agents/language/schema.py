"""The typed output fields of a signature as one JSON schema, and the way back from an answer to values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

# No answer that is asked for here has more braces in it, and each costs a look at the rest.
_MOST_TRIES = 200
_MOST_ITEMS = 12
# What some hosted providers refuse in a schema that they hold answers to; pydantic checks it afterwards all the same.
_BOUNDS = frozenset({
    "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "pattern", "format",
})  # fmt: skip
# Annotations for people and for pydantic; strict providers refuse some of them.
_NOT_SENT = frozenset({"title", "default", "examples"})


def answer_type(signature: Any) -> type[BaseModel]:
    """Return the type of an answer: a field for each output field of the signature, all of them required."""
    fields: dict[str, Any] = {
        name: (Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation, ...)
        for name, field in signature.output_fields.items()
    }
    return create_model("Answer", __config__=ConfigDict(extra="ignore"), **fields)


def strict_schema(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of `kind` in the form that constrained decoding asks for.

    Every property required, none beyond those declared, as OpenAI's structured outputs want it; other providers and
    local servers take the same form. Lists have an end: small models repeat an entry until they are cut off.
    """
    return cast("dict[str, Any]", _strict(kind.model_json_schema()))


def response_format(kind: type[BaseModel]) -> dict[str, Any]:
    """Return what an answer is held to, in the words of DSPy's requests (`lm15.Config.response_format`)."""
    return {"type": "json_schema", "name": "answer", "strict": True, "schema": strict_schema(kind)}


def _strict(part: Any) -> Any:
    if isinstance(part, list):
        return [_strict(item) for item in cast("Sequence[Any]", part)]
    if not isinstance(part, dict):
        return part
    kept = cast("Mapping[str, Any]", part)
    result: dict[str, Any] = {}
    for key, value in kept.items():
        if key in ("properties", "$defs"):
            result[key] = {name: _strict(inner) for name, inner in value.items()}
        elif key not in _NOT_SENT:
            result[key] = _strict(value)
    if result.get("type") == "array":
        result.setdefault("maxItems", _MOST_ITEMS)
    if "properties" in result:
        result |= {"required": list(result["properties"]), "additionalProperties": False}
    return result


def without_bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that says which fields and types an answer has, and no bounds on them."""
    return cast("dict[str, Any]", _without_bounds(schema))


def _without_bounds(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_bounds(item) for item in cast("Sequence[Any]", part)]
    if not isinstance(part, Mapping):
        return part
    named = cast("Mapping[str, Any]", part)
    return {
        key: {name: _without_bounds(inner) for name, inner in value.items()}
        if key in ("properties", "$defs")
        else _without_bounds(value)
        for key, value in named.items()
        if key not in _BOUNDS
    }


def parse_answer(kind: type[BaseModel], text: str) -> dict[str, Any]:
    """Return the values of an answer by field, checked.

    What stands around the JSON object, such as a code fence or a model's thinking, is passed over.

    Raises:
        ValueError: there is no such object; the message is short enough to be sent back.
    """
    found, last = _objects(text), "there is no JSON object in the answer"
    for candidate in found:
        try:
            answer = kind.model_validate(candidate)
        except ValidationError as error:
            last = _in_short(error)
        else:
            return {name: getattr(answer, name) for name in kind.model_fields}
    raise ValueError(last)


def _objects(text: str) -> list[Mapping[str, Any]]:
    """Return the JSON objects that stand in a text, outermost ones only, the last first: models think, then answer."""
    decoder, at = json.JSONDecoder(), text.find("{")
    found: list[Mapping[str, Any]] = []
    for _ in range(_MOST_TRIES):
        if at < 0:
            break
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found.append(value)
        at = text.find("{", end)
    return list(reversed(found))


def _in_short(error: ValidationError) -> str:
    told = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)[:4]]
    return "; ".join(told)[:600]
