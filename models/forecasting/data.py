"""The series of a customer's table: one target over time, of one machine or of several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from models.adaptation import TrainingFileInvalid
from models.forecasting.grid import Floats, Gridded, Indices, fill_gaps, infer_step, to_grid
from models.forecasting.pauses import NO_PAUSES, Pauses, describe_pauses, find_pauses
from models.forecasting.windows import Series, Windows
from models.problems import Problem, Problems
from models.sentences import Sentence, sentence
from models.tables.columns import Column, Kind
from models.tables.dates import DayOrder
from models.tables.schema import Role, TableSchema

HORIZON, LEVEL = "horizon", "level"
RESERVED_NAMES = frozenset({HORIZON, LEVEL})
MIN_STEPS = 60
MAX_OTHERS = 50
# Gaps of at most so many steps are filled by a straight line; longer ones divide a series.
MAX_FILLED_STEPS = 6
_UNITS = (
    ("{count} day", "{count} days", 86_400.0),
    ("{count} hour", "{count} hours", 3_600.0),
    ("{count} minute", "{count} minutes", 60.0),
)
# Distances of times are told apart by milliseconds.
_SHORTEST_STEP = 0.001
_MAX_OFF_GRID_SHARE = 0.05
_MAX_REPEATED_SHARE = 0.1
_MAX_MISSING_SHARE = 0.2
_MAX_STEPS_PER_ROW, _MAX_FREE_STEPS = 20, 10_000


class OtherColumn(msgspec.Struct, frozen=True):
    """A further column: its mean and spread in training, and its smallest and largest value."""

    name: str
    unit: str | None
    mean: float
    spread: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ForecastData:
    """The series of a table.

    series: gapless parts with standardised further columns. time: name of the time column. low,
    high: smallest and largest value of the target. pauses: without which times are counted.
    day_order: of the dates of the time column.
    """

    target: str
    unit: str | None
    time: str
    step: float
    others: tuple[OtherColumn, ...]
    series: tuple[Series, ...]
    machines: int
    low: float
    high: float
    notes: tuple[Sentence, ...] = ()
    pauses: Pauses = NO_PAUSES
    day_order: DayOrder | None = None

    def __len__(self) -> int:
        """Return the number of steps of all series."""
        return sum(map(len, self.series))

    @property
    def longest(self) -> Series:
        """The longest gapless part."""
        return max(self.series, key=len)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of the rows that have a time. machines: index of each row's machine."""

    target: Column
    time: Column
    others: tuple[Column, ...]
    machines: Indices
    rows: Indices
    notes: tuple[Sentence, ...]

    def values(self, rows: Indices) -> Floats:
        """Return target and further columns of rows, [rows, 1 + columns]."""
        columns = (self.target, *self.others)
        return np.stack([_numbers(column)[rows] for column in columns], axis=1)


def build_forecast_data(schema: TableSchema) -> ForecastData:
    """Return the series of a table. Raises TrainingFileInvalid with all problems."""
    columns = _select_columns(schema)
    times = _numbers(columns.time)
    members = [columns.rows[columns.machines == machine] for machine in np.unique(columns.machines)]
    step = _require_step([times[rows] for rows in members], columns.time.name)
    _require_close([times[rows] for rows in members], columns.time.name, step)
    pauses = find_pauses(
        [times[rows] for rows in members], step, MAX_FILLED_STEPS, columns.time.zone
    )
    members = [kept for rows in members if len(kept := rows[~pauses.contain(times[rows])])]
    times = pauses.leave_out(times)
    grids = [to_grid(times[rows], columns.values(rows), step) for rows in members]
    _require_regular(grids, sum(map(len, members)), columns.time.name, step)
    others, notes = _describe_others(columns, np.concatenate([grid.values for grid in grids]))
    chosen = [
        1 + columns.others.index(column)
        for column in columns.others
        if column.name in {one.name for one in others}
    ]
    series = [
        part
        for machine, grid in enumerate(grids)
        for part in _gapless_parts(grid, chosen, others, machine)
    ]
    _require_enough(series, columns.target.name)
    values = np.concatenate([part.values for part in series])
    return ForecastData(
        columns.target.name,
        columns.target.unit,
        columns.time.name,
        step,
        tuple(others),
        tuple(series),
        len(members),
        float(values.min()),
        float(values.max()),
        (
            *columns.notes,
            *notes,
            *describe_pauses(pauses, len(columns.rows) - sum(map(len, members))),
            *_grid_notes(grids, series, columns.target.name),
        ),
        pauses,
        columns.time.day_order,
    )


def _numbers(column: Column) -> Floats:
    """Return the numbers of a column that has numbers."""
    return column.numbers if column.numbers is not None else np.empty(0)


