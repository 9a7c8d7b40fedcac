"""Late fees of an overdue invoice: a pure function of its terms, parts and payments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from billing.money import PPM, rounded
from billing.rating.payment_terms import LateFeeTerms

_DAYS_IN_MONTH = 30
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DuePart:
    """An amount in minor units that is due at a time; an invoice without instalments is one."""

    due_at: datetime
    minor: int


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """A change of the amount owed for an invoice, in minor units: its total, then payments."""

    at: datetime
    minor: int


def compute_late_fee(
    terms: LateFeeTerms,
    parts: Sequence[DuePart],
    changes: Sequence[BalanceChange],
    until: datetime,
) -> int:
    """Return the late fee of an invoice up to a time, in minor units, rounded once.

    A fixed fee is due when a part is unpaid after the days of grace. Simple interest is a thirtieth
    of the monthly rate on what is unpaid at the start of each whole day after the days of grace.
    """
    grace = timedelta(days=terms.grace_days)
    unpaid_days = 0
    for number, part in enumerate(parts):
        later = sum(one.minor for one in parts[number + 1 :])
        day = part.due_at + grace
        while day + _DAY <= until:
            unpaid = min(part.minor, max(0, _owed(changes, day) - later))
            unpaid_days += unpaid
            day += _DAY
            if not unpaid and not any(change.at >= day and change.minor > 0 for change in changes):
                break
    if terms.fixed:
        fee = terms.fixed if unpaid_days else 0
    else:
        fee = rounded(Fraction(unpaid_days * terms.monthly_ppm, PPM * _DAYS_IN_MONTH))
    return fee if terms.cap is None else min(fee, terms.cap)


def _owed(changes: Sequence[BalanceChange], at: datetime) -> int:
    """Return the amount owed at a time."""
    return sum(change.minor for change in changes if change.at <= at)
