"""Rows of a customer's table as a monitor is trained on them: features, normal rows and faults."""

from dataclasses import dataclass

import numpy as np

from models.adaptation import require_no_problems
from models.monitoring.components import Flags, Floats, Indices
from models.monitoring.inputs import CategoryRange, MonitoredInputs
from models.monitoring.labels import split_labels
from models.problems import Problem, Problems
from models.sentences import Sentence, sentence
from models.series.calls import ColumnRange, TimeColumn
from models.series.reading import read_series
from models.tables.columns import Column, Kind
from models.tables.reading import read_table
from models.tables.schema import (
    FAULT_WORDS,
    Role,
    SchemaRequest,
    TableSchema,
    infer_schema,
)

MIN_NORMAL_ROWS = 60
# Columns with more missing values say too little of the others.
_MAX_MISSING = 0.5
# A value of a category with fewer rows has no feature.
_MIN_ROWS_OF_VALUE = 5
_MAX_VALUES = 20
# Steps of a window times columns.
_MAX_WINDOW_NUMBERS = 100_000
# From this share on, the file probably has its rows twice.
_MAX_REPEATED = 0.5


@dataclass(frozen=True, slots=True)
class MonitorData:
    """Rows in the order of their series and times.

    readings: [rows, features], NaN where missing. series: the number of each row's series.
    is_normal, is_fault: [rows]. target: the name of the label column, None without one.
    """

    inputs: MonitoredInputs
    time: TimeColumn | None
    readings: Floats
    series: Indices
    is_normal: Flags
    is_fault: Flags
    target: str | None
    notes: tuple[Sentence, ...] = ()

    @property
    def normal_count(self) -> int:
        """The number of rows of normal operation."""
        return int(self.is_normal.sum())


def infer_monitor_schema(training_file: bytes, request: SchemaRequest) -> TableSchema:
    """Return the columns of a file; a target is inferred only if its name is that of a label.

    Raises TrainingFileInvalid with all problems.
    """
    return infer_schema(read_table(training_file), request, target_words=FAULT_WORDS)


