"""TOML files that people write: read into a declared shape, with mistakes named by field and line.

Owns turning whatever is wrong with a file into a fact of its own kind. Pure.
"""

import tomllib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from billing.rating.prices import PriceInvalid
from billing.rating.toml_locations import line_of, line_of_syntax
from infra.errors import AppError
from infra.validation_errors import misfit_of

_Shape = TypeVar("_Shape")
_Value = TypeVar("_Value")


def shaped(text: str, shape: type[_Shape], what: str, otherwise: type[AppError]) -> _Shape:
    """The file as its shape has it. Raises `otherwise`, which says that `what` cannot be read."""
    try:
        return msgspec.convert(tomllib.loads(text), shape)
    except msgspec.ValidationError as error:
        misfit = misfit_of(str(error))
        said, where = f"`{misfit.path}` {misfit.what}", misfit.path
    except RecursionError:
        said, where = "it is nested too deeply", None
    except ValueError as error:  # tomllib does not wrap all that Python refuses
        line = line_of_syntax(str(error), text)
        said, where = str(error), None if line is None else f"line {line}"
    raise otherwise(f"{what} cannot be read: {said}.", param=where)


def told(otherwise: type[AppError], field: str, read: Callable[[], _Value]) -> _Value:
    """What is read, or a fact that names the field: `otherwise`, or PriceInvalid."""
    try:
        return read()
    except ValueError as error:
        raise otherwise(f"{field}: {error}.", param=field) from None
    except PriceInvalid as error:
        raise PriceInvalid(f"{field}: {error.message}", param=field) from None


def with_line(text: str, read: Callable[[], _Value]) -> _Value:
    """What is read from a file's text; a fact about a field also tells its line where known."""
    try:
        return read()
    except AppError as error:
        line = line_of(text, error.param or "")
        if line is None:
            raise
        raise type(error)(f"{error.message} (line {line})", param=error.param) from None