def _select_columns(schema: TableSchema) -> _Columns:
    """Return the columns by their roles. Raises TrainingFileInvalid for those that are unsuitable.

    Rows without a time are left out.
    """
    target, time = schema.single(Role.TARGET), schema.single(Role.TIME)
    if time is None or time.kind is not Kind.TIME:
        raise _invalid(
            "missing_time",
            sentence("The file has no column with times."),
            sentence("State the column with the time of each row in `schema.time`."),
        )
    if target is None or target.numbers is None:
        name = "" if target is None else sentence(": {name} has texts", name=repr(target.name))
        message = sentence("The file has no column of numbers to forecast{name}.", name=name)
        raise _invalid(
            "wrong_type", message, sentence("State a column of numbers in `schema.target`.")
        )
    inputs = schema.with_role(Role.INPUT)
    others = tuple(column for column in inputs if column.kind is Kind.NUMBER)
    _require_free_names((time, target, *others))
    rows = np.flatnonzero(np.isfinite(_numbers(time)))
    texts = [column.name for column in inputs if column.kind is not Kind.NUMBER]
    notes: list[Sentence] = [
        sentence("{column} has texts and is not used.", column=repr(name)) for name in texts
    ]
    if len(rows) < schema.row_count:
        left_out = schema.row_count - len(rows)
        notes.append(sentence("{count} rows without a time were left out.", count=left_out))
    machine = schema.single(Role.MACHINE)
    machines = _machine_indices(machine, rows)
    return _Columns(target, time, others[:MAX_OTHERS], machines, rows, tuple(notes))


def _machine_indices(column: Column | None, rows: Indices) -> Indices:
    """Return the machine of each row as an index; 0 if the file names none."""
    if column is None:
        return np.zeros(len(rows), dtype=np.intp)
    values = column.texts if column.numbers is None else np.nan_to_num(column.numbers, nan=-1.0)
    _, indices = np.unique(np.asarray(values)[rows].astype(str), return_inverse=True)
    return indices.astype(np.intp)


def _require_free_names(columns: Sequence[Column]) -> None:
    """Raise TrainingFileInvalid if a column has the name of an input that all models have."""
    for column in columns:
        if column.name in RESERVED_NAMES:
            message = sentence("No column can be named {name}.", name=repr(column.name))
            raise _invalid("invalid_name", message, sentence("Rename the column."), column.name)


def _require_step(times: Sequence[Floats], name: str) -> float:
    """Return the step of the series in seconds. Raises TrainingFileInvalid without a usable one."""
    steps = [step for one in times if (step := infer_step(one)) is not None]
    if not steps:
        message = sentence("{name} has the same time in all rows.", name=repr(name))
        fix = sentence("Give each row its time, and name the machine column.")
        raise _invalid("missing_time", message, fix, name)
    step = float(np.median(steps))
    if step < _SHORTEST_STEP:
        message = sentence(
            "The times in {name} are less than a millisecond apart.", name=repr(name)
        )
        fix = sentence("Average the readings in equal steps, for example per hour.")
        raise _invalid("irregular_times", message, fix, name)
    return step


def _require_close(times: Sequence[Floats], name: str, step: float) -> None:
    """Raise TrainingFileInvalid if the times span far more steps than there are rows.

    One mistyped year would otherwise need a grid of many gigabytes.
    """
    rows = sum(map(len, times))
    steps = sum(float(np.ptp(one)) / step for one in times)
    if steps > _MAX_STEPS_PER_ROW * rows + _MAX_FREE_STEPS:
        message = sentence(
            "The times in {name} span {steps:.0f} steps of {step}, but there are {rows} rows.",
            name=repr(name),
            steps=steps,
            step=describe_step(step),
            rows=rows,
        )
        fix = sentence("Correct mistyped times, and name the machine column if there are several.")
        raise _invalid("irregular_times", message, fix, name)


def _require_regular(grids: Sequence[Gridded], rows: int, name: str, step: float) -> None:
    """Raise TrainingFileInvalid if many rows are between the steps, or have the same time."""
    problems = Problems()
    off_grid = sum(grid.off_grid for grid in grids)
    repeated = sum(grid.repeated for grid in grids)
    if off_grid > _MAX_OFF_GRID_SHARE * rows:
        message = sentence(
            "{off_grid} of {rows} times in {name} are not a multiple of {step} "
            "apart, which most are.",
            off_grid=off_grid,
            rows=rows,
            name=repr(name),
            step=describe_step(step),
        )
        fix = sentence("Average the readings in equal steps, for example per hour.")
        problems.add(Problem("irregular_times", message, fix, field=name))
    elif repeated > _MAX_REPEATED_SHARE * rows:
        message = sentence(
            "{repeated} of {rows} rows have the same time in {name} as another row.",
            repeated=repeated,
            rows=rows,
            name=repr(name),
        )
        fix = sentence("If they are of different machines, name the column in `schema.machine`.")
        problems.add(Problem("duplicate_times", message, fix, field=name))
    if problems.count:
        raise TrainingFileInvalid(problems.summary, problems=problems)


