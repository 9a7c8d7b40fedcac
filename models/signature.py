"""The signature of a specialist: its input and output columns, and validation of inputs.

The structs are also the signature's JSON. Input columns are converted to the signature's units;
errors name field, row and unit.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.errors import AppError
from models.sentences import Sentence, listing, sentence
from models.tables.dates import DayOrder
from models.units import UnitMismatch, UnitUnknown, unit_conversion

BYTES = "BYTES"
PLACE = ("row", "value")
"""Fields of an error object that say which row of a call, and which value of a series."""

Columns = Mapping[str, NDArray[Any]]
"""One array per field: [rows], or [rows, length] for a series."""


class InputInvalid(AppError):
    """An input that the model cannot accept; `param` names the field.

    index: the row, and the value of its series, that it is about, from 0; empty if it is about all.
    """

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        index: Iterable[int] = (),
    ) -> None:
        super().__init__(message, param=param, headers=headers)
        self.details = dict(zip(PLACE, index, strict=False))


class InputField(msgspec.Struct, frozen=True):
    """An input column of a model. Limits are inclusive; `values` lists the allowed strings.

    `length` makes the column a series with that many values per row, from minimum to maximum; all
    rows of a request have the same length. One value per row is a series of one step where the
    minimum is 1. An `optional` column may be omitted; each row then gets
    the `default`, or an empty text without one. NaN (JSON null) means a missing value where
    `nullable`.
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
    nullable: bool = False


class TimeField(InputField, frozen=True):
    """An input column of times.

    `day_order` is that of day and month in the training file's dates, None if they left no doubt.
    """

    day_order: DayOrder | None = None


class OutputField(msgspec.Struct, frozen=True):
    """An output column of a model.

    With `series` each row has a list: one value per input value, or as many as the description
    says.
    """

    name: str
    datatype: str
    unit: str | None = None
    description: str = ""
    series: bool = False


class GridField(OutputField, frozen=True):
    """An output column with an array of values in each row.

    `shape` is the array's, without the row. A class of its own, because artefacts of other models
    contain their output fields as JSON, which a further key would change.
    """

    shape: tuple[int, ...] = ()


class Signature(msgspec.Struct, frozen=True):
    """The input and output columns of a model, with the model's version."""

    inputs: tuple[InputField, ...]
    outputs: tuple[OutputField, ...]
    version: str


def require_names(signature: Signature, column_names: Iterable[str]) -> None:
    """Raise InputInvalid if a required input is missing or an unknown one is present."""
    names, expected = set(column_names), {field.name for field in signature.inputs}
    optional = {field.name for field in signature.inputs if field.optional}
    for name in sorted(expected - optional - names):
        raise InputInvalid(sentence("The input {name} is missing.", name=repr(name)), param=name)
    for name in sorted(names - expected):
        raise InputInvalid(sentence("The model has no input {name}.", name=repr(name)), param=name)


def validate_columns(signature: Signature, columns: Columns, units: Mapping[str, str]) -> Columns:
    """Return the columns in the signature's units, validated, with defaults for omitted ones.

    `units` has the units of columns that differ from the signature. Raises InputInvalid with field,
    row and unit.
    """
    require_names(signature, columns)
    present_fields = [field for field in signature.inputs if field.name in columns]
    columns = {field.name: _as_series(field, columns[field.name]) for field in present_fields}
    for field in present_fields:
        _require_shape(field, columns[field.name].shape)
    rows = _require_equal_row_counts({name: len(column) for name, column in columns.items()})
    converted = {
        field.name: convert_to_field_unit(field, columns[field.name], units.get(field.name))
        for field in present_fields
    }
    for field in present_fields:
        _require_valid_values(field, converted[field.name])
    absent = (field for field in signature.inputs if field.name not in columns)
    steps = next((column.shape[1] for column in converted.values() if column.ndim == 2), 1)
    return {**converted, **{field.name: _default_column(field, rows, steps) for field in absent}}


def _default_column(field: InputField, rows: int, steps: int) -> NDArray[Any]:
    """Return the default values of an omitted optional column, of a series in `steps` steps."""
    shape = (rows,) if field.length is None else (rows, steps)
    if field.default is not None:
        return np.full(shape, field.default, dtype=np.float32)
    if field.nullable:
        return np.full(shape, np.nan, dtype=np.float32)
    return np.full(shape, "", dtype=object)


def describe_index(index: Iterable[int]) -> Sentence:
    """Describe a position in a column: `row 3`, or `row 3, value 5` of a series."""
    row, *value = index
    if not value:
        return sentence("row {row}", row=row)
    return sentence("row {row}, value {value}", row=row, value=value[0])


