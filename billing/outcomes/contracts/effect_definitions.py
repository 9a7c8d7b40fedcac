"""Effects: what is paid for, as a contract states it, so that nothing about it is left to choose.

    event      something that happens after an eligible call (supporting_calls.py)
    measure    a quantity by day, held against a baseline, or machines or weeks that go without

Pure.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from billing.money import PPM
from billing.outcomes.contracts.field_rules import OutcomeTermsInvalid, is_line, is_tag, require
from billing.outcomes.contracts.nonroutine import Adjustment, Excluded, Swap, require_nonroutine
from billing.outcomes.measurement.faults import ReadingsInvalid
from billing.outcomes.measurement.units import require_known

_MOST_HOURS = 24 * 730
_MOST_VARIABLES, _MOST_MACHINES = 10, 100
_MOST_NAME = 100
_DAY_MINUTES = 24 * 60
# The columns of readings that are no variables.
COLUMNS = ("at", "value", "unit", "machine", "meter")


@dataclass(frozen=True, slots=True)
class Event:
    """A discrete effect. It follows an eligible call about the same subject, `lead_hours` to
    `window_hours` later; of one subject there is one in `apart_hours`."""

    lead_hours: int
    window_hours: int
    apart_hours: int


class Design(StrEnum):
    """Against what a measured effect is held."""

    BASELINE = "baseline"  # a model of the time before, adjusted to the conditions of now
    HOLDOUT = "holdout"  # machines that go without
    SWITCHBACK = "switchback"  # weeks that go without, by turns


class Direction(StrEnum):
    """Which way is better."""

    LESS = "less"
    MORE = "more"


class Combine(StrEnum):
    """How a day's readings become the day's."""

    SUM = "sum"  # as energy and pieces
    MEAN = "mean"  # as degrees


class Shape(StrEnum):
    """How the quantity follows a variable."""

    LINEAR = "linear"  # in proportion
    DEGREES = "degrees"  # above and below a balance point, as an outdoor temperature


@dataclass(frozen=True, slots=True)
class Variable:
    """What the quantity depends on besides us: a column of the readings, in this unit."""

    name: str
    unit: str
    combine: Combine = Combine.SUM
    shape: Shape = Shape.LINEAR


@dataclass(frozen=True, slots=True)
class Before:
    """The baseline's time: local days from `first` until the day before `until`."""

    first: date
    until: date


@dataclass(frozen=True, slots=True)
class Turns:
    """`days` with and as many without, by turns from the contract's first day on; of each the first
    `washout` days count on neither side."""

    days: int
    washout: int


