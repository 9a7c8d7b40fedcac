"""Rows of a table as the instances of a prediction request.

A model of rows gets an instance for each row of the table. A model of series gets one for each
machine: the last steps of its columns, in the order of time, as many as the machine has.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.sentences import Sentence, listing, sentence
from models.signature import InputInvalid
from models.tables.columns import Column, Kind, infer_column
from models.tables.dates import DayOrder, parse_dates
from models.tables.headers import split_unit
from models.tables.model_names import with_model_names
from models.tables.similar_headers import notes_on_similar
from models.tables.table import RawColumn, RawTable, RowNumbers, Texts

Cell = float | str | None
Value = Cell | list[Cell]
Rows = NDArray[np.intp]

# Columns or machines that an error names.
_MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class ModelInput:
    """An input of a model, by the name of its column.

    steps: the least and the largest number of steps of a series, None for a single value.
    day_order: of day and month in the training file's dates, None if they left no doubt.
    """

    name: str
    is_text: bool = False
    steps: tuple[int, int] | None = None
    is_optional: bool = False
    unit: str | None = None
    day_order: DayOrder | None = None


@dataclass(frozen=True, slots=True)
class ShortSeries:
    """A machine with fewer rows than the model needs, and the sentence that says so."""

    label: str
    reason: Sentence


@dataclass(frozen=True, slots=True)
class TableInstances:
    """Instances with their labels: the number of the row in the file, or the machine.

    units: by input, where the file states another unit than the model's. positions: the row of the
    table that each instance ends with, from 0. lines: of the file, of the steps of each instance.
    too_short: machines without an instance. notes: on columns that may be optional inputs of the
    model under another name.
    """

    instances: tuple[Mapping[str, Value], ...]
    units: Mapping[str, str]
    labels: tuple[str, ...]
    positions: tuple[int, ...] = ()
    lines: tuple[RowNumbers, ...] = ()
    too_short: tuple[ShortSeries, ...] = ()
    notes: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows of the table, in order, that make one instance."""

    label: str
    rows: Rows


def build_instances(
    table: RawTable,
    inputs: Sequence[ModelInput],
    *,
    machine: str = "",
    constants: Mapping[str, float] | None = None,
    skip_short: bool = False,
    others: Sequence[str] = (),
) -> TableInstances:
    """Return the instances of a table for a model with these inputs.

    Columns are found by their names, also in another letter case or unit (model_names.py).
    `machine` names the column that tells the machines of series apart; without it the table is one
    series. `constants` are values of inputs that are no columns, such as a forecast's horizon,
    `others` are columns that are no inputs, such as known results.
    With `skip_short`, machines with too few rows are only named, unless all have.

    Raises InputInvalid for missing columns, cells of the wrong type and too short series.
    """
    fixed = constants or {}
    table = with_model_names(table, [one.name for one in inputs], [machine, *others, *fixed])
    columns = {column.name: column for column in table.columns}
    wanted = [one for one in inputs if one.name in columns and one.name not in fixed]
    _require_columns(table, inputs, [*columns, *fixed], machine)
    cells = {one.name: _read_cells(table, columns[one.name], one) for one in wanted}
    units = {one.name: unit for one in wanted if (unit := _other_unit(table, columns, one))}
    series = [one for one in wanted if one.steps is not None]
    groups = _series_groups(table, columns, series, machine) if series else _row_groups(table)
    least, most = _step_bounds(series)
    too_short = [group for group in groups if len(group.rows) < least]
    if too_short and (not skip_short or len(too_short) == len(groups)):
        raise InputInvalid(_too_short_machines(too_short, len(groups), least))
    groups = [group for group in groups if len(group.rows) >= least]
    instances = tuple(
        {
            **{one.name: _value(cells[one.name], one, group.rows, most) for one in wanted},
            **fixed,
        }
        for group in groups
    )
    return TableInstances(
        instances,
        units,
        tuple(group.label for group in groups),
        tuple(int(group.rows[-1]) for group in groups),
        tuple(table.row_numbers[group.rows[-most:]] for group in groups),
        tuple(ShortSeries(group.label, _too_short(group, least)) for group in too_short),
        _notes(table, inputs, {machine, *others, *fixed}),
    )


def _require_columns(
    table: RawTable, inputs: Iterable[ModelInput], given: Sequence[str], machine: str
) -> None:
    """Raise InputInvalid if the table is empty or lacks a column."""
    if not len(table):
        raise InputInvalid("The table has no rows below its header.")
    missing = [one.name for one in inputs if not one.is_optional and one.name not in given]
    if machine and machine not in table.names:
        missing.append(machine)
    if missing:
        names = ", ".join(repr(name) for name in missing[:_MAX_NAMED])
        raise InputInvalid(f"The table has no column {names}. The names must be those of training.")


