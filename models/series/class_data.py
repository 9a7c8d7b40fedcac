"""Windows of series with their classes: what a classifier of series is trained on."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from models.adaptation import TrainingFileInvalid, require_no_problems
from models.problems import Problem, Problems, single_problem
from models.sentences import Sentence, sentence
from models.series.minirocket import Windows
from models.series.reading import read_series
from models.series.series import Indices, SeriesSet, spread_over
from models.series.window_features import WindowRecipe
from models.tables.columns import Column, Kind
from models.tables.schema import Role, SchemaRequest, TableSchema
from models.tabular.data import (
    MAX_CLASSES,
    MIN_ROWS,
    MIN_ROWS_PER_CLASS,
    Goal,
    TabularData,
    Target,
    column_labels,
)

SMALLEST_WINDOW = 16
MAX_WINDOWS = 3_000
# Numbers in all windows: more would not fit into the memory of a training.
_MAX_NUMBERS = 40_000_000


@dataclass(frozen=True, slots=True)
class ClassData:
    """Series with the class of each step.

    labels: of each series the index in `classes` at each step, -1 where it has none. stated_window:
    the steps of a window, None if it is to be chosen.
    """

    series: SeriesSet
    labels: tuple[Indices, ...]
    classes: tuple[str, ...]
    name: str
    stated_window: int | None
    notes: tuple[Sentence, ...]

    @property
    def is_whole(self) -> bool:
        """Whether each series has one class throughout."""
        return all(len(set(labels[labels >= 0].tolist())) <= 1 for labels in self.labels)


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Windows of some steps: the series of each and where it ends; classes as a target."""

    steps: int
    series: Indices
    ends: Indices
    target: Target

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.series)

    def as_table(self, inputs: tuple[Column, ...] = ()) -> TabularData:
        """Return the windows as rows of a table, by which splits are planned."""
        times = self.ends.astype(np.float64)
        return TabularData(inputs, self.target, self.series, times, np.arange(len(self)))

    def cut(self, data: ClassData, recipe: WindowRecipe) -> Windows:
        """Return the standardized windows, [windows, steps, columns]."""
        standardized = [recipe.standardize(one.readings) for one in data.series.series]
        return np.stack(
            [
                standardized[series][end - self.steps : end]
                for series, end in zip(self.series, self.ends, strict=True)
            ]
        )


def build_classes(schema: TableSchema, request: SchemaRequest) -> ClassData:
    """Return the series of a table with their classes. Raises TrainingFileInvalid."""
    target = schema.single(Role.TARGET)
    if target is None:
        message = sentence("The file has no column that can be the target.")
        fix = sentence("State it in `schema.target`.")
        raise TrainingFileInvalid(message, problems=single_problem("missing_target", message, fix))
    problems = Problems()
    series = read_series(schema)
    labels = ["" if label == "nan" else label for label in column_labels(target)]
    classes = tuple(sorted(set(labels) - {""}))
    _report_classes(target.name, classes, problems)
    require_no_problems(problems)
    position = {label: index for index, label in enumerate(classes)}
    codes = np.array([position.get(label, -1) for label in labels], dtype=np.intp)
    data = ClassData(
        series,
        tuple(codes[one.rows] for one in series.series),
        classes,
        target.name,
        request.window,
        series.notes,
    )
    _require_learnable(data)
    return data


def longest_window(data: ClassData) -> int:
    """Return the most steps that nine of ten series have."""
    return max(2, int(np.quantile(data.series.lengths, 0.1)))


def cut_windows(data: ClassData, steps: int, most: int = MAX_WINDOWS) -> WindowSet:
    """Return windows that overlap by half, about `most`, each with the class at its end."""
    columns = len(data.series.columns)
    most = min(most, max(MIN_ROWS, _MAX_NUMBERS // (steps * columns)))
    per_series = max(1, most // len(data.labels))
    series: list[int] = []
    ends: list[int] = []
    for number, labels in enumerate(data.labels):
        last_first = np.arange(len(labels), steps - 1, -max(1, steps // 2), dtype=np.intp)
        known = last_first[::-1][labels[last_first[::-1] - 1] >= 0]
        chosen = spread_over(known, per_series)
        series += [number] * len(chosen)
        ends += chosen.tolist()
    at, of = np.array(ends, dtype=np.intp), np.array(series, dtype=np.intp)
    values = np.array(
        [data.labels[number][end - 1] for number, end in zip(series, ends, strict=True)]
    )
    target = Target(data.name, Goal.CLASS, values.astype(np.float64), classes=data.classes)
    return WindowSet(steps, of, at, target)


def reading_columns(data: ClassData, windows: WindowSet) -> tuple[Column, ...]:
    """Return the readings at the windows' ends as columns of a table."""
    readings = [one.readings for one in data.series.series]
    values = np.stack(
        [readings[of][end - 1] for of, end in zip(windows.series, windows.ends, strict=True)]
    )
    return tuple(
        Column(column.name, Kind.NUMBER, values[:, position])
        for position, column in enumerate(data.series.columns)
    )


def _report_classes(name: str, classes: tuple[str, ...], problems: Problems) -> None:
    """Report too few and too many classes."""
    if len(classes) < 2:
        message = sentence("The target {name} is the same in all rows.", name=repr(name))
        problems.add(
            Problem("constant_target", message, sentence("Add rows with other values."), field=name)
        )
    if len(classes) > MAX_CLASSES:
        message = sentence(
            "The target {name} has {count} different values; a classifier has at "
            "most {most} classes.",
            name=repr(name),
            count=len(classes),
            most=MAX_CLASSES,
        )
        fix = sentence("State another target in `schema.target`.")
        problems.add(Problem("too_many_classes", message, fix, field=name))


def _require_learnable(data: ClassData) -> None:
    """Raise TrainingFileInvalid if there are too few windows, in all or of a class."""
    problems = Problems()
    steps = data.stated_window or longest_window(data)
    if int(data.series.lengths.max()) < steps:
        message = sentence("No series has the {steps} steps of `schema.window`.", steps=steps)
        problems.add(Problem("too_few_series", message, sentence("State a smaller window.")))
        require_no_problems(problems)
    shortest = steps if data.stated_window else min(steps, SMALLEST_WINDOW)
    windows = cut_windows(data, shortest)
    counts = Counter(windows.target.indices.tolist())
    if len(windows) < MIN_ROWS:
        message = sentence(
            "There are {count} series or windows; at least {least} are needed.",
            count=len(windows),
            least=MIN_ROWS,
        )
        problems.add(
            Problem("too_few_series", message, sentence("Add series, or state a smaller window."))
        )
    for index, label in enumerate(data.classes):
        if counts[index] < MIN_ROWS_PER_CLASS:
            message = sentence(
                "The class {label} has {count} series or windows; each needs at least {least}.",
                label=repr(label[:40]),
                count=counts[index],
                least=MIN_ROWS_PER_CLASS,
            )
            fix = sentence("Add series of it, join it with another class, or remove its rows.")
            problems.add(Problem("too_few_series", message, fix, field=data.name))
    require_no_problems(problems)