@dataclass(frozen=True, slots=True)
class Machines:
    """Machines that work with the effect, and those that they are held against."""

    having: tuple[str, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gates:
    """What a baseline has to hold before a contract may start (ASHRAE Guideline 14)."""

    cv_rmse_ppm: int
    nmbe_ppm: int
    missing_ppm: int
    days: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured effect: a quantity in `unit`, read `every_minutes` and combined by day.

    A rate names as `per` the variable that it is a rate of. The confidence holds for `looks`
    settlements together. A day without data saves nothing; a month that lacks more than
    `missing_ppm` of its days is not settled by effect at all. `before` may be left to the fitted
    baseline, which is agreed to as well. What no variable tells are the last three.
    """

    unit: str
    direction: Direction
    design: Design
    variables: tuple[Variable, ...]
    confidence_ppm: int
    gates: Gates
    missing_ppm: int = 100_000
    combine: Combine = Combine.SUM
    every_minutes: int = _DAY_MINUTES
    per: str | None = None
    looks: int = 1
    before: Before | None = None
    turns: Turns | None = None
    machines: Machines | None = None
    adjustments: tuple[Adjustment, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    swaps: tuple[Swap, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The variables' names, in their order."""
        return tuple(one.name for one in self.variables)

    @property
    def saved_unit(self) -> str:
        """The unit of a saving: the quantity's, and of a rate what it is a rate of."""
        per = [one.unit for one in self.variables if one.name == self.per]
        if not per:
            return self.unit
        return per[0] if self.unit == "1" else self.unit.partition("/")[0]


def require_event(event: Event) -> None:
    """Raises OutcomeTermsInvalid."""
    lead, window = event.lead_hours, event.window_hours
    require(0 <= lead < window <= _MOST_HOURS, "event.window_hours", "is above the lead")
    require(0 <= event.apart_hours <= _MOST_HOURS, "event.apart_hours", "is absurd")


def require_measure(measure: Measure) -> None:
    """Raises OutcomeTermsInvalid."""
    _require_unit("measure.unit", measure.unit)
    _require_variables(measure)
    sure = PPM // 2 < measure.confidence_ppm < PPM
    require(sure, "measure.confidence", "is above 50 and below 100 percent")
    require(0 < measure.looks <= 1200, "measure.looks", "are 1 to 1200")
    require(0 <= measure.missing_ppm < PPM, "measure.missing", "is less than 100 percent")
    every = measure.every_minutes
    fits = 0 < every <= _DAY_MINUTES and _DAY_MINUTES % every == 0
    require(fits, "measure.every_minutes", "divides no day")
    _require_gates(measure.gates)
    _require_design(measure)
    require_nonroutine(measure.adjustments, measure.excluded, measure.swaps)
    alone = measure.design is Design.BASELINE or not measure.adjustments
    require(alone, "measure.adjustments", "go with a baseline only")


def _require_unit(field: str, unit: str) -> None:
    try:
        require_known(unit)
    except ReadingsInvalid as error:
        raise OutcomeTermsInvalid(f"{field}: {error.message}", param=field) from None


def _require_variables(measure: Measure) -> None:
    names = measure.names
    require(len(names) <= _MOST_VARIABLES, "measure.variables", f"are up to {_MOST_VARIABLES}")
    require(len(set(names)) == len(names), "measure.variables", "names one twice")
    fit = all(is_tag(name) and name not in COLUMNS for name in names)
    require(fit, "measure.variables", "are short names of columns")
    for at, one in enumerate(measure.variables):
        _require_unit(f"measure.variables[{at}].unit", one.unit)
    per = [one.unit for one in measure.variables if one.name == measure.per]
    require(measure.per is None or bool(per), "measure.per", "is none of the variables")
    rate = all(measure.unit == "1" or measure.unit.endswith(f"/{unit}") for unit in per)
    require(rate, "measure.per", "goes with a unit that is 1, or one by this variable's")


def _require_gates(gates: Gates) -> None:
    for name in ("cv_rmse", "nmbe"):
        held = 0 < getattr(gates, f"{name}_ppm") <= PPM
        require(held, f"measure.gates.{name}", "is more than 0 and at most 100 percent")
    require(0 <= gates.missing_ppm < PPM, "measure.gates.missing", "is less than 100 percent")
    require(14 <= gates.days <= 3660, "measure.gates.days", "is 14 to 3660")


def _require_design(measure: Measure) -> None:
    """Each design has what it needs, and nothing that would mean nothing."""
    design, before = measure.design, measure.before
    turns, machines = measure.turns, measure.machines
    alone = before is None or design is not Design.SWITCHBACK
    require(alone, "measure.before", "is none of turns")
    require(
        before is None or before.first < before.until, "measure.before", "ends before it begins"
    )
    by_turns, apart = design is Design.SWITCHBACK, design is Design.HOLDOUT
    require((turns is not None) == by_turns, "measure.turns", "goes with switchback only")
    require((machines is not None) == apart, "measure.machines", "goes with holdout only")
    if turns is not None:
        held = 0 <= turns.washout < turns.days <= 92
        require(held, "measure.turns", "leave no day, or are too long")
    if machines is not None:
        _require_machines(machines)


def _require_machines(machines: Machines) -> None:
    names = (*machines.having, *machines.lacking)
    some = bool(machines.having) and bool(machines.lacking) and len(names) <= _MOST_MACHINES
    require(some, "measure.machines", "are some of each, and not too many")
    fit = all(is_line(name, _MOST_NAME) for name in names) and len(set(names)) == len(names)
    require(fit, "measure.machines", "have names, each once")
