"""Append observed rows to a customer's table, for a further training.

    table with its schema + observed rows -> no duplicates, no contradictions -> one CSV file

All cells are rendered as the schema reads them, so that the two sources cannot differ in decimal
marks or forms of dates.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from models.tables.columns import Column, Kind
from models.tables.headers import split_unit
from models.tables.schema import Role, TableSchema

Value = float | str | bool | None
Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObservedRow:
    """What a customer observed for a prediction. `source` names the call and row.

    inputs: by column, as they were sent to the model: a list is a series.
    """

    source: str
    inputs: Mapping[str, Value | list[Value]]
    target: float | str
    machine: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AppendedTable:
    """A table as a CSV file that ends with the `appended` observed results.

    duplicates: observed rows that the table has already. conflicts: sources of observed rows whose
    inputs another row has with another class; they are left out. unusable: sources of rows without
    any of the table's inputs.
    """

    content: bytes
    appended: int
    duplicates: int
    conflicts: tuple[str, ...]
    unusable: tuple[str, ...]


def append_rows(
    schema: TableSchema, rows: Sequence[ObservedRow], target_is_class: bool
) -> AppendedTable:
    """Return the table with the observed rows that are new, after its own rows.

    Columns that the schema ignores are kept, empty in observed rows. Rows of the same inputs with
    other numbers are repeated measurements; with another class they contradict each other, and the
    customer has to say which is true.
    """
    columns = [one.column for one in schema.columns]
    roles = [one.role for one in schema.columns]
    own = list(zip(*(cells_of(column) for column in columns), strict=True))
    inputs = [index for index, role in enumerate(roles) if role is Role.INPUT]
    target = next(index for index, role in enumerate(roles) if role is Role.TARGET)
    known: dict[Cells, set[str]] = {}
    for cells in own:
        known.setdefault(pick(cells, inputs), set()).add(cells[target])
    appended: list[Cells] = []
    duplicates, conflicts, unusable = 0, [], []
    for row in rows:
        cells = _observed_cells(row, columns, roles)
        key = pick(cells, inputs)
        if not any(key):
            unusable.append(row.source)
            continue
        targets = known.setdefault(key, set())
        if cells[target] in targets:
            duplicates += 1
        elif targets and target_is_class:
            conflicts.append(row.source)
        else:
            targets.add(cells[target])
            appended.append(cells)
    content = render_rows(columns, [*own, *appended])
    return AppendedTable(content, len(appended), duplicates, tuple(conflicts), tuple(unusable))


def _observed_cells(row: ObservedRow, columns: Sequence[Column], roles: Sequence[Role]) -> Cells:
    """Return the cells of an observed row in the order of the table's columns."""
    of_role: Mapping[Role, Value] = {
        Role.TARGET: row.target,
        Role.MACHINE: row.machine,
        Role.TIME: row.at.astimezone(UTC).timestamp(),
    }
    return tuple(
        render_value(of_role[role] if role in of_role else _single(row, column), column.kind)
        for column, role in zip(columns, roles, strict=True)
    )


def _single(row: ObservedRow, column: Column) -> Value:
    """Return the input of a column; None for a series, which is not of a single row."""
    value = row.inputs.get(column.name)
    return None if isinstance(value, list) else value


def cells_of(column: Column) -> Iterable[str]:
    """Return the cells of a column as texts."""
    if column.numbers is not None:
        return [render_value(float(number), column.kind) for number in column.numbers]
    texts = column.texts if column.texts is not None else np.empty(0, dtype=object)
    return [str(text) for text in texts]


def render_value(value: Value, kind: Kind) -> str:
    """Return a value as the text of a cell; times as ISO 8601, missing numbers as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value.strip()
    if not np.isfinite(value):
        return ""
    if kind is Kind.TIME:
        moment = datetime.fromtimestamp(value, UTC)
        return moment.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    return f"{value:.15g}"


def pick(cells: Cells, positions: Sequence[int]) -> Cells:
    """Return the cells at some positions."""
    return tuple(cells[position] for position in positions)


def render_rows(columns: Sequence[Column], rows: Sequence[Cells]) -> bytes:
    """Render a CSV file; units that no header states are in a second row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    units = [
        column.unit if column.unit and split_unit(column.name)[1] is None else ""
        for column in columns
    ]
    if any(units):
        writer.writerow(units)
    writer.writerows(rows)
    return text.getvalue().encode()
