"""Give the arguments of a language model's function calls the types that the function declares.

Small models write `"35"` for 35, `"True"` for true and `"Low"` for the enum's `low`. Only the form
of a value changes, never what it says: what cannot be converted without loss is left as it is.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_MAX_DEPTH = 6
_CALLS = b'"tool_calls"'
_NUMBER = re.compile(r"[-+]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?")
_BOOLEANS: Mapping[str, bool] = {"true": True, "false": False}
_PLAIN = re.compile(r"[\s_-]+")
_encode = msgspec.json.Encoder().encode
Schema = Mapping[str, Any]


def conform_calls(body: bytes, tools: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a chat completion whose calls of the client's functions fit their schemas.

    A completion without calls, or with calls that fit, is returned unchanged.
    """
    if _CALLS not in body:
        return body
    schemas = _schemas(tools)
    answer = msgspec.json.decode(body)
    changed = False
    for choice in answer.get("choices") or ():
        for call in (choice.get("message") or {}).get("tool_calls") or ():
            function = call.get("function") or {}
            schema = schemas.get(str(function.get("name")))
            before = function.get("arguments")
            if schema is None or not isinstance(before, str):
                continue
            function["arguments"] = conform_arguments(before, schema)
            changed = changed or function["arguments"] != before
    return _encode(answer) if changed else body


def conform_arguments(arguments: str, schema: Schema) -> str:
    """Return the JSON text of arguments in the form of a function's schema.

    Text that is no JSON object, or that fits already, is returned unchanged.
    """
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments
    if not isinstance(value, dict):
        return arguments
    conformed = _conform_object(value, schema, 0)
    return arguments if _is_same(conformed, value) else _encode(conformed).decode()


def _schemas(tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Schema]:
    """Return the schema of the arguments of each function that declares one."""
    functions = [one["function"] for one in tools if one.get("type") == "function"]
    return {
        one["name"]: one["parameters"]
        for one in functions
        if isinstance(one.get("parameters"), dict)
    }


def _conform_object(value: Mapping[str, Any], schema: Schema, depth: int) -> dict[str, Any]:
    """Return an object with conformed properties, without those that its schema forbids."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or depth > _MAX_DEPTH:
        return dict(value)
    required = schema.get("required") or ()
    is_closed = schema.get("additionalProperties") is False
    conformed = {}
    for name, one in value.items():
        declared = properties.get(name)
        if declared is None and is_closed:
            continue
        if not isinstance(declared, dict):
            conformed[name] = one
        elif one is not None or name in required or _allows(declared, "null"):
            conformed[name] = _conform(one, declared, depth + 1)
    return conformed


def _conform(value: Any, schema: Schema, depth: int) -> Any:
    """Return a value in the type that its schema declares, unchanged if that is none or several."""
    if "enum" in schema:
        return _enum_value(value, schema["enum"])
    kind = schema.get("type")
    if isinstance(value, str) and kind in ("object", "array"):
        value = _decoded(value, dict if kind == "object" else list)
    if kind == "object" and isinstance(value, dict):
        return _conform_object(value, schema, depth)
    if kind == "array" and isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_conform(one, schema["items"], depth + 1) for one in value]
    if kind in ("number", "integer"):
        return _number(value, is_whole=kind == "integer")
    if kind == "boolean" and isinstance(value, str):
        return _BOOLEANS.get(value.strip().lower(), value)
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return _encode(value).decode()
    return value


def _enum_value(value: Any, allowed: Any) -> Any:
    """Return the only allowed value that differs in case, blanks or hyphens, else the value."""
    if not isinstance(value, str) or not isinstance(allowed, list) or value in allowed:
        return value
    plain = _plain(value)
    near = [one for one in allowed if isinstance(one, str) and _plain(one) == plain]
    return near[0] if len(near) == 1 else value


def _plain(text: str) -> str:
    """Return a text without case, blanks, hyphens and underscores."""
    return _PLAIN.sub("", text).casefold()


def _number(value: Any, is_whole: bool) -> Any:
    """Return a number that a text states, as an integer if a whole one is declared."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        plain = value.strip().replace(",", "")
        value = int(plain) if plain.lstrip("+-").isdigit() else float(plain)
    is_whole_float = isinstance(value, float) and math.isfinite(value) and value.is_integer()
    return int(value) if is_whole and is_whole_float else value


def _decoded(text: str, kind: type) -> Any:
    """Return the object or list that a text is the JSON of, else the text."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return value if isinstance(value, kind) else text


def _allows(schema: Schema, kind: str) -> bool:
    """Return whether a schema may allow a type; one without a plain type may allow any."""
    declared = schema.get("type")
    if isinstance(declared, list):
        return kind in declared
    return declared is None or declared == kind


def _is_same(first: Any, second: Any) -> bool:
    """Return whether two JSON values are equal in type too: 1 is not 1.0, nor true."""
    return bool(_encode(first) == _encode(second))
