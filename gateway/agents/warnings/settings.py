"""The settings of a learned warning rule: points, time grid, horizon and costs of errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

import msgspec

from gateway.agents.definitions.durations import DurationInvalid, format_duration, parse_duration
from gateway.agents.definitions.warning import WarningStep
from gateway.agents.warnings.errors import LearnedWarningInvalid
from models.policies.maintenance.costs import MAX_PERIODS
from models.policies.warnings.history import WarningTerms

MAX_POINTS, MAX_TICKS, MAX_EVENTS = 30, 30_000, 500
# With fewer events, the owner must accept the rule; with fewer than two, nothing can be left out.
MIN_EVENTS, FEWEST_EVENTS = 5, 2
_MIN_EVERY_S, _MAX_EVERY_S = 60.0, 86_400.0
_MAX_HORIZON_S = 366 * 86_400.0
_MAX_COST = 1e15
_FEWEST_NORMAL = 20
_MAX_NAME = 120
_DAY_S = 86_400.0


class WarningRuleDocument(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A warning rule as written; durations are texts such as `10m` or `7d`."""

    name: str
    asset: str
    points: list[str]
    miss: float
    false_alarm: float
    every: str = "10m"
    horizon: str = "7d"
    lead: str = ""
    repeat: str = ""
    normal: str = "7d"
    recovery: str = "1d"


class WarningSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule is learned for.

    points: tags of points of the asset and its parts. every_s: length of a tick. A warning is right
    from `horizon_s` to `lead_s` before an event. repeat_s: after it, a warning counts again.
    normal_s: so much of the beginning of the readings is normal operation. recovery_s: readings of
    so long after an event are left out. miss, false_alarm: costs in the account's currency.
    """

    points: tuple[str, ...]
    every_s: float
    horizon_s: float
    lead_s: float
    repeat_s: float
    normal_s: float
    recovery_s: float
    miss: float
    false_alarm: float

    @property
    def terms(self) -> WarningTerms:
        """The costs, and for how many ticks a warning holds."""
        hold = max(1, round(self.repeat_s / self.every_s))
        return WarningTerms(self.miss, self.false_alarm, hold)

    @property
    def normal_ticks(self) -> int:
        """How many ticks of normal operation the rule keeps."""
        return round(self.normal_s / self.every_s)


class TrainingDocument(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A training as written. event: a kind of event whose times in the prediction ledger count."""

    events: list[datetime] = []
    event: str = ""
    since: datetime | None = msgspec.field(default=None, name="from")
    until: datetime | None = msgspec.field(default=None, name="to")


@dataclass(frozen=True, slots=True)
class TrainingPeriod:
    """From when to when readings are read, and the events that the owner stated, in order."""

    start: datetime
    end: datetime
    events: tuple[datetime, ...]


def check_settings(document: WarningRuleDocument) -> tuple[str, WarningSettings]:
    """Return name and settings of a document. Raises LearnedWarningInvalid with the field."""
    name = document.name.strip()
    _require(0 < len(name) <= _MAX_NAME and name.isprintable(), "name",
             f"has 1 to {_MAX_NAME} characters.")  # fmt: skip
    every_s, horizon_s = _seconds(document, "every"), _seconds(document, "horizon")
    whole = every_s % 60 == 0 and _MIN_EVERY_S <= every_s <= _MAX_EVERY_S
    _require(whole, "every", "must be whole minutes, from `1m` to `1d`.")
    _require(2 * every_s <= horizon_s <= _MAX_HORIZON_S, "horizon",
             "must be at least twice `every`, and `366d` at most.")  # fmt: skip
    lead_s = _seconds(document, "lead") if document.lead else 0.0
    _require(lead_s <= horizon_s - every_s, "lead", "must be shorter than `horizon`.")
    repeat_s = _seconds(document, "repeat") if document.repeat else max(every_s, horizon_s / 4)
    _require(every_s <= repeat_s <= horizon_s, "repeat", "must be from `every` to `horizon`.")
    for field in ("miss", "false_alarm"):
        cost = getattr(document, field)
        _require(isfinite(cost) and 0 < cost <= _MAX_COST, field, "must be an amount above 0.")
    settings = WarningSettings(
        points=_points(document.points),
        every_s=every_s,
        horizon_s=horizon_s,
        lead_s=lead_s,
        repeat_s=repeat_s,
        normal_s=_seconds(document, "normal"),
        recovery_s=_seconds(document, "recovery"),
        miss=document.miss,
        false_alarm=document.false_alarm,
    )
    most = MAX_TICKS // 10
    _require(_FEWEST_NORMAL <= settings.normal_ticks <= most, "normal",
             f"must be {_FEWEST_NORMAL} to {most} times `every`.")  # fmt: skip
    return name, settings


