"""A signature: the columns that a specialist takes and gives, learned or calculated alike.

Owns the fields' shape, which is also their JSON, bringing columns into the signature's units and
refusing what lies outside it, by field, row and unit.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.errors import AppError
from models.units import UnitMismatch, UnitUnknown, conversion

BYTES = "BYTES"

Columns = Mapping[str, NDArray[Any]]
"""One array for each field: [rows], or [rows, length] where the field is a series."""


class InputInvalid(AppError):
    """The caller sent something that the model cannot take; `param` names the field."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"


class InputField(msgspec.Struct, frozen=True):
    """One column that the model takes. Limits are inclusive; `values` closes a list of strings.

    `length` makes it a series: that many values in each row, from the least to the most. All rows
    of a request have equally many.

    Where `optional`, a caller may leave it out, and the model is given the `default` in each row,
    an empty text where there is none; of one value a row only.
    """

    name: str
    datatype: str
    unit: str | None = None
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = None
    trained: tuple[float, float] | None = None
    length: tuple[int, int] | None = None
    optional: bool = False
    default: float | None = None


class OutputField(msgspec.Struct, frozen=True):
    """`series` where a row's answer is a list: one value for each of the series that came in, or
    as many of a kind as the description says."""

    name: str
    datatype: str
    unit: str | None = None
    description: str = ""
    series: bool = False


class Signature(msgspec.Struct, frozen=True):
    inputs: tuple[InputField, ...]
    outputs: tuple[OutputField, ...]
    version: str


def require_names(signature: Signature, given: Iterable[str]) -> None:
    """Every input of the signature that is not optional, and no other. Raises InputInvalid."""
    names, expected = set(given), {field.name for field in signature.inputs}
    optional = {field.name for field in signature.inputs if field.optional}
    for name in sorted(expected - optional - names):
        raise InputInvalid(f"The input {name!r} is missing.", param=name)
    for name in sorted(names - expected):
        raise InputInvalid(f"The model has no input {name!r}.", param=name)


def checked(signature: Signature, columns: Columns, units: Mapping[str, str]) -> Columns:
    """The columns in the signature's units, all within its limits. What was left out is filled in.

    `units` names the unit of a column that came in another. Raises InputInvalid, naming the field,
    the row and the unit.
    """
    require_names(signature, columns)
    given = [field for field in signature.inputs if field.name in columns]
    for field in given:
        _require_shape(field, columns[field.name].shape)
    rows = _rows({name: len(column) for name, column in columns.items()})
    converted = {
        field.name: in_unit(field, columns[field.name], units.get(field.name)) for field in given
    }
    for field in given:
        _require_values(field, converted[field.name])
    absent = (field for field in signature.inputs if field.name not in columns)
    return {**converted, **{field.name: _left_out(field, rows) for field in absent}}


def _left_out(field: InputField, rows: int) -> NDArray[Any]:
    if field.default is None:
        return np.full(rows, "", dtype=object)
    return np.full(rows, field.default, dtype=np.float32)


def place(index: Iterable[int]) -> str:
    """Where in a column, in words: `row 3`, or `row 3, value 5` of a series."""
    return ", ".join(f"{kind} {at}" for kind, at in zip(("row", "value"), index, strict=False))


def first(bad: NDArray[np.bool_]) -> tuple[int, ...]:
    """The index of the first true one."""
    return tuple(int(at) for at in np.argwhere(bad)[0])


def _require_shape(field: InputField, shape: tuple[int, ...]) -> None:
    if field.length is None:
        if len(shape) != 1:
            raise InputInvalid(f"{field.name!r} is one value in each row.", param=field.name)
        return
    least, most = field.length
    if len(shape) != 2 or not least <= shape[1] <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise InputInvalid(
            f"{field.name!r} is a list of {wanted} values in each row, all equally long.",
            param=field.name,
        )


def _rows(rows: Mapping[str, int]) -> int:
    """How many all columns have."""
    leader, count = next(iter(rows.items()), ("", 0))
    for name, other in rows.items():
        if other != count:
            raise InputInvalid(
                f"{name!r} has {other} rows, but {leader!r} has {count}.", param=name
            )
    if count == 0:
        raise InputInvalid("There are no rows.", param="inputs")
    return count


def in_unit(field: InputField, column: NDArray[Any], unit: str | None) -> NDArray[Any]:
    """A column in the field's own unit, from `unit`. Raises InputInvalid."""
    if unit is None or unit == field.unit:
        return column
    if field.unit is None:
        raise _of_unit(field, unit, "but the model takes it without a unit")
    if not np.issubdtype(column.dtype, np.floating):
        raise _of_unit(field, unit, f"but the model takes whole {field.unit}")
    try:
        change = conversion(unit, field.unit)
    except UnitUnknown:
        raise _of_unit(field, unit, f"which is not known; the model takes {field.unit}") from None
    except UnitMismatch:
        raise _of_unit(field, unit, f"which is no unit of its kind; it is {field.unit}") from None
    # A number too large for the type becomes infinite, which is refused as that.
    with np.errstate(over="ignore"):
        return change(column).astype(column.dtype)


def _of_unit(field: InputField, unit: str, why: str) -> InputInvalid:
    return InputInvalid(f"{field.name!r} is given in {unit[:40]!r}, {why}.", param=field.name)


def _require_values(field: InputField, column: NDArray[Any]) -> None:
    for bad, why in wrong_values(field, column):
        at = first(bad)
        raise InputInvalid(
            f"{field.name!r} in {place(at)} ({shown(field, column[at])}) {why}.", param=field.name
        )


def wrong_values(
    field: InputField, column: NDArray[Any]
) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Which values of a column in the field's unit it does not take, by the reason."""
    finite = np.ones(column.shape, dtype=np.bool_)
    reasons: list[tuple[NDArray[np.bool_], str]] = []
    if field.datatype == BYTES:
        known = field.values
        if known is not None:
            bad = np.array([value not in known for value in column], dtype=bool)
            reasons.append((bad, f"is not one of {', '.join(known)}"))
    elif np.issubdtype(column.dtype, np.floating):
        finite = np.isfinite(column)
        reasons.append((~finite, "is not a finite number"))
    if field.minimum is not None:
        low = finite & (column < field.minimum)
        reasons.append((low, f"is below {_limit(field, field.minimum)}"))
    if field.maximum is not None:
        high = finite & (column > field.maximum)
        reasons.append((high, f"is above {_limit(field, field.maximum)}"))
    yield from ((bad, why) for bad, why in reasons if bad.any())


def shown(field: InputField, value: Any) -> str:
    """A value in a message."""
    return repr(value[:40]) if field.datatype == BYTES else f"{value:.7g}"


def _limit(field: InputField, value: float) -> str:
    return f"{value:g} {field.unit}" if field.unit else f"{value:g}"
