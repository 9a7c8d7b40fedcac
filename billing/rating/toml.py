"""Parser for TOML files into msgspec structs, with errors that name the field and line."""

import tomllib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.toml_locations import find_line, syntax_error_line
from infra.errors import AppError
from infra.validation_errors import parse_validation_error

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
        reason, location = f"`{misfit.path}` {misfit.what}", misfit.path
    except RecursionError:
        reason, location = "the file is nested too deeply", None
    except ValueError as error:  # tomllib lets some ValueErrors of Python through
        line = syntax_error_line(str(error), text)
        reason, location = str(error), None if line is None else f"line {line}"
    raise error_type(f"{file_label} cannot be read: {reason}.", param=location)


def read_field(error_type: type[AppError], field: str, read: Callable[[], _Value]) -> _Value:
    """Call `read`; raise its ValueError as `error_type`, or its PriceInvalid, with the field."""
    try:
        return read()
    except ValueError as error:
        raise error_type(f"{field}: {error}.", param=field) from None
    except PriceInvalid as error:
        raise PriceInvalid(f"{field}: {error.message}", param=field) from None


def with_line_number(text: str, read: Callable[[], _Value]) -> _Value:
    """Call `read`; add the line number of the field, if known, to the message of an AppError."""
    try:
        return read()
    except AppError as error:
        line = find_line(text, error.param or "")
        if line is None:
            raise
        raise type(error)(f"{error.message} (line {line})", param=error.param) from None
