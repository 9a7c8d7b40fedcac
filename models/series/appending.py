"""Append observed runs to a customer's table of runs, for a further training.

table of runs with its schema + observed runs -> no duplicates, no contradictions -> one CSV file

A run is a series with one class, such as a cycle of a press: a call of the model has the whole run,
so that it can stand beside those of the table as a run of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from models.tables.appending import (
    AppendedTable,
    Cells,
    ObservedRow,
    Value,
    cells_of,
    pick,
    render_rows,
    render_value,
)
from models.tables.columns import Column, Kind
from models.tables.schema import Role, TableSchema

_Run = tuple[Cells, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns of a table with the positions of their roles; `time` is None without one."""

    columns: tuple[Column, ...]
    inputs: tuple[int, ...]
    machine: int
    target: int
    time: int | None


def append_runs(schema: TableSchema, rows: Sequence[ObservedRow]) -> AppendedTable:
    """Return the table with the observed runs that are new, after its own rows.

    Each observed run is named after its call and row. Columns that the schema ignores are empty in
    it. All counts of the result are of runs.
    """
    table = _find_columns(schema)
    own = list(zip(*(cells_of(column) for column in table.columns), strict=True))
    known = _known_runs(own, table)
    appended: list[Sequence[Cells]] = []
    duplicates, conflicts, unusable = 0, [], []
    for row in rows:
        run = _observed_run(row, table)
        if not run:
            unusable.append(row.source)
            continue
        target = run[0][table.target]
        classes = known.setdefault(_content(run, table), set())
        if target in classes:
            duplicates += 1
        elif classes:
            conflicts.append(row.source)
        else:
            classes.add(target)
            appended.append(run)
    content = render_rows(table.columns, [*own, *chain.from_iterable(appended)])
    return AppendedTable(content, len(appended), duplicates, tuple(conflicts), tuple(unusable))


def _find_columns(schema: TableSchema) -> _Table:
    """Return the columns of a table of runs, which names the run of each row."""
    roles = [one.role for one in schema.columns]
    return _Table(
        tuple(one.column for one in schema.columns),
        tuple(index for index, role in enumerate(roles) if role is Role.INPUT),
        roles.index(Role.MACHINE),
        roles.index(Role.TARGET),
        roles.index(Role.TIME) if Role.TIME in roles else None,
    )


def _known_runs(own: Sequence[Cells], table: _Table) -> dict[_Run, set[str]]:
    """Return the classes of the table's own runs, by their inputs."""
    runs: dict[str, list[Cells]] = {}
    for cells in own:
        runs.setdefault(cells[table.machine], []).append(cells)
    known: dict[_Run, set[str]] = {}
    for run in runs.values():
        known.setdefault(_content(run, table), set()).update({cells[table.target] for cells in run})
    return known


def _content(run: Sequence[Cells], table: _Table) -> _Run:
    """Return the inputs of a run, by which repeated ones are known."""
    return tuple(pick(cells, table.inputs) for cells in run)


def _observed_run(row: ObservedRow, table: _Table) -> Sequence[Cells]:
    """Return the rows of an observed run; none if it has no series of the table's inputs."""
    series = {name: values for name, values in row.inputs.items() if isinstance(values, list)}
    names = {table.columns[index].name for index in table.inputs}
    lengths = {len(values) for name, values in series.items() if name in names}
    if len(lengths) != 1:
        return ()
    (steps,) = lengths
    return [_step(row, series, table, step) for step in range(steps)]


def _step(
    row: ObservedRow, series: Mapping[str, Sequence[Value]], table: _Table, step: int
) -> Cells:
    """Return the cells of one step of an observed run, in the order of the table's columns."""
    cells = []
    for index, column in enumerate(table.columns):
        values = series.get(column.name)
        value: Value = None if values is None or step >= len(values) else values[step]
        if index == table.machine:
            value = row.source
        elif index == table.target:
            value = row.target
        elif index == table.time and value is None:
            value = row.at.timestamp() + step if column.kind is Kind.TIME else float(step)
        cells.append(render_value(value, column.kind))
    return tuple(cells)
