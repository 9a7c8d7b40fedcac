"""Run-to-failure histories: the remaining life at each step, stated or counted to the last row."""

from dataclasses import dataclass

import numpy as np

from models.adaptation import require_no_problems
from models.problems import Problem, Problems
from models.sentences import Sentence, sentence
from models.series.reading import read_series
from models.series.series import Floats, SeriesSet
from models.tables.columns import Column, Kind
from models.tables.schema import Role, SchemaRequest, TableSchema

MIN_MACHINES = 3
MIN_STEPS_PER_MACHINE = 10
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class LifeData:
    """The histories of machines.

    lives: of each series the remaining life at each step, NaN where unknown. censored: whether a
    machine has not failed yet: its lives are then lower bounds. unit: of the lives, None for steps.
    """

    histories: SeriesSet
    lives: tuple[Floats, ...]
    censored: tuple[bool, ...]
    name: str
    unit: str | None
    notes: tuple[Sentence, ...]

    @property
    def failed_count(self) -> int:
        """The number of machines that failed."""
        return self.censored.count(False)


def build_lives(schema: TableSchema, request: SchemaRequest) -> LifeData:
    """Return the histories of a table. Raises TrainingFileInvalid with all problems.

    Without a target the life at a step is what is left to the machine's last row: hours for dates,
    else the difference of the time column, else the number of rows.
    """
    histories = read_series(schema)
    target = schema.single(Role.TARGET)
    _require_numbers(target)
    unknown = set(request.censored) - {one.machine for one in histories.series}
    _require_machines_named(unknown)
    censored = tuple(one.machine in request.censored for one in histories.series)
    if target is None or target.numbers is None:
        name, unit, lives = "remaining life", _unit(schema), _count_down(histories)
        counted = sentence(
            "Without a column of remaining life, it is {what} to the last row of each machine.",
            what=_describe_unit(schema),
        )
        notes: tuple[Sentence, ...] = (counted,)
    else:
        name, unit, notes = target.name, target.unit, ()
        lives = tuple(target.numbers[one.rows] for one in histories.series)
    data = LifeData(histories, lives, censored, name, unit, (*histories.notes, *notes))
    _require_learnable(data)
    return data


def _count_down(histories: SeriesSet) -> tuple[Floats, ...]:
    """Return what is left to the last row of each series."""
    scale = _SECONDS_PER_HOUR if histories.time_kind is Kind.TIME else 1.0
    if histories.time_name is None:
        return tuple(np.arange(len(one), dtype=np.float64)[::-1] for one in histories.series)
    return tuple((one.times[-1] - one.times) / scale for one in histories.series)


def _unit(schema: TableSchema) -> str | None:
    """Return the unit of what is counted to the last row."""
    time = schema.single(Role.TIME)
    return None if time is None else "h" if time.kind is Kind.TIME else time.unit


def _describe_unit(schema: TableSchema) -> str:
    """Return in words what is counted to the last row."""
    time = schema.single(Role.TIME)
    if time is None:
        return sentence("the number of rows")
    if time.kind is Kind.TIME:
        return sentence("the hours")
    return sentence("the difference of {column}", column=repr(time.name))


def _require_numbers(target: Column | None) -> None:
    """Raise TrainingFileInvalid if the target has no numbers of at least zero."""
    if target is None:
        return
    problems = Problems()
    if target.numbers is None or target.kind is not Kind.NUMBER:
        message = sentence(
            "The target {name} has no numbers; a remaining life is one.", name=repr(target.name)
        )
        fix = sentence("State another target, or none: then the life is counted to the last row.")
        problems.add(Problem("wrong_type", message, fix, field=target.name))
    elif np.nanmin(target.numbers, initial=0.0) < 0:
        message = sentence(
            "The target {name} has negative values; a remaining life has none.",
            name=repr(target.name),
        )
        problems.add(
            Problem("negative_life", message, sentence("Correct them."), field=target.name)
        )
    require_no_problems(problems)


def _require_machines_named(unknown: set[str]) -> None:
    """Raise TrainingFileInvalid if `censored` names machines that the file lacks."""
    problems = Problems()
    for name in sorted(unknown)[:5]:
        message = sentence(
            "`schema.censored` names {name}, which is no machine of the file.", name=repr(name[:40])
        )
        problems.add(Problem("unknown_machine", message, sentence("Name machines of the file.")))
    require_no_problems(problems)


def _require_learnable(data: LifeData) -> None:
    """Raise TrainingFileInvalid if there are too few machines, or no lives to tell apart."""
    problems = Problems()
    usable = sum(
        not censored and int(np.isfinite(life).sum()) >= MIN_STEPS_PER_MACHINE
        for life, censored in zip(data.lives, data.censored, strict=True)
    )
    if usable < MIN_MACHINES:
        message = sentence(
            "{usable} machines ran to failure with at least {least} rows; at least "
            "{least_2} are needed.",
            usable=usable,
            least=MIN_STEPS_PER_MACHINE,
            least_2=MIN_MACHINES,
        )
        fix = sentence("Add machines, and state the column that names them in `schema.machine`.")
        problems.add(Problem("too_few_machines", message, fix))
    else:
        known = np.concatenate([life[np.isfinite(life)] for life in data.lives])
        if np.ptp(known) == 0:
            message = sentence("{name} is the same in all rows.", name=repr(data.name))
            problems.add(
                Problem("constant_target", message, sentence("Add rows with other values."))
            )
    require_no_problems(problems)
