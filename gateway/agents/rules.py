"""Evaluate an agent's rules on the newest readings; pure, the same in operation and in replay."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
import numpy as np

from gateway.agents.definitions.values import Comparison, Rule
from models.units import unit_conversion


class RuleStatus(StrEnum):
    """What a rule came to.

    pending: beyond the limit, but not for long enough. stale: no recent reading. no_point: no point
    of the asset fits. unit: the limit cannot be converted to the point's unit.
    """

    QUIET = "quiet"
    PENDING = "pending"
    RAISED = "raised"
    STALE = "stale"
    NO_POINT = "no_point"
    UNIT = "unit"


class NewestReading(msgspec.Struct, frozen=True):
    """The newest usable reading of a point; without a value there is none."""

    tag: str
    unit: str
    value: float | None = None
    time: datetime | None = None


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a rule. since: since when readings were seen beyond the limit.

    detail: what was seen where that is no number, such as the answer to a question.
    """

    name: str
    status: RuleStatus
    tag: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    time: datetime | None = None
    since: datetime | None = None
    detail: str = ""


def evaluate_rules(
    rules: Sequence[Rule],
    readings: Mapping[str, NewestReading],
    since: Mapping[str, datetime],
    at: datetime,
) -> tuple[RuleResult, ...]:
    """Return the results of the rules.

    readings: by name of the rule. since: by name, from the last tick, for rules beyond their limit.
    """
    return tuple(
        _evaluate(rule, readings.get(rule.name), since.get(rule.name), at) for rule in rules
    )


def _evaluate(
    rule: Rule, reading: NewestReading | None, since: datetime | None, at: datetime
) -> RuleResult:
    """Return the result of one rule."""
    if reading is None:
        return RuleResult(name=rule.name, status=RuleStatus.NO_POINT)
    try:
        limit = _converted(rule.limit, rule.unit or reading.unit, reading.unit)
    except ValueError:
        return RuleResult(name=rule.name, status=RuleStatus.UNIT, tag=reading.tag)
    found = RuleResult(
        name=rule.name,
        status=RuleStatus.STALE,
        tag=reading.tag,
        value=reading.value,
        limit=limit,
        unit=reading.unit,
        time=reading.time,
    )
    if reading.value is None or reading.time is None:
        return found
    if at - reading.time > timedelta(seconds=rule.stale_s):
        return found
    if not _is_beyond(reading.value, limit, rule.comparison):
        return msgspec.structs.replace(found, status=RuleStatus.QUIET)
    begun = min(since, reading.time) if since is not None else reading.time
    held = at - begun >= timedelta(seconds=rule.held_s)
    status = RuleStatus.RAISED if held else RuleStatus.PENDING
    return msgspec.structs.replace(found, status=status, since=begun)


def _is_beyond(value: float, limit: float, comparison: Comparison) -> bool:
    """Return whether a value is beyond a limit, which itself is not."""
    return value > limit if comparison is Comparison.ABOVE else value < limit


def _converted(limit: float, unit: str, target: str) -> float:
    """Return a limit in another unit. Raises ValueError if the units are of other quantities."""
    if unit == target:
        return limit
    return float(unit_conversion(unit, target)(np.array([limit]))[0])