def _notes(table: RawTable, inputs: Sequence[ModelInput], given: Set[str]) -> tuple[Sentence, ...]:
    """Return notes on inputs without a column; `given` are not looked for among the columns."""
    lacking = {one.name for one in inputs} - {*table.names, *given}
    used = {one.name for one in inputs} | given
    return notes_on_similar(lacking, [name for name in table.names if name not in used])


def _read_cells(table: RawTable, raw: RawColumn, wanted: ModelInput) -> list[Cell]:
    """Return the cells of a column, None where a number is missing. Raises InputInvalid."""
    if wanted.is_text:
        texts = infer_column(raw, kind=Kind.TEXT).texts
        return [] if texts is None else [str(text) for text in texts]
    column = infer_column(raw, _stated_unit(table, wanted), Kind.NUMBER)
    if column.invalid:
        position = column.invalid[0]
        line, text = int(table.row_numbers[position]), str(raw.as_texts()[position])[:40]
        raise InputInvalid(
            f"Line {line}: {text!r} in the column {wanted.name!r} is not a number.",
            param=wanted.name,
        )
    return [None if np.isnan(number) else float(number) for number in _numbers(column)]


def _numbers(column: Column) -> NDArray[np.float64]:
    """Return the numbers of a column of numbers."""
    return np.empty(0) if column.numbers is None else column.numbers


def _other_unit(
    table: RawTable, columns: Mapping[str, RawColumn], wanted: ModelInput
) -> str | None:
    """Return the unit that the file states for an input, if it is not the model's."""
    if wanted.is_text or wanted.unit is None:
        return None
    stated = infer_column(columns[wanted.name], _stated_unit(table, wanted), Kind.NUMBER).unit
    return stated if stated != wanted.unit else None


def _stated_unit(table: RawTable, wanted: ModelInput) -> str | None:
    """Return the unit of an input's cells that state none; None for that of the header.

    It is that of the row below the header, and the model's if the header has none either.
    """
    header_unit = split_unit(wanted.name)[1]
    return table.units.get(wanted.name) or (wanted.unit if header_unit is None else None)


def _row_groups(table: RawTable) -> list[_Group]:
    """Return a group for each row, labelled with its line in the file."""
    return [
        _Group(str(int(line)), np.array([position]))
        for position, line in enumerate(table.row_numbers)
    ]


def _series_groups(
    table: RawTable,
    columns: Mapping[str, RawColumn],
    series: Sequence[ModelInput],
    machine: str,
) -> list[_Group]:
    """Return the rows of each machine, machines in order of appearance, rows in order of time."""
    labels: Texts = (
        columns[machine].as_texts() if machine else np.full(len(table), "", dtype=object)
    )
    order = _time_order(columns, series, len(table))
    members: dict[str, list[int]] = {str(label): [] for label in labels}
    for position in order:
        members[str(labels[position])].append(int(position))
    return [_Group(label, np.array(rows, dtype=np.intp)) for label, rows in members.items()]


def _time_order(columns: Mapping[str, RawColumn], series: Sequence[ModelInput], rows: int) -> Rows:
    """Return the order of the rows by the text input of a series, its time; else as they are."""
    times = next((one for one in series if one.is_text), None)
    if times is None:
        return np.arange(rows)
    seconds = parse_dates(columns[times.name].as_texts(), times.day_order).seconds
    return np.argsort(seconds, kind="stable")


def _step_bounds(series: Sequence[ModelInput]) -> tuple[int, int]:
    """Return the least and the largest number of steps that all series may have."""
    bounds = [one.steps for one in series if one.steps is not None]
    return max((low for low, _ in bounds), default=1), min((high for _, high in bounds), default=1)


def _too_short(group: _Group, least: int) -> Sentence:
    """Return the sentence on a machine, or a table of one, that has too few rows."""
    of = sentence("The table")
    if group.label:
        of = sentence("The machine {label}", label=repr(group.label[:60]))
    return sentence(
        "{series} has {count} rows; the model needs the last {least}.",
        series=of,
        count=len(group.rows),
        least=least,
    )


def _too_short_machines(too_short: Sequence[_Group], count: int, least: int) -> Sentence:
    """Return the sentence on the machines, of so many, that have too few rows."""
    shortest = sorted(too_short, key=lambda one: len(one.rows))
    if len(shortest) == 1:
        return _too_short(shortest[0], least)
    named = [f"{one.label[:60]!r} ({len(one.rows)})" for one in shortest[:_MAX_NAMED]]
    return sentence(
        "{short} of {count} machines have too few rows; the model needs the last {least}. The "
        "shortest: {machines}.",
        short=len(shortest),
        count=count,
        least=least,
        machines=listing(named),
    )


def _value(cells: Sequence[Cell], wanted: ModelInput, rows: Rows, most: int) -> Value:
    """Return an instance's value: the last steps of a series, or the cell of the last row."""
    if wanted.steps is None:
        return cells[int(rows[-1])]
    return [cells[int(row)] for row in rows[-most:]]
