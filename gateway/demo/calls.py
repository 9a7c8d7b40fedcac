"""Calls: what a firm calls on a day, by dice that fall the same whenever they are thrown.

Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from billing.rating.quantities import NOTHING, Quantities
from billing.tables import Settlement
from gateway.demo.dates import at_hour
from gateway.demo.firms import Firm, Work
from models.catalog import Catalog, Task

# A plant takes to it: so much more a day than the day before, in parts of a thousand.
_GROWTH = 3
# A day has more or fewer orders, and each kind of work more or less of them.
_BUSY, _EACH = (0.72, 1.2), (0.9, 1.1)
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class End:
    """How a call ended, as its row tells it; `weight` of a thousand calls end so."""

    settlement: Settlement
    status: int
    error_code: str | None
    weight: int


_DONE = End(Settlement.COMPLETE, 200, None, 974)
_LEFT = End(Settlement.CLIENT_ABORT, 499, "client_closed_request", 9)
_ENDS = (
    _DONE,
    End(Settlement.REFUSED, 429, "rate_limit_exceeded", 9),
    End(Settlement.REFUSED, 400, "invalid_value", 6),
    End(Settlement.PLATFORM_FAULT, 504, "model_timeout", 2),
    _LEFT,
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A call that is to be written: of a key, by its name."""

    work: Work
    model: str
    at: datetime
    quantities: Quantities
    end: End
    tags: Mapping[str, str]
    duration_us: int
    first_chunk_us: int | None


def model_of(catalog: Catalog, task: Task, source: str) -> str | None:
    """The catalog's first model of a task, with this source of weights where one is named."""
    fitting = (one for one in catalog.with_task(task) if source in ("", one.weights.source))
    return next((one.id for one in fitting), None)


def callable_works(catalog: Catalog, works: Iterable[Work]) -> list[tuple[Work, str]]:
    """Each kind of work with its model; without those that the catalog has none for."""
    found = [(work, model_of(catalog, work.task, work.source)) for work in works]
    return [(work, model) for work, model in found if model is not None]


def calls_of_day(
    firm: Firm, works: Sequence[tuple[Work, str]], since: date, day: date, percent: int
) -> list[Planned]:
    """The day's calls in their order; `percent` of the usual number."""
    dice = Random(f"{firm.name} {day}")  # noqa: S311  # the same each time is what is wanted
    at, busy = (day - since).days, dice.uniform(*_BUSY)
    found = [
        _call(dice, work, model, day)
        for work, model in works
        for _ in range(_count(dice, work, at, day, busy * percent / _WHOLE))
    ]
    return sorted(found, key=lambda one: one.at)


def between(calls: Sequence[Planned], after: datetime, until: datetime) -> list[Planned]:
    return [one for one in calls if after <= one.at < until]


def _count(dice: Random, work: Work, at: int, day: date, share: float) -> int:
    """How many calls on the story's day `at`, of which so large a share is made."""
    if work.days is not None and at >= work.days:
        return 0
    usual = work.a_day * work.weekdays[day.weekday()] / _WHOLE * share
    grown = usual * (1000 + _GROWTH * at) / 1000
    return int(grown * dice.uniform(*_EACH) + dice.random())


def _call(dice: Random, work: Work, model: str, day: date) -> Planned:
    hour = dice.choices(range(24), work.hours)[0]
    at = at_hour(day, hour) + timedelta(microseconds=dice.randrange(3_600_000_000))
    end = dice.choices(_ENDS, [one.weight for one in _ENDS])[0]
    if end is _LEFT and not work.streamed:
        end = _DONE
    billable = end.settlement.billable
    duration = dice.randint(*work.ms) * 1000 + dice.randrange(1000)
    return Planned(
        work=work,
        model=model,
        at=at,
        quantities=_quantities(dice, work) if billable else NOTHING,
        end=end,
        tags=_tags(dice, work, day),
        duration_us=duration if billable else duration // 40 + 900,
        first_chunk_us=duration // 6 if work.streamed and billable else None,
    )


def _quantities(dice: Random, work: Work) -> Quantities:
    units = {meter: dice.randint(*bounds) for meter, bounds in work.units.items()}
    # Most prompts are new, so nothing of them is kept from before.
    if "cached_input_tokens" in units and dice.random() < 0.6:
        units["cached_input_tokens"] = 0
    return Quantities(**units)


def _tags(dice: Random, work: Work, day: date) -> dict[str, str]:
    week = f"{day.isocalendar().week:02d}"
    return {tag: dice.choice(values).format(week=week) for tag, values in work.tags.items()}
