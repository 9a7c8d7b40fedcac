"""Read the series of a long table: one row for each machine and time step."""

from collections.abc import Sequence

import numpy as np

from models.adaptation import require_no_problems
from models.problems import Problem, Problems
from models.sentences import Sentence, sentence
from models.series.series import Floats, Indices, Series, SeriesColumn, SeriesSet
from models.tables.columns import Column, Kind
from models.tables.schema import Role, TableSchema
from models.tabular.data import column_labels, require_free_names

_MAX_REPORTED = 5


def read_series(
    schema: TableSchema, *, left_out_notes: bool = True, any_names: bool = False
) -> SeriesSet:
    """Return the series of a table, each in the order of its times.

    left_out_notes: whether notes name columns without numbers and those that never change.
    any_names: whether the caller has no inputs of its own, whose names columns cannot have.

    Without a machine column all rows are one series, without a time column the order is that of the
    file. Raises TrainingFileInvalid with all problems.
    """
    inputs, notes = _number_inputs(schema)
    machine, time = schema.single(Role.MACHINE), schema.single(Role.TIME)
    problems = Problems()
    if not inputs:
        message = sentence("No column with numbers that change is left as an input.")
        problems.add(Problem("no_inputs", message, sentence("Add columns with readings.")))
    if not any_names:
        require_free_names([column.name for column in inputs])
    if time is not None and time.numbers is None:
        message = sentence(
            "The time column {name} has neither numbers nor dates.", name=repr(time.name)
        )
        fix = sentence("Correct it, or state that there is no time column: the rows are in order.")
        problems.add(Problem("wrong_type", message, fix, field=time.name))
    times = _times(time, schema.row_count)
    labels = _machine_labels(machine, schema.row_count, problems)
    _report_missing_times(times, time, problems)
    require_no_problems(problems)
    readings = np.stack([_numbers(column) for column in inputs], axis=1)
    series = _split(labels, times, readings)
    if time is not None:
        _report_repeated_times(series, time.name, problems)
    require_no_problems(problems)
    return SeriesSet(
        tuple(_describe(column) for column in inputs),
        tuple(series),
        None if time is None else time.name,
        None if time is None else time.kind,
        tuple(notes) if left_out_notes else (),
        None if time is None else time.day_order,
    )


def _number_inputs(schema: TableSchema) -> tuple[list[Column], list[Sentence]]:
    """Return the inputs with numbers that change, and notes on those that are left out."""
    inputs: list[Column] = []
    notes: list[Sentence] = []
    for column in schema.with_role(Role.INPUT):
        if column.kind is not Kind.NUMBER:
            notes.append(
                sentence("{column} has no numbers and was left out.", column=repr(column.name))
            )
            continue
        present = _numbers(column)[np.isfinite(_numbers(column))]
        if len(present) == 0 or np.ptp(present) == 0:
            notes.append(
                sentence("{column} never changes and was left out.", column=repr(column.name))
            )
        else:
            inputs.append(column)
    return inputs, notes


def _numbers(column: Column) -> Floats:
    """Return the numbers of a column."""
    return column.numbers if column.numbers is not None else np.empty(0)


def _describe(column: Column) -> SeriesColumn:
    """Return name, unit and range of a column."""
    numbers = _numbers(column)
    return SeriesColumn(
        column.name, column.unit, float(np.nanmin(numbers)), float(np.nanmax(numbers))
    )


def _times(time: Column | None, rows: int) -> Floats:
    """Return the time of each row, its position without a time column."""
    if time is None or time.numbers is None:
        return np.arange(rows, dtype=np.float64)
    return time.numbers


def _machine_labels(machine: Column | None, rows: int, problems: Problems) -> Sequence[str]:
    """Return the machine of each row; report rows without one."""
    if machine is None:
        return [""] * rows
    labels = column_labels(machine)
    missing = [position for position, label in enumerate(labels) if label in ("", "nan")]
    if missing:
        message = sentence(
            "{count} rows have no {name}.", count=len(missing), name=repr(machine.name)
        )
        problems.add(
            Problem("empty_machine", message, sentence("Fill them in."), field=machine.name)
        )
    return labels


def _report_missing_times(times: Floats, time: Column | None, problems: Problems) -> None:
    """Report rows without a time."""
    missing = int(np.isnan(times).sum())
    if missing and time is not None:
        message = sentence("{missing} rows have no {name}.", missing=missing, name=repr(time.name))
        fix = sentence(
            "Fill the times in, or state that there is no time column: the rows are in order."
        )
        problems.add(Problem("empty_time", message, fix, field=time.name))


def _split(labels: Sequence[str], times: Floats, readings: Floats) -> list[Series]:
    """Return a series for each label, in the order of its times."""
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    machine = np.array([codes[label] for label in labels], dtype=np.intp)
    order: Indices = np.lexsort((times, machine))
    starts = np.flatnonzero(np.diff(machine[order])) + 1
    names = list(codes)
    return [
        Series(names[machine[rows[0]]], readings[rows], times[rows], rows)
        for rows in np.split(order, starts)
    ]


def _report_repeated_times(series: Sequence[Series], name: str, problems: Problems) -> None:
    """Report series with several rows at one time."""
    repeated = [one for one in series if np.any(np.diff(one.times) == 0)]
    for one in repeated[:_MAX_REPORTED]:
        message = (
            sentence(
                "The machine {machine} has several rows with the same {name}.",
                machine=repr(one.machine[:40]),
                name=repr(name),
            )
            if one.machine
            else sentence("There are several rows with the same {name}.", name=repr(name))
        )
        fix = sentence(
            "Give each series its own name in the machine column, or remove repeated rows."
        )
        problems.add(Problem("repeated_time", message, fix, field=name))
    problems.count += max(0, len(repeated) - _MAX_REPORTED)
