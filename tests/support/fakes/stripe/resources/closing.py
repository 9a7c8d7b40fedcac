"""The SDK's parameter types as closed types that reject unknown names and values.

Owns turning `stripe.params.*` into validators for decoded forms, and pydantic's findings into
Stripe's errors. The SDK leaves enumerations open (`Literal[...] | str`) so that an old SDK can
send new values; Stripe itself does not take what it does not know.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from pydantic import BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from stripe import RequestOptions
from typing_extensions import TypedDict, get_type_hints, is_typeddict

from tests.support.fakes.stripe.forms import Form
from tests.support.fakes.stripe.refusals import Refusal, invalid

_KNOWN = (str, Decimal, float, type(None))


def validate(params: type, form: Form) -> dict[str, Any]:
    """The typed parameters. Raises the `Refusal` of Stripe's response."""
    try:
        values: dict[str, Any] = _adapter(params).validate_python(form, extra="forbid")
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False), form) from None
    return values


@cache
def _adapter(params: type) -> TypeAdapter[Any]:
    return TypeAdapter(_closed_dict(params))


@cache
def _closed_dict(params: type) -> Any:
    required: frozenset[str] = params.__required_keys__  # type: ignore[attr-defined]
    fields: dict[str, Any] = {}
    # The SDK's own options, inherited here, name what their module alone imports.
    names = {"Mapping": Mapping, "StripeContext": Any}
    for name, hint in get_type_hints(params, localns=names).items():
        if name not in RequestOptions.__annotations__:
            wrap = Required if name in required else NotRequired
            fields[name] = wrap[_closed(hint)]
    return TypedDict(params.__name__, fields)  # type: ignore[operator]


def _closed(hint: Any) -> Any:
    origin = get_origin(hint)
    if is_typeddict(hint):
        return _closed_dict(hint)
    if origin in (Union, UnionType):
        return _closed_union(get_args(hint))
    if origin is list:
        return Annotated[list[_closed(get_args(hint)[0])], BeforeValidator(_as_list)]  # type: ignore[misc]
    if origin is dict:
        return dict[str, _closed(get_args(hint)[1])]  # type: ignore[misc]
    if origin is Literal or hint in _KNOWN:
        return hint
    if hint is bool:
        return Annotated[bool, BeforeValidator(_as_bool)]
    if hint is int:
        return Annotated[int, BeforeValidator(_as_int)]
    raise TypeError(f"unknown kind of parameter: {hint}")


def _closed_union(hints: tuple[Any, ...]) -> Any:
    kept = [hint for hint in hints if "UntypedStripeObject" not in str(hint)]
    values = [value for hint in kept if get_origin(hint) is Literal for value in get_args(hint)]
    if str in kept and set(values) - {""}:
        kept.remove(str)
    return reduce(or_, [_closed(hint) for hint in kept])


def _as_list(value: Any) -> Any:
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return value


def _as_bool(value: Any) -> Any:
    if value not in ("true", "false"):
        raise ValueError(f"Invalid boolean: {value}")
    return value == "true"


def _as_int(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,18}", value):
        raise ValueError(f"Invalid integer: {value}")
    return int(value)


def _refusal(found: list[ErrorDetails], form: Form) -> Refusal:
    """The most specific error; a union reports one per member."""
    rank = {"extra_forbidden": 2, "literal_error": 0, "string_type": 0}
    error = max(found, key=lambda each: (rank.get(each["type"], 1), len(each["loc"])))
    param, value = _name(error, form), error.get("input")
    match error["type"]:
        case "extra_forbidden":
            return _invalid(f"Received unknown parameter: {param}", "parameter_unknown", param)
        case "missing":
            return _invalid(f"Missing required param: {param}.", "parameter_missing", param)
        case "value_error" if value == "":
            message = f"You passed an empty string for '{param}'. "
            message += "You should remove it from your request or supply a non-empty value."
            return _invalid(message, "parameter_invalid_empty", param)
        case "value_error" if "boolean" in error["msg"]:
            return _invalid(f"Invalid boolean: {value}", None, param)
        case "value_error":
            return _invalid(f"Invalid integer: {value}", "parameter_invalid_integer", param)
        case "literal_error":
            allowed = error.get("ctx", {}).get("expected", "")
            return _invalid(f"Invalid {param}: must be one of {allowed}", None, param)
        case _:
            return _invalid(f"Invalid {param}: {error['msg']}", None, param)


def _invalid(message: str, code: str | None, param: str) -> Refusal:
    return invalid(message, code, param, began=False)


def _name(error: ErrorDetails, form: Form) -> str:
    """The parameter name, as `lines[0][amount]`, from a pydantic location with union members."""
    node: Any = form
    parts: list[str] = []
    last = len(error["loc"]) - 1
    for place, part in enumerate(error["loc"]):
        known = isinstance(node, dict) and str(part) in node
        if known or (place == last and error["type"] in ("missing", "extra_forbidden")):
            parts.append(str(part))
            node = node.get(str(part)) if known else None
    return parts[0] + "".join(f"[{part}]" for part in parts[1:]) if parts else ""
