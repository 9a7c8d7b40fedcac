"""Plan the calls that a firm makes on a day.

The random generator is seeded by firm and day, so that the same day always has the same calls.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from uuid import UUID

from billing.rating.quantities import NO_USAGE, Quantities
from billing.tables import Settlement
from gateway.demo.dates import at_hour
from gateway.demo.firms import CallType, Firm
from models.catalog import Catalog, Task

# Usage grows by this many parts per thousand of the initial volume per day.
_DAILY_GROWTH_PERMILLE = 3
# Random variation of the number of calls: per day, and per call type and day.
_DAY_FACTOR, _CALL_TYPE_FACTOR = (0.72, 1.2), (0.9, 1.1)
_HUNDRED_PERCENT = 100


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended; `weight` is its frequency in 1000 calls."""

    settlement: Settlement
    status: int
    error_code: str | None
    weight: int


_SUCCESS = CallOutcome(Settlement.COMPLETE, 200, None, 974)
_CLIENT_CLOSED = CallOutcome(Settlement.CLIENT_ABORT, 499, "client_closed_request", 9)
_OUTCOMES = (
    _SUCCESS,
    CallOutcome(Settlement.REFUSED, 429, "rate_limit_exceeded", 9),
    CallOutcome(Settlement.REFUSED, 400, "invalid_value", 6),
    CallOutcome(Settlement.PLATFORM_FAULT, 504, "model_timeout", 2),
    _CLIENT_CLOSED,
)


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call to be recorded, made with the API key of the call type's key name.

    `request_id` is that of its usage row; None for a new one.
    """

    call_type: CallType
    model: str
    at: datetime
    quantities: Quantities
    outcome: CallOutcome
    tags: Mapping[str, str]
    duration_us: int
    first_chunk_us: int | None
    request_id: UUID | None = None


def first_model(catalog: Catalog, task: Task, source: str) -> str | None:
    """Return the id of the catalog's first model of a task, optionally with this weights source."""
    candidates = (
        model for model in catalog.with_task(task) if source in ("", model.weights.source)
    )
    return next((model.id for model in candidates), None)


def call_types_with_models(
    catalog: Catalog, call_types: Iterable[CallType]
) -> list[tuple[CallType, str]]:
    """Return each call type with its model, without those the catalog has no model for."""
    pairs = [
        (call_type, first_model(catalog, call_type.task, call_type.weights_source))
        for call_type in call_types
    ]
    return [(call_type, model) for call_type, model in pairs if model is not None]


def plan_calls_of_day(
    firm: Firm, call_types: Sequence[tuple[CallType, str]], since: date, day: date, percent: int
) -> list[PlannedCall]:
    """Return the calls of a day in chronological order; `percent` scales their number."""
    rng = Random(f"{firm.name} {day}")  # noqa: S311  # reproducible on purpose
    day_number, day_factor = (day - since).days, rng.uniform(*_DAY_FACTOR)
    calls = [
        _plan_call(rng, call_type, model, day)
        for call_type, model in call_types
        for _ in range(
            _call_count(rng, call_type, day_number, day, day_factor * percent / _HUNDRED_PERCENT)
        )
    ]
    return sorted(calls, key=lambda call: call.at)


def calls_between(
    calls: Sequence[PlannedCall], after: datetime, until: datetime
) -> list[PlannedCall]:
    """Return the calls with `after` <= time < `until`."""
    return [call for call in calls if after <= call.at < until]


def _call_count(rng: Random, call_type: CallType, day_number: int, day: date, factor: float) -> int:
    """Return the number of calls of a type on a day of the demo, scaled by `factor`."""
    if call_type.active_days is not None and day_number >= call_type.active_days:
        return 0
    base = (
        call_type.calls_per_day
        * call_type.weekday_percent[day.weekday()]
        / _HUNDRED_PERCENT
        * factor
    )
    expected = base * (1000 + _DAILY_GROWTH_PERMILLE * day_number) / 1000
    return int(expected * rng.uniform(*_CALL_TYPE_FACTOR) + rng.random())


def _plan_call(rng: Random, call_type: CallType, model: str, day: date) -> PlannedCall:
    """Return a random call of the type on the day."""
    hour = rng.choices(range(24), call_type.hour_weights)[0]
    at = at_hour(day, hour) + timedelta(microseconds=rng.randrange(3_600_000_000))
    outcome = rng.choices(_OUTCOMES, [outcome_option.weight for outcome_option in _OUTCOMES])[0]
    if outcome is _CLIENT_CLOSED and not call_type.streamed:
        outcome = _SUCCESS
    billable = outcome.settlement.billable
    duration = rng.randint(*call_type.duration_ms) * 1000 + rng.randrange(1000)
    return PlannedCall(
        call_type=call_type,
        model=model,
        at=at,
        quantities=_quantities(rng, call_type) if billable else NO_USAGE,
        outcome=outcome,
        tags=_tags(rng, call_type, day),
        duration_us=duration if billable else duration // 40 + 900,
        first_chunk_us=duration // 6 if call_type.streamed and billable else None,
    )


def _quantities(rng: Random, call_type: CallType) -> Quantities:
    """Return random usage quantities within the call type's ranges."""
    units = {meter: rng.randint(*bounds) for meter, bounds in call_type.units_per_call.items()}
    # Most prompts are new and have no cached prefix.
    if "cached_input_tokens" in units and rng.random() < 0.6:
        units["cached_input_tokens"] = 0
    return Quantities(**units)


def _tags(rng: Random, call_type: CallType, day: date) -> dict[str, str]:
    """Return random tag values of the call type."""
    week = f"{day.isocalendar().week:02d}"
    return {tag: rng.choice(values).format(week=week) for tag, values in call_type.tags.items()}