def build_data(schema: TableSchema, request: SchemaRequest) -> MonitorData:
    """Return the rows of a table. Raises TrainingFileInvalid with all problems.

    Without a target all rows are taken as normal.
    """
    _require_single_precision(schema)
    found = read_series(schema, left_out_notes=False, any_names=True)
    rows = np.concatenate([one.rows for one in found.series])
    target = schema.single(Role.TARGET)
    if target is None:
        is_normal, is_fault = np.ones(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
        notes: list[Sentence] = [
            sentence("No column says normal or fault: all rows are taken as normal operation.")
        ]
    else:
        is_normal, is_fault = (flags[rows] for flags in split_labels(target, request.normal))
        notes = _describe_labels(target.name, is_normal, is_fault)
    inputs, left_out = _describe_inputs(schema, rows, is_normal)
    _require_learnable(inputs, int(is_normal.sum()), request.window or 1)
    readings = inputs.encode(_columns(schema, rows))
    series = np.repeat(np.arange(len(found.series)), found.lengths)
    data = MonitorData(
        inputs,
        TimeColumn.of(found),
        readings,
        series,
        is_normal,
        is_fault,
        None if target is None else target.name,
    )
    remarks = (*found.notes, *notes, *left_out, *_repeated_rows_note(data))
    return MonitorData(
        inputs, data.time, readings, series, is_normal, is_fault, data.target, remarks
    )


def _require_single_precision(schema: TableSchema) -> None:
    """Raise TrainingFileInvalid for numbers that no call can send: inputs are FP32."""
    largest = float(np.finfo(np.float32).max)
    problems = Problems()
    for column in schema.with_role(Role.INPUT):
        if column.kind is not Kind.NUMBER or column.numbers is None:
            continue
        beyond = column.numbers[np.abs(column.numbers) > largest]
        if len(beyond):
            message = sentence(
                "{count} readings of {column} are too large, such as {value:g}.",
                count=len(beyond),
                column=repr(column.name),
                value=float(beyond[0]),
            )
            fix = sentence("Check the reading.")
            problems.add(Problem("out_of_range", message, fix, field=column.name))
    require_no_problems(problems)


def _describe_labels(name: str, is_normal: Flags, is_fault: Flags) -> list[Sentence]:
    """Return notes on the labels."""
    unlabelled = int((~is_normal & ~is_fault).sum())
    notes: list[Sentence] = [
        sentence(
            "By {column}, {normal} rows are normal and {faults} are faults.",
            column=repr(name),
            normal=int(is_normal.sum()),
            faults=int(is_fault.sum()),
        )
    ]
    if unlabelled:
        notes.append(
            sentence(
                "{count} rows without {column} are read as a part of the course only.",
                count=unlabelled,
                column=repr(name),
            )
        )
    return notes


def _describe_inputs(
    schema: TableSchema, rows: Indices, is_normal: Flags
) -> tuple[MonitoredInputs, list[Sentence]]:
    """Return the inputs with their ranges in normal rows, and notes on those left out."""
    numbers: list[ColumnRange] = []
    constants: list[ColumnRange] = []
    categories: list[CategoryRange] = []
    notes: list[Sentence] = []
    for column in schema.with_role(Role.INPUT):
        if column.kind is Kind.CATEGORY and column.texts is not None:
            category = _category_range(column, column.texts[rows][is_normal])
            if category.frequent:
                categories.append(category)
            else:
                notes.append(_left_out(column.name, sentence("has no two values that repeat")))
        elif column.kind is Kind.NUMBER and column.numbers is not None:
            values = column.numbers[rows][is_normal]
            present = values[np.isfinite(values)]
            if len(present) < max(1, (1 - _MAX_MISSING) * len(values)):
                notes.append(_left_out(column.name, sentence("is mostly empty")))
                continue
            low, high = float(present.min()), float(present.max())
            (numbers if low < high else constants).append(
                ColumnRange(column.name, column.unit, low, high)
            )
    notes += [
        sentence(
            "{column} never changes in normal operation: another value is only named in `outside`.",
            column=repr(one.name),
        )
        for one in constants
    ]
    return MonitoredInputs(tuple(numbers), tuple(categories), tuple(constants)), notes


def _left_out(name: str, reason: Sentence) -> Sentence:
    """Return the note on a column that is left out."""
    return sentence(
        "{column} {reason} in normal operation and was left out.", column=repr(name), reason=reason
    )


def _category_range(column: Column, texts: np.ndarray) -> CategoryRange:
    """Return the values of a category, with a feature for those that repeat, at least two."""
    values, counts = np.unique(texts[texts != ""].astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MAX_VALUES]
    frequent = [str(values[at]) for at in order if counts[at] >= _MIN_ROWS_OF_VALUE]
    shown = tuple(sorted(frequent)) if len(frequent) > 1 else ()
    return CategoryRange(column.name, shown, tuple(str(value) for value in values))


def _columns(schema: TableSchema, rows: Indices) -> dict[str, np.ndarray]:
    """Return the values of the inputs by name, in the order of `rows`."""
    return {
        column.name: values[rows]
        for column in schema.with_role(Role.INPUT)
        if (values := column.texts if column.numbers is None else column.numbers) is not None
    }


def _require_learnable(inputs: MonitoredInputs, normal_rows: int, window: int) -> None:
    """Raise TrainingFileInvalid if there is nothing to learn from."""
    problems = Problems()
    if not inputs.numbers:
        message = sentence("No column with numbers changes in normal operation.")
        problems.add(Problem("no_inputs", message, sentence("Add columns with readings.")))
    if normal_rows < MIN_NORMAL_ROWS:
        message = sentence(
            "{normal_rows} rows are normal operation; at least {least} are needed, "
            "and some thousand are better.",
            normal_rows=normal_rows,
            least=MIN_NORMAL_ROWS,
        )
        problems.add(
            Problem("too_few_normal_rows", message, sentence("Add rows of normal operation."))
        )
    if window * len(inputs.owners) > _MAX_WINDOW_NUMBERS:
        message = sentence(
            "`schema.window` is too long for {count} columns.", count=len(inputs.owners)
        )
        fix = sentence(
            "State at most {steps} steps.", steps=_MAX_WINDOW_NUMBERS // len(inputs.owners)
        )
        problems.add(Problem("unsupported_setting", message, fix, field="window"))
    require_no_problems(problems)


def _repeated_rows_note(data: MonitorData) -> tuple[Sentence, ...]:
    """Return a remark if most normal rows repeat the readings of an earlier row."""
    readings = data.readings[data.is_normal]
    repeated = len(readings) - len({row.tobytes() for row in readings})
    if repeated <= _MAX_REPEATED * len(readings):
        return ()
    return (
        sentence(
            "{count} normal rows repeat the readings of an earlier row. If the file has rows "
            "twice, remove them: false alarms would be rarer in the test than in operation.",
            count=repeated,
        ),
    )
