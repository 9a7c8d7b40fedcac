"""Non-routine events, as IPMVP calls what no variable tells, and what both sides agree about them.

    adjustment   so much a day would have been more (or less) without us, as of a second shift
    excluded     days that count on neither side, as those of a shutdown
    swap         from a moment on another meter tells, and its readings count so many times

They are a part of a version's terms, so both sides have agreed to each, before it counts. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from billing.outcomes.contracts.field_rules import is_line, require

_MOST, _MOST_NAME, _MOST_REASON = 50, 100, 200
_MOST_NANO = 10**18


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`per_day_nano` of the unit more a day, from `first` until the day before `until` or for good;
    with `less`, less."""

    first: date
    per_day_nano: int
    reason: str
    until: date | None = None
    less: bool = False


@dataclass(frozen=True, slots=True)
class Excluded:
    """Days from `first` until the day before `until`."""

    first: date
    until: date
    reason: str


@dataclass(frozen=True, slots=True)
class Swap:
    """From `at` on the meter `new` tells in place of `old`, of one machine or of the plant."""

    at: datetime
    old: str
    new: str
    factor_nano: int
    reason: str
    machine: str = ""


def require_nonroutine(
    adjustments: Sequence[Adjustment], excluded: Sequence[Excluded], swaps: Sequence[Swap]
) -> None:
    """Raises OutcomeTermsInvalid."""
    for name, these in (("adjustments", adjustments), ("excluded", excluded), ("swaps", swaps)):
        require(len(these) <= _MOST, f"measure.{name}", f"are up to {_MOST}")
        said = all(is_line(one.reason, _MOST_REASON) for one in these)
        require(said, f"measure.{name}", "have a reason each")
    for change in adjustments:
        _require_adjustment(change)
    for days in excluded:
        require(days.first < days.until, "measure.excluded", "end before they begin")
    for swap in swaps:
        _require_swap(swap)
    order = [(swap.machine, swap.at) for swap in swaps]
    require(order == sorted(order), "measure.swaps", "are in the order of machines and times")


def _require_adjustment(one: Adjustment) -> None:
    field = "measure.adjustments"
    require(one.until is None or one.first < one.until, field, "end before they begin")
    require(0 < one.per_day_nano <= _MOST_NANO, field, "are above nothing a day")


def _require_swap(swap: Swap) -> None:
    field = "measure.swaps"
    require(swap.at.tzinfo is not None, field, "have a time zone")
    require(0 < swap.factor_nano <= _MOST_NANO, field, "have a factor above nothing")
    named = all(is_line(name, _MOST_NAME) for name in (swap.old, swap.new))
    require(named and len(swap.machine) <= _MOST_NAME, field, "name both meters")
