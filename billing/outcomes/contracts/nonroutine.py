"""Non-routine events (IPMVP): changes that no independent variable explains.

    adjustment   a daily amount added to (or subtracted from) the adjusted baseline, such as for a
                 second shift
    excluded     days ignored in all periods, such as those of a shutdown
    swap         from a given time on, readings of another meter, times a factor

They are part of a version's terms, so both parties have agreed to each before it takes effect. The
field names are part of the canonical JSON that is hashed: they must not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from billing.outcomes.contracts.field_rules import is_line, require

_MAX_EVENTS, _MAX_NAME_LENGTH, _MAX_REASON_LENGTH = 50, 100, 200
_MAX_NANO = 10**18


@dataclass(frozen=True, slots=True)
class AdjustmentTerms:
    """A non-routine adjustment of `per_day_nano` (10^-9 units per day), subtracted with `less`.

    Applies from `first` up to, but not including, `until`; without `until` it is permanent.
    """

    first: date
    per_day_nano: int
    reason: str
    until: date | None = None
    less: bool = False


@dataclass(frozen=True, slots=True)
class ExclusionTerms:
    """Excluded days, from `first` up to, but not including, `until`."""

    first: date
    until: date
    reason: str


@dataclass(frozen=True, slots=True)
class MeterReplacementTerms:
    """A meter replacement: from `at` on, meter `new` replaces `old`, of a machine or the plant."""

    at: datetime
    old: str
    new: str
    factor_nano: int
    reason: str
    machine: str = ""


def validate_non_routine_events(
    adjustments: Sequence[AdjustmentTerms],
    excluded: Sequence[ExclusionTerms],
    swaps: Sequence[MeterReplacementTerms],
) -> None:
    """Check adjustments, excluded days and meter replacements. Raises OutcomeTermsInvalid."""
    for name, events in (("adjustments", adjustments), ("excluded", excluded), ("swaps", swaps)):
        require(
            len(events) <= _MAX_EVENTS, f"measure.{name}", f"can have at most {_MAX_EVENTS} entries"
        )
        have_reasons = all(is_line(one.reason, _MAX_REASON_LENGTH) for one in events)
        require(have_reasons, f"measure.{name}", "must each have a reason")
    for change in adjustments:
        _validate_adjustment(change)
    for days in excluded:
        require(days.first < days.until, "measure.excluded", "must not end before they begin")
    for swap in swaps:
        _validate_meter_replacement(swap)
    order = [(swap.machine, swap.at) for swap in swaps]
    require(order == sorted(order), "measure.swaps", "must be sorted by machine and time")


def _validate_adjustment(adjustment: AdjustmentTerms) -> None:
    """Require a positive amount and an end after the start. Raises OutcomeTermsInvalid."""
    field = "measure.adjustments"
    require(
        adjustment.until is None or adjustment.first < adjustment.until,
        field,
        "must not end before they begin",
    )
    require(0 < adjustment.per_day_nano <= _MAX_NANO, field, "must be greater than 0 per day")


def _validate_meter_replacement(swap: MeterReplacementTerms) -> None:
    """Require a time zone, a positive factor and both meters' names."""
    field = "measure.swaps"
    require(swap.at.tzinfo is not None, field, "must have a time zone")
    require(0 < swap.factor_nano <= _MAX_NANO, field, "must have a factor greater than 0")
    named = all(is_line(name, _MAX_NAME_LENGTH) for name in (swap.old, swap.new))
    require(named and len(swap.machine) <= _MAX_NAME_LENGTH, field, "must name both meters")
