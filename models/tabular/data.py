"""The rows of a table as a model is trained on them: inputs, target, machines and time order."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.adaptation import TrainingFileInvalid
from models.problems import Problem, Problems
from models.sentences import Sentence, sentence
from models.tables.columns import Column, Kind
from models.tables.schema import Role, TableSchema
from models.tabular.copies import describe_copies, find_copies

MIN_ROWS = 30
MIN_ROWS_PER_CLASS = 5
MAX_CLASSES = 50
# Rows of the same inputs with other targets: more than this share cannot be told apart.
_MAX_CONTRADICTIONS = 0.2
# Whole numbers of a float that are told apart.
_MAX_WHOLE = 2.0**53
_OTHER_TARGET = "State another target in `schema.target`."

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Texts = NDArray[np.object_]


class Goal(StrEnum):
    """What is predicted of a row."""

    CLASS = "class"
    NUMBER = "number"


# Names of a model's own inputs, which no column can have.
RESERVED_NAMES = frozenset({"level"})


@dataclass(frozen=True, slots=True)
class Target:
    """The target of each row.

    values: the numbers, or the index of the class in `classes`, [rows].
    """

    name: str
    goal: Goal
    values: Floats
    unit: str | None = None
    classes: tuple[str, ...] = ()

    @property
    def indices(self) -> Indices:
        """The class of each row as an index."""
        return self.values.astype(np.intp)


@dataclass(frozen=True, slots=True)
class TabularData:
    """The rows that have a target.

    inputs: columns of numbers and categories. machines: index of the machine of each row, None if
    the file names none. times: of all rows, None if it has none. rows: positions in the file's
    table. notes: what was left out. copies: the first row that is the same in all columns of the
    file, of each row; None if rows are not copied.
    """

    inputs: tuple[Column, ...]
    target: Target
    machines: Indices | None
    times: Floats | None
    rows: Indices
    notes: tuple[Sentence, ...] = ()
    copies: Indices | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.target.values)


def build_data(schema: TableSchema, goal: Goal) -> TabularData:
    """Return the training rows of a table. Raises TrainingFileInvalid with all problems."""
    target_column = schema.single(Role.TARGET)
    if target_column is None:
        raise _invalid("missing_target", sentence("The file has no column that can be the target."))
    has_target = _has_value(target_column)
    rows = np.flatnonzero(has_target)
    target = _build_target(_take(target_column, rows), goal)
    inputs, notes = _usable_inputs(schema, rows)
    machine = schema.single(Role.MACHINE)
    times, untimed = _order_times(schema.single(Role.TIME), rows)
    copies = find_copies([one.column for one in schema.columns], rows)
    data = TabularData(
        inputs,
        target,
        None if machine is None else _machine_indices(_take(machine, rows)),
        times,
        rows,
        (
            *_missing_target_note(len(has_target) - len(rows), target.name),
            *notes,
            *untimed,
            *describe_copies(copies),
        ),
        copies,
    )
    _require_learnable(data)
    require_free_names(column.name for column in data.inputs)
    return data


def require_free_names(names: Iterable[str]) -> None:
    """Raise TrainingFileInvalid if a column has the name of an input that models have anyway."""
    for name in names:
        if name in RESERVED_NAMES:
            message = sentence("No input can be named {name}.", name=repr(name))
            raise _invalid("invalid_name", message, name, fix=sentence("Rename the column."))


def _has_value(column: Column) -> NDArray[np.bool_]:
    """Return which rows have a value in a column."""
    if column.numbers is not None:
        return np.isfinite(column.numbers)
    texts = column.texts if column.texts is not None else np.empty(0, dtype=object)
    return np.asarray(texts != "", dtype=np.bool_)


def _take(column: Column, rows: Indices) -> Column:
    """Return a column with some of its rows."""
    return Column(
        column.name,
        column.kind,
        None if column.numbers is None else column.numbers[rows],
        None if column.texts is None else column.texts[rows],
        column.unit,
    )


def _build_target(column: Column, goal: Goal) -> Target:
    """Return the target of the rows. Raises TrainingFileInvalid if the column cannot be one."""
    if goal is Goal.NUMBER:
        if column.numbers is None:
            message = sentence(
                "The target {name} has texts; a regressor predicts numbers.", name=repr(column.name)
            )
            raise _invalid("wrong_type", message, column.name)
        return Target(column.name, goal, column.numbers, column.unit)
    labels = column_labels(column)
    classes = tuple(sorted(set(labels)))
    if len(classes) > MAX_CLASSES:
        message = sentence(
            "The target {name} has {count} different values; a classifier has at "
            "most {most} classes.",
            name=repr(column.name),
            count=len(classes),
            most=MAX_CLASSES,
        )
        raise _invalid("too_many_classes", message, column.name)
    position = {label: index for index, label in enumerate(classes)}
    values = np.array([position[label] for label in labels], dtype=np.float64)
    return Target(column.name, goal, values, classes=classes)


def column_labels(column: Column) -> list[str]:
    """Return the class or machine of each row as a text, numbers with all their digits.

    Whole numbers are written without a decimal point, as in the file; a missing number is `nan`.
    """
    if column.texts is not None:
        return [str(text) for text in column.texts]
    numbers = column.numbers if column.numbers is not None else np.empty(0)
    return [_number_label(float(number)) for number in numbers]


def _number_label(number: float) -> str:
    """Return a number as a text: up to 15 digits, beyond which converted units differ by chance."""
    if number.is_integer() and abs(number) < _MAX_WHOLE:
        return f"{number:.0f}"
    return f"{number:.15g}"


def _usable_inputs(schema: TableSchema, rows: Indices) -> tuple[tuple[Column, ...], list[Sentence]]:
    """Return the inputs that change, and notes on those that are left out."""
    inputs: list[Column] = []
    notes: list[Sentence] = []
    for column in schema.with_role(Role.INPUT):
        taken = _take(column, rows)
        if column.kind is Kind.NUMBER or column.kind is Kind.CATEGORY:
            if _is_constant(taken):
                notes.append(
                    sentence("{column} never changes and was left out.", column=repr(column.name))
                )
            else:
                inputs.append(taken)
    return tuple(inputs), notes


def _is_constant(column: Column) -> bool:
    """Return whether a column has one value in all rows."""
    values = column.texts if column.numbers is None else column.numbers
    if values is None or not len(values):
        return True
    if column.numbers is not None:
        present = column.numbers[np.isfinite(column.numbers)]
        all_present = len(present) == len(column.numbers)
        return len(present) == 0 or (all_present and bool(np.ptp(present) == 0))
    return len(set(values)) == 1


def _machine_indices(column: Column) -> Indices:
    """Return the machine of each row as an index."""
    labels = column_labels(column)
    position = {label: index for index, label in enumerate(dict.fromkeys(labels))}
    return np.array([position[label] for label in labels], dtype=np.intp)


def _order_times(
    column: Column | None, rows: Indices
) -> tuple[Floats | None, tuple[Sentence, ...]]:
    """Return the time of each row, None if there is none, and a note on rows without one.

    A row without a time has that of the row before it in the file: a few empty cells must not make
    the test one of random rows, which resemble those of the training.
    """
    if column is None or column.numbers is None:
        return None, ()
    known = np.flatnonzero(np.isfinite(column.numbers))
    if not len(known):
        return None, ()
    before = np.searchsorted(known, rows, side="right") - 1
    count = int(np.isnan(column.numbers[rows]).sum())
    note = sentence(
        "{count} rows have no time: each is placed at the time of the row before it.", count=count
    )
    return column.numbers[known[np.maximum(before, 0)]], (note,) if count else ()


def _missing_target_note(count: int, name: str) -> tuple[Sentence, ...]:
    """Return a note on rows without a target."""
    if not count:
        return ()
    return (
        sentence("{count} rows without {column} were left out.", count=count, column=repr(name)),
    )


def _require_learnable(data: TabularData) -> None:
    """Raise TrainingFileInvalid if nothing can be learned from the rows, with all reasons."""
    problems, name = Problems(), data.target.name
    if not data.inputs:
        message = sentence("No column is left as an input: they are constant, texts or left out.")
        problems.add(
            Problem("no_inputs", message, sentence("Add columns with readings or categories."))
        )
    if len(data) < MIN_ROWS:
        message = sentence(
            "{count} rows have a target; at least {least} are needed.",
            count=len(data),
            least=MIN_ROWS,
        )
        problems.add(Problem("too_few_rows", message, sentence("Add labelled rows.")))
    if len(set(data.target.values.tolist())) < 2:
        message = sentence("The target {name} is the same in all rows.", name=repr(name))
        problems.add(
            Problem("constant_target", message, sentence("Add rows with other values."), field=name)
        )
    elif data.target.goal is Goal.CLASS:
        _report_rare_classes(data.target, problems)
    if data.inputs and len(data) >= MIN_ROWS:
        _report_contradictions(data, problems)
    if problems.count:
        raise TrainingFileInvalid(problems.summary, problems=problems)


def _report_rare_classes(target: Target, problems: Problems) -> None:
    """Report classes with too few rows to learn and to evaluate them."""
    counts = Counter(target.indices.tolist())
    for index, label in enumerate(target.classes):
        if counts[index] < MIN_ROWS_PER_CLASS:
            message = sentence(
                "The class {label} has {count} rows; each needs at least {least}.",
                label=repr(label[:40]),
                count=counts[index],
                least=MIN_ROWS_PER_CLASS,
            )
            fix = sentence("Add rows of it, join it with another class, or remove its rows.")
            problems.add(Problem("too_few_rows", message, fix, field=target.name))


def _report_contradictions(data: TabularData, problems: Problems) -> None:
    """Report rows of the same inputs with different classes, if there are many."""
    if data.target.goal is not Goal.CLASS:
        return
    keys = row_keys(data)
    classes: dict[bytes, Counter[int]] = {}
    for key, index in zip(keys, data.target.indices.tolist(), strict=True):
        classes.setdefault(key, Counter())[index] += 1
    contradicting = sum(counts.total() - counts.most_common(1)[0][1] for counts in classes.values())
    if contradicting > _MAX_CONTRADICTIONS * len(data):
        message = sentence(
            "{contradicting} of {count} rows have the same inputs as a row with another {name}.",
            contradicting=contradicting,
            count=len(data),
            name=repr(data.target.name),
        )
        fix = sentence("Add the columns that tell them apart, or correct the labels.")
        problems.add(Problem("contradicting_rows", message, fix, field=data.target.name))


def row_keys(data: TabularData) -> list[bytes]:
    """Return a key of each row's inputs: equal for rows with the same inputs."""
    parts = []
    for column in data.inputs:
        if column.numbers is not None:
            parts.append(column.numbers)
        elif column.texts is not None:
            codes = {text: code for code, text in enumerate(dict.fromkeys(column.texts))}
            parts.append(np.array([codes[text] for text in column.texts], dtype=np.float64))
    return [row.tobytes() for row in np.stack(parts, axis=1)]


def _invalid(
    code: str, message: str, field: str | None = None, fix: str = _OTHER_TARGET
) -> TrainingFileInvalid:
    """Return the error of one problem."""
    problems = Problems()
    problems.add(Problem(code, message, fix, field=field))
    return TrainingFileInvalid(message, problems=problems)