def _describe_others(columns: _Columns, values: Floats) -> tuple[list[OtherColumn], list[Sentence]]:
    """Return the further columns that can be used, and notes on the others."""
    used: list[OtherColumn] = []
    notes: list[Sentence] = []
    for position, column in enumerate(columns.others, start=1):
        present = values[np.isfinite(values[:, position]), position]
        if not len(present) or np.ptp(present) == 0:
            notes.append(
                sentence("{column} never changes and was left out.", column=repr(column.name))
            )
        elif len(present) < (1 - _MAX_MISSING_SHARE) * np.isfinite(values[:, 0]).sum():
            notes.append(
                sentence(
                    "{column} is missing in many rows and was left out.", column=repr(column.name)
                )
            )
        else:
            used.append(
                OtherColumn(
                    column.name,
                    column.unit,
                    float(present.mean()),
                    float(present.std()),
                    float(present.min()),
                    float(present.max()),
                )
            )
    return used, notes


def _gapless_parts(
    grid: Gridded, chosen: Sequence[int], others: Sequence[OtherColumn], machine: int
) -> Iterator[Series]:
    """Yield the parts of a series between its long gaps."""
    target = fill_gaps(grid.values[:, 0], MAX_FILLED_STEPS)
    further = standardize_others(grid.values[:, list(chosen)], others)
    is_present = np.isfinite(target)
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], is_present, [False]]).astype(int)))
    for start, end in bounds.reshape(-1, 2):
        yield Series(grid.times[start:end], target[start:end], further[start:end], machine)


def history_means(windows: Windows, others: Sequence[OtherColumn]) -> Floats:
    """Return the mean of the target over each history, and recent means of the further columns.

    [windows, 1 + columns], in the units of the columns.
    """
    spreads = np.array([column.spread for column in others])
    means = np.array([column.mean for column in others])
    recent = windows.others[:, len(others) :] * spreads + means
    return np.hstack([windows.history.mean(axis=1, keepdims=True), recent])


def standardize_others(values: Floats, others: Sequence[OtherColumn]) -> Floats:
    """Return further columns, [steps, columns], without gaps, by their mean and spread."""
    filled = np.zeros_like(values)
    steps = np.arange(len(values))
    for position, column in enumerate(others):
        present = np.flatnonzero(np.isfinite(values[:, position]))
        if len(present):
            numbers = np.interp(steps, present, values[present, position])
            filled[:, position] = (numbers - column.mean) / column.spread
    return filled


def _require_enough(series: Sequence[Series], name: str) -> None:
    """Raise TrainingFileInvalid if the longest gapless part is short, or never changes."""
    longest = max(series, key=len, default=None)
    length = 0 if longest is None else len(longest)
    if longest is None or length < MIN_STEPS:
        message = sentence(
            "{name} has at most {length} steps without a long gap. At least {least} are needed.",
            name=repr(name),
            length=length,
            least=MIN_STEPS,
        )
        raise _invalid(
            "too_short_series", message, sentence("Add earlier rows, or fill the gaps."), name
        )
    if np.ptp(longest.values) == 0:
        message = sentence("The target {name} is the same in all rows.", name=repr(name))
        raise _invalid("constant_target", message, sentence("Add rows with other values."), name)


def _grid_notes(grids: Sequence[Gridded], series: Sequence[Series], name: str) -> list[Sentence]:
    """Return what was assumed of repeated times, times between steps and gaps."""
    repeated, off_grid = (
        sum(getattr(grid, field) for grid in grids) for field in ("repeated", "off_grid")
    )
    present = sum(int(np.isfinite(grid.values[:, 0]).sum()) for grid in grids)
    filled = sum(map(len, series)) - present
    notes: list[Sentence] = []
    if repeated:
        notes.append(
            sentence(
                "{count} rows have the time of another row: their mean is used.", count=repeated
            )
        )
    if off_grid:
        notes.append(sentence("{count} rows between two steps were left out.", count=off_grid))
    if filled:
        notes.append(
            sentence(
                "{count} missing steps of {column} in short gaps were filled by lines.",
                count=filled,
                column=repr(name),
            )
        )
    if len(series) > len(grids):
        notes.append(
            sentence(
                "Gaps of more than {most} steps divide {column} into {count} parts.",
                most=MAX_FILLED_STEPS,
                column=repr(name),
                count=len(series),
            )
        )
    return notes


def describe_step(seconds: float) -> Sentence:
    """Return a number of seconds in the largest unit of which it is a whole number."""
    for one, many, size in _UNITS:
        if seconds >= size and abs(seconds / size - round(seconds / size)) < 1e-6:
            count = round(seconds / size)
            return sentence(many if count > 1 else one, count=count)
    return sentence("{seconds:g} s", seconds=seconds)


def _invalid(code: str, message: str, fix: str, field: str | None = None) -> TrainingFileInvalid:
    """Return the error of one problem."""
    problems = Problems()
    problems.add(Problem(code, message, fix, field=field))
    return TrainingFileInvalid(message, problems=problems)
