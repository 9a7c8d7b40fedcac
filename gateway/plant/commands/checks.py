"""Check a command against the owner's limits; pure, the same in the gateway and in the connector.

document valid -> command in time -> point, unit and value -> writes so far -> step
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import isfinite

from gateway.plant.commands.values import Command, CommandLimits, PointLimits, Refusal

# How far the clocks of gateway and connector may differ.
MAX_SKEW = timedelta(minutes=2)
_HOUR = timedelta(hours=1)


def check_document(limits: CommandLimits | None, now: datetime) -> Refusal | None:
    """Return why nothing may be written now, None if the document allows it."""
    if limits is None:
        return Refusal.LIMITS_MISSING
    if limits.issued_at - MAX_SKEW > now:
        return Refusal.CLOCK_DIFFERS
    return Refusal.LIMITS_EXPIRED if now >= limits.expires_at else None


def check_time(command: Command, now: datetime) -> Refusal | None:
    """Return why a command is not valid now: too late, or the clock was set back."""
    if now > command.not_after:
        return Refusal.COMMAND_EXPIRED
    return Refusal.CLOCK_DIFFERS if command.created_at - MAX_SKEW > now else None


def check_value(command: Command, point: PointLimits | None) -> Refusal | None:
    """Return why a value may not be written to a point, None if it may."""
    if point is None:
        return Refusal.POINT_NOT_LISTED
    if command.unit != point.unit:
        return Refusal.UNIT_DIFFERS
    is_inside = isfinite(command.value) and point.minimum <= command.value <= point.maximum
    return None if is_inside else Refusal.VALUE_OUTSIDE


def check_rate(point: PointLimits, written: Sequence[datetime], now: datetime) -> Refusal | None:
    """Return why the point may not be written again yet.

    written: times of earlier writes. A time after `now`, as before a clock was set back, counts as
    just now.
    """
    ages = [max(now - one, timedelta()) for one in written]
    if any(age < timedelta(seconds=point.min_interval_s) for age in ages):
        return Refusal.TOO_SOON
    recent = sum(age < _HOUR for age in ages)
    return Refusal.TOO_MANY if recent >= point.max_per_hour else None


def check_step(command: Command, point: PointLimits, current: float | None) -> Refusal | None:
    """Return why the value is too far from the current one. None of them is known: refused."""
    if point.max_step is None:
        return None
    if current is None or not isfinite(current):
        return Refusal.VALUE_UNKNOWN
    return Refusal.STEP_TOO_LARGE if _is_beyond(command.value, current, point.max_step) else None


def check_before_write(
    limits: CommandLimits | None, command: Command, written: Sequence[datetime], now: datetime
) -> Refusal | None:
    """Return why a command is refused without looking at the machine, None if it may go on."""
    refusal = check_document(limits, now) or check_time(command, now)
    if refusal is not None or limits is None:
        return refusal
    point = limits.of_tag(command.tag)
    refusal = check_value(command, point)
    if refusal is not None or point is None:
        return refusal
    return check_rate(point, written, now)


def is_confirmed(point: PointLimits, value: float, read: float | None) -> bool:
    """Return whether a value that was read back is the one that was written."""
    return read is not None and not _is_beyond(read, value, point.tolerance)


def _is_beyond(one: float, other: float, most: float) -> bool:
    """Return whether two values differ by more than `most`, rounding of 32-bit floats aside."""
    slack = 1e-6 * max(abs(one), abs(other))
    return abs(one - other) > most + slack