def first_true_index(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the index of the first true value."""
    return tuple(int(position) for position in np.argwhere(mask)[0])


def _as_series(field: InputField, column: NDArray[Any]) -> NDArray[Any]:
    """Return single values as series of one step, [rows, 1], where the field allows one step."""
    is_single = field.length is not None and field.length[0] == 1 and column.ndim == 1
    return column[:, np.newaxis] if is_single else column


def _require_shape(field: InputField, shape: tuple[int, ...]) -> None:
    """Raise InputInvalid if a column's shape does not fit its field."""
    if field.length is None:
        if len(shape) != 1:
            raise InputInvalid(
                sentence("{name} must be one value per row.", name=repr(field.name)),
                param=field.name,
            )
        return
    minimum, maximum = field.length
    if len(shape) != 2 or not minimum <= shape[1] <= maximum:
        expected_length = f"{minimum}" if minimum == maximum else f"{minimum} to {maximum}"
        raise InputInvalid(
            sentence(
                "{name} must be a list of {expected_length} values per row, with the "
                "same length in all rows.",
                name=repr(field.name),
                expected_length=expected_length,
            ),
            param=field.name,
        )


def _require_equal_row_counts(row_counts: Mapping[str, int]) -> int:
    """Return the row count of all columns. Raises InputInvalid if they differ or are 0."""
    first_name, count = next(iter(row_counts.items()), ("", 0))
    for name, row_count in row_counts.items():
        if row_count != count:
            raise InputInvalid(
                sentence(
                    "{name} has {row_count} rows, but {first_name} has {count}.",
                    name=repr(name),
                    row_count=row_count,
                    first_name=repr(first_name),
                    count=count,
                ),
                param=name,
            )
    if count == 0:
        raise InputInvalid(sentence("The request has no rows."), param="inputs")
    return count


def convert_to_field_unit(
    field: InputField, column: NDArray[Any], unit: str | None
) -> NDArray[Any]:
    """Convert a column from `unit` to the field's unit. Raises InputInvalid."""
    if unit is None or unit == field.unit:
        return column
    if field.unit is None:
        raise _unit_error(field, unit, sentence("but the model expects no unit"))
    if not np.issubdtype(column.dtype, np.floating):
        raise _unit_error(
            field, unit, sentence("but the model expects whole {unit}", unit=field.unit)
        )
    try:
        convert = unit_conversion(unit, field.unit)
    except UnitUnknown:
        raise _unit_error(
            field, unit, sentence("which is unknown; the model expects {unit}", unit=field.unit)
        ) from None
    except UnitMismatch:
        raise _unit_error(
            field,
            unit,
            sentence(
                "which is not a unit of this quantity; the model expects {unit}", unit=field.unit
            ),
        ) from None
    # Numbers too large for the type become infinite and are rejected as not finite.
    with np.errstate(over="ignore"):
        return convert(column).astype(column.dtype)


def _unit_error(field: InputField, unit: str, reason: str) -> InputInvalid:
    """Create the error for a unit that the field does not accept."""
    return InputInvalid(
        sentence(
            "{name} is given in {unit}, {reason}.",
            name=repr(field.name),
            unit=repr(unit[:40]),
            reason=reason,
        ),
        param=field.name,
    )


def _require_valid_values(field: InputField, column: NDArray[Any]) -> None:
    """Raise InputInvalid for the first value that the field does not accept."""
    for is_invalid, reason in find_invalid_values(field, column):
        index = first_true_index(is_invalid)
        raise InputInvalid(
            sentence(
                "{name} in {place} ({value}) {reason}.",
                name=repr(field.name),
                place=describe_index(index),
                value=format_value(field, column[index]),
                reason=reason,
            ),
            param=field.name,
            index=index,
        )


def find_invalid_values(
    field: InputField, column: NDArray[Any]
) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Yield masks of invalid values, each with its reason; the column is in the field's unit."""
    is_finite = np.ones(column.shape, dtype=np.bool_)
    reasons: list[tuple[NDArray[np.bool_], str]] = []
    if field.datatype == BYTES:
        allowed = field.values
        if allowed is not None:
            is_invalid = np.array([value not in allowed for value in column], dtype=bool)
            reasons.append(
                (is_invalid, sentence("is not one of {allowed}", allowed=listing(allowed)))
            )
    elif np.issubdtype(column.dtype, np.floating):
        is_finite = np.isfinite(column)
        is_missing = np.isnan(column) & field.nullable
        reasons.append((~is_finite & ~is_missing, sentence("is not a finite number")))
    if field.minimum is not None:
        is_low = is_finite & (column < field.minimum)
        reasons.append(
            (is_low, sentence("is below {limit}", limit=_format_limit(field, field.minimum)))
        )
    if field.maximum is not None:
        is_high = is_finite & (column > field.maximum)
        reasons.append(
            (is_high, sentence("is above {limit}", limit=_format_limit(field, field.maximum)))
        )
    yield from ((is_invalid, reason) for is_invalid, reason in reasons if is_invalid.any())


def format_value(field: InputField, value: Any) -> str:
    """Format a value for an error message."""
    return repr(value[:40]) if field.datatype == BYTES else f"{value:.7g}"


def _format_limit(field: InputField, value: float) -> str:
    """Format a limit with its unit."""
    return f"{value:g} {field.unit}" if field.unit else f"{value:g}"