def check_training(
    document: TrainingDocument, settings: WarningSettings, now: datetime
) -> TrainingPeriod:
    """Return the period and the stated events. Raises LearnedWarningInvalid with the field."""
    times = [*document.events, *(one for one in (document.since, document.until) if one)]
    _require(all(one.tzinfo is not None for one in times), "events", "need an offset.")
    end = min(document.until or now, now).astimezone(UTC)
    span = timedelta(seconds=min(settings.every_s * MAX_TICKS, _MAX_HORIZON_S))
    start = (document.since or end - span).astimezone(UTC)
    ticks = (end - start).total_seconds() / settings.every_s
    _require(start < end, "from", "must be before `to`.")
    _require(ticks <= MAX_TICKS, "from", f"leaves more than {MAX_TICKS:,} ticks of `every`.")
    _require(len(document.events) <= MAX_EVENTS, "events", f"has at most {MAX_EVENTS} times.")
    inside = sorted({one.astimezone(UTC) for one in document.events if start <= one <= end})
    return TrainingPeriod(start, end, tuple(inside))


def settings_fields(settings: WarningSettings) -> dict[str, Any]:
    """Return the settings as they are written."""
    return {
        "points": list(settings.points),
        "every": format_duration(settings.every_s),
        "horizon": format_duration(settings.horizon_s),
        "lead": format_duration(settings.lead_s) if settings.lead_s else "",
        "repeat": format_duration(settings.repeat_s),
        "normal": format_duration(settings.normal_s),
        "recovery": format_duration(settings.recovery_s),
        "miss": settings.miss,
        "false_alarm": settings.false_alarm,
    }


def step_of(rule: str, settings: WarningSettings) -> WarningStep:
    """Return the section `[warning]` that uses a rule, with the rule's horizon in whole days."""
    days = settings.horizon_s / _DAY_S
    if days.is_integer() and 1 <= days <= MAX_PERIODS:
        return WarningStep(rule=rule, horizon=int(days))
    return WarningStep(rule=rule, period_s=settings.horizon_s, horizon=1)


def _points(tags: Sequence[str]) -> tuple[str, ...]:
    """Return different tags. Raises LearnedWarningInvalid."""
    found = tuple(dict.fromkeys(tag.strip() for tag in tags))
    usable = all(found) and 1 <= len(found) <= MAX_POINTS and not any("\0" in one for one in found)
    _require(usable, "points", f"has 1 to {MAX_POINTS} tags.")
    return found


def _seconds(document: WarningRuleDocument, field: str) -> float:
    """Return the seconds of a duration. Raises LearnedWarningInvalid."""
    try:
        return parse_duration(getattr(document, field))
    except DurationInvalid as error:
        raise LearnedWarningInvalid(f"`{field}` {error}", param=field) from error


def _require(holds: bool, field: str, reason: str) -> None:
    """Raise LearnedWarningInvalid for a field unless a condition holds."""
    if not holds:
        raise LearnedWarningInvalid(f"`{field}` {reason}", param=field)
