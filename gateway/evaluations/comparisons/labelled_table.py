"""A table with known results, as the instances of each model that is compared on it.

file -> table -> instances of a model, with the result that belongs to each
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gateway.call.errors import ParameterInvalid
from gateway.wire.own_models.comparisons import ComparisonRequest
from models.observed.metrics import Floats
from models.sentences import Sentence
from models.signature import InputInvalid
from models.tables.columns import Kind, infer_column
from models.tables.dates import DayOrder, parse_dates
from models.tables.instances import ModelInput, TableInstances, build_instances
from models.tables.reading import read_table
from models.tables.table import RawColumn, RawTable, Texts
from models.tabular.data import column_labels

# A comparison keeps all its rows and predictions in memory.
MAX_ROWS = 20_000
MIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """A table with its results as they are written, empty where unknown, and what groups its rows.

    target, machine, time: the columns, empty for none. machines: the machine of each row, None
    without such a column. times: in seconds, NaN where unknown, None without such a column.
    """

    table: RawTable
    target: str
    results: Texts
    machine: str
    machines: Texts | None
    time: str
    times: Floats | None


@dataclass(frozen=True, slots=True)
class LabelledInstances:
    """The instances of one model whose result is known, with the position of each in the table.

    notes: on columns that may be inputs of the model under another name.
    """

    instances: tuple[Mapping[str, Any], ...]
    units: Mapping[str, str]
    positions: tuple[int, ...]
    notes: tuple[Sentence, ...] = ()


def read_labelled_table(content: bytes, request: ComparisonRequest) -> LabelledTable:
    """Read a table with the columns that a request names.

    Raises TrainingFileInvalid for a file that is no table, ParameterInvalid for a missing column
    and for too many rows.
    """
    table = read_table(content)
    if len(table) > MAX_ROWS:
        raise ParameterInvalid(
            f"The table has more than {MAX_ROWS:,} rows. Split it.", param="file"
        )
    columns = {column.name: column for column in table.columns}
    for field in ("target", "machine", "time"):
        name = getattr(request, field)
        if name and name not in columns:
            raise ParameterInvalid(f"The table has no column {name!r}.", param=field)
    machines = columns[request.machine].as_texts() if request.machine else None
    times = _read_times(columns[request.time].as_texts(), None) if request.time else None
    results = infer_column(columns[request.target], kind=Kind.TEXT).texts
    if results is None:
        results = np.full(len(table), "", dtype=object)
    return LabelledTable(
        table, request.target, results, request.machine, machines, request.time, times
    )


def with_day_order(labelled: LabelledTable, inputs: Iterable[ModelInput]) -> LabelledTable:
    """Return a table whose times have the order of day and month that one of the models knows."""
    order = next((one.day_order for one in inputs if one.day_order is not None), None)
    if order is None or not labelled.time:
        return labelled
    times = _read_times(_column(labelled, labelled.time).as_texts(), order)
    return replace(labelled, times=times)


def build_labelled_instances(
    labelled: LabelledTable, inputs: Sequence[ModelInput], columns: Mapping[str, str]
) -> LabelledInstances:
    """Return the instances of a model with these inputs whose result is known.

    `columns` maps inputs to columns of other names. Raises ParameterInvalid, InputInvalid.
    """
    table = rename_columns(labelled.table, columns)
    is_series = any(one.steps is not None for one in inputs)
    machine = labelled.machine if is_series else ""
    found = build_instances(table, inputs, machine=machine, others=(labelled.target,))
    return _with_result(labelled, found)


def numbers_of(labelled: LabelledTable) -> Floats:
    """Return all results as numbers, as the table writes them. Raises ParameterInvalid."""
    target = labelled.target
    unit = labelled.table.units.get(target)
    read = infer_column(_column(labelled, target), unit, Kind.NUMBER)
    if read.invalid or read.numbers is None:
        raise ParameterInvalid(
            f"The column {target!r} has results that are no numbers.", param="target"
        )
    return read.numbers


def classes_of(labelled: LabelledTable) -> Texts:
    """Return all results as the classes that a training reads, empty where unknown.

    Where all of them are numbers, `01` is the class `1`.
    """
    unit = labelled.table.units.get(labelled.target)
    read = infer_column(_column(labelled, labelled.target), unit)
    if read.numbers is None or read.invalid:
        return labelled.results
    known = np.isfinite(read.numbers)
    labels = zip(column_labels(read), known, strict=True)
    return np.array([label if is_known else "" for label, is_known in labels], dtype=object)


def rename_columns(table: RawTable, columns: Mapping[str, str]) -> RawTable:
    """Return a table with the mapped columns under the names of inputs. Raises ParameterInvalid."""
    by_column = {column: name for name, column in columns.items()}
    for column in by_column.keys() - set(table.names):
        raise ParameterInvalid(f"The table has no column {column!r}.", param="columns")
    kept = [one for one in table.columns if one.name in by_column or one.name not in columns]
    return replace(table, columns=tuple(kept)).renamed(by_column)


def _column(labelled: LabelledTable, name: str) -> RawColumn:
    """Return a column of the table."""
    return next(one for one in labelled.table.columns if one.name == name)


def _with_result(labelled: LabelledTable, found: TableInstances) -> LabelledInstances:
    """Return the instances whose last row has a result. Raises InputInvalid if there are few."""
    chosen = [index for index, position in enumerate(found.positions) if labelled.results[position]]
    if len(chosen) < MIN_ROWS:
        raise InputInvalid(
            f"A comparison needs at least {MIN_ROWS} rows with a result, or machines for models of "
            f"series. There are {len(chosen)}."
        )
    return LabelledInstances(
        tuple(found.instances[index] for index in chosen),
        found.units,
        tuple(found.positions[index] for index in chosen),
        found.notes,
    )


def _read_times(texts: Texts, order: DayOrder | None) -> Floats:
    """Return times in seconds, NaN where they are empty or no dates; numbers as they are."""
    try:
        return np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        return np.asarray(parse_dates(texts, order).seconds, dtype=np.float64)
