"""Rows of a customer's table as inputs of a ready-made model.

columns of the file -> inputs in the model's units -> rows that the model accepts
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ready_made.values import ReadyMade
from models.sentences import listing, sentence
from models.signature import (
    BYTES,
    Columns,
    InputField,
    InputInvalid,
    OutputField,
    Signature,
    convert_to_field_unit,
    find_invalid_values,
)
from models.tables.columns import Kind, infer_column
from models.tables.schema import SchemaRequest
from models.tables.table import RawColumn, RawTable

MIN_ROWS = 30
# Fewer accepted rows than this share: a unit or a column is wrong, and the score would mislead.
_MIN_SHARE = 0.5
_NUMBERS = ("FP32", "FP64")
_CLASSES = (BYTES, "INT64", "INT32", "BOOL")

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class MappedRows:
    """The rows of a table that a ready-made model accepts.

    rows: their positions in the table. columns: the model's inputs in its units, [rows] each.
    """

    rows: Indices
    columns: Columns

    def take(self, positions: Indices) -> Columns:
        """Return the inputs of some of the accepted rows, by their position among them."""
        return {name: column[positions] for name, column in self.columns.items()}


def map_rows(
    table: RawTable, signature: Signature, request: ReadyMade, schema: SchemaRequest
) -> MappedRows:
    """Return the rows that a ready-made model accepts, in its units.

    Rows with a missing value, or one outside the model's limits, are left out. Raises InputInvalid
    for a missing column or input, another quantity, and if the model accepts under half of the
    rows.
    """
    require_known_inputs(signature, request)
    _require_single_values(signature, request)
    columns = read_inputs(table, signature, request, schema)
    accepted, reason = find_accepted(signature, columns, len(table))
    rows = np.flatnonzero(accepted)
    require_enough(len(rows), len(table), sentence("rows"), reason)
    return MappedRows(rows, {name: column[rows] for name, column in columns.items()})


def choose_output(signature: Signature, wanted: str, target: str, is_class: bool) -> OutputField:
    """Return the output to score: the wanted one, the target's namesake, or the first that fits.

    Raises InputInvalid if the model has none.
    """
    kinds = (*_CLASSES,) if is_class else (*_NUMBERS, "INT64")
    usable = [
        field
        for field in signature.outputs
        if not field.series and not getattr(field, "shape", ()) and field.datatype in kinds
    ]
    named = wanted or target
    chosen = next((field for field in usable if field.name.lower() == named.lower()), None)
    if chosen is None and not wanted:
        chosen = next(iter(usable), None)
    if chosen is None:
        names = ", ".join(f"`{field.name}`" for field in usable[:20]) or "none"
        what = sentence("class") if is_class else sentence("number")
        raise InputInvalid(
            sentence(
                "The model has no output {wanted} with a {what}. It has: {names}.",
                wanted=repr(wanted[:100]),
                what=what,
                names=names,
            ),
            param="output",
        )
    return chosen


def read_inputs(
    table: RawTable, signature: Signature, request: ReadyMade, schema: SchemaRequest
) -> Columns:
    """Return the model's inputs in its units, one value for each row of the table.

    Optional inputs without a column are left out. Raises InputInvalid.
    """
    return {
        field.name: column
        for field in signature.inputs
        if (column := _read_input(table, field, request, schema)) is not None
    }


def find_accepted(
    signature: Signature, columns: Columns, count: int
) -> tuple[NDArray[np.bool_], str]:
    """Return which of `count` rows have only values that the model accepts.

    Also returns why the first one that has others is left out, empty if there is none.
    """
    accepted, reason = np.ones(count, dtype=np.bool_), ""
    for field in signature.inputs:
        for is_invalid, text in find_invalid_values(field, columns.get(field.name, np.empty(0))):
            accepted &= ~is_invalid
            reason = reason or sentence("{name} {reason}", name=repr(field.name), reason=text)
    return accepted, reason


def require_enough(accepted: int, of: int, what: str, reason: str) -> None:
    """Raise InputInvalid if a model accepts too few of the rows or windows for a score."""
    if accepted < max(MIN_ROWS, _MIN_SHARE * of):
        raise InputInvalid(
            sentence(
                "The model accepts only {accepted} of {of} {what}: {reason}. Check the "
                "columns and their units.",
                accepted=accepted,
                of=of,
                what=what,
                reason=reason or sentence("too few"),
            )
        )


def require_known_inputs(signature: Signature, request: ReadyMade) -> None:
    """Raise InputInvalid for stated inputs that the model lacks."""
    known = {field.name for field in signature.inputs}
    for name in (*request.columns, *request.constants):
        if name not in known:
            raise InputInvalid(
                sentence(
                    "{model} has no input {name}. It has: {known}.",
                    model=repr(request.model),
                    name=repr(name[:100]),
                    known=listing(sorted(known)[:40]),
                ),
                param="columns",
            )


def _require_single_values(signature: Signature, request: ReadyMade) -> None:
    """Raise InputInvalid for a model of series, which single rows cannot be compared with."""
    if any(field.length is not None for field in signature.inputs):
        raise InputInvalid(
            sentence(
                "{model} takes series, so a training of single rows cannot be compared "
                "with it. Train a model of series.",
                model=repr(request.model),
            ),
            param="model",
        )


def _read_input(
    table: RawTable, field: InputField, request: ReadyMade, schema: SchemaRequest
) -> NDArray[Any] | None:
    """Return an input of all rows in the model's unit, None if it is left out.

    Raises InputInvalid.
    """
    constant = request.constants.get(field.name)
    if constant is not None:
        return _constant(field, constant, len(table))
    name = request.columns.get(field.name, field.name)
    raw = next((column for column in table.columns if column.name == name), None)
    if raw is None and not field.optional:
        raise InputInvalid(
            sentence(
                "The file has no column for the input {name} of {model}. Name one in "
                "`columns`, or a value in `constants`.",
                name=repr(field.name),
                model=repr(request.model),
            ),
            param="columns",
        )
    if raw is None:
        return None
    stated = schema.units.get(name) or table.units.get(name)
    return raw.as_texts() if field.datatype == BYTES else _read_numbers(raw, field, stated)


def _constant(field: InputField, value: float | str, rows: int) -> NDArray[Any]:
    """Return the same value for all rows. Raises InputInvalid if it is of another type."""
    is_text = isinstance(value, str)
    if is_text != (field.datatype == BYTES):
        kind = sentence("text") if field.datatype == BYTES else sentence("number")
        raise InputInvalid(
            sentence("The input {name} needs a {kind}.", name=repr(field.name), kind=kind),
            param="constants",
        )
    return np.full(rows, value, dtype=object if is_text else np.float32)


def _read_numbers(raw: RawColumn, field: InputField, stated: str | None) -> NDArray[Any]:
    """Return a column of numbers in the unit of an input. Raises InputInvalid."""
    column = infer_column(raw, stated, Kind.NUMBER)
    if column.invalid or column.numbers is None:
        raise InputInvalid(
            sentence(
                "The column {name} has cells that are no numbers, so it cannot be the "
                "input {input}.",
                name=repr(raw.name),
                input=repr(field.name),
            ),
            param="columns",
        )
    numbers = column.numbers.astype(np.float32)
    unit = None if field.unit is None else column.unit
    return convert_to_field_unit(field, numbers, unit)
