"""Parser for TOML files into msgspec structs, with errors that name the field and line."""

import re
import tomllib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.toml_locations import find_line, syntax_error_line
from infra.errors import AppError
from infra.sentences import Sentence, Value, listing, message_of, sentence
from infra.validation_errors import (
    MISSING_FIELD,
    UNKNOWN_FIELD,
    FieldError,
    parse_validation_error,
)

# Types in msgspec's messages, as in "expected `int`, got `str`".
_TYPES = {
    "int": sentence("a whole number"),
    "float": sentence("a number"),
    "str": sentence("a text in quotation marks"),
    "bool": sentence("true or false"),
    "array": sentence("a list"),
    "object": sentence("a table"),
    "null": sentence("left out"),
}
_WRONG_TYPE = re.compile(r"expected `(?P<expected>[^`]+)`, got `(?P<found>[^`]+)`")
_INVALID_CHOICE = re.compile(r"invalid enum value (?P<value>.+)")
_Schema = TypeVar("_Schema")
_Value = TypeVar("_Value")


def parse_toml(
    text: str, schema: type[_Schema], file_label: str, error_type: type[AppError]
) -> _Schema:
    """Parse a TOML text into a msgspec type. Raises `error_type`: "`file_label` cannot be read"."""
    try:
        return msgspec.convert(tomllib.loads(text), schema)
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        reason, location = _describe(misfit), misfit.path
    except RecursionError:
        reason, location = sentence("the file is nested too deeply"), None
    except ValueError as error:  # tomllib lets some ValueErrors of Python through
        line = syntax_error_line(str(error), text)
        reason = sentence("it is not valid TOML: {error}", error=str(error))
        location = None if line is None else f"line {line}"
    message = sentence("{file} cannot be read: {reason}.", file=file_label, reason=reason)
    raise error_type(message, param=location)


def _describe(misfit: FieldError) -> Sentence:
    """Return what is wrong with a field of a file."""
    field = misfit.path
    if misfit.what == MISSING_FIELD:
        return sentence("`{field}` is missing", field=field)
    if misfit.what == UNKNOWN_FIELD:
        return sentence("`{field}` is not known", field=field)
    if match := _WRONG_TYPE.fullmatch(misfit.what):
        expected, found = (_type_name(match[name]) for name in ("expected", "found"))
        return sentence(
            "`{field}` must be {expected}, not {found}",
            field=field,
            expected=expected,
            found=found,
        )
    if match := _INVALID_CHOICE.fullmatch(misfit.what):
        return sentence("`{field}` has no value {value}", field=field, value=match["value"])
    return sentence("`{field}` {problem}", field=field, problem=misfit.what)


def _type_name(names: str) -> Value:
    """Return the words of msgspec's types, such as `str | null`."""
    parts = [name.strip() for name in names.split("|")]
    words = [_TYPES.get(name) or name for name in parts if name != "null" or len(parts) == 1]
    return words[0] if len(words) == 1 else listing(words)


def read_field(error_type: type[AppError], field: str, read: Callable[[], _Value]) -> _Value:
    """Call `read`; raise its ValueError as `error_type`, or its PriceInvalid, with the field."""
    try:
        return read()
    except ValueError as error:
        raise error_type(field_message(field, message_of(error)), param=field) from None
    except PriceInvalid as error:
        message = sentence("{field}: {problem}", field=field, problem=message_of(error))
        raise PriceInvalid(message, param=field) from None


def with_line_number(text: str, read: Callable[[], _Value]) -> _Value:
    """Call `read`; add the line number of the field, if known, to the message of an AppError."""
    try:
        return read()
    except AppError as error:
        line = find_line(text, error.param or "")
        if line is None:
            raise
        message = sentence("{problem} (line {line})", problem=message_of(error), line=line)
        raise type(error)(message, param=error.param) from None


def field_message(field: str, problem: str) -> Sentence:
    """Return the message of a field's error: the path, and a problem without a full stop."""
    return sentence("{field}: {problem}.", field=field, problem=problem)
