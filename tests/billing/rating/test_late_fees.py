"""Late fees by hand: a thirtieth of the monthly rate for each whole day, rounded once."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.rating.late_fees import BalanceChange, DuePart, compute_late_fee
from billing.rating.payment_terms import LateFeeTerms

pytestmark = pytest.mark.unit
DUE = datetime(2026, 11, 1, tzinfo=UTC)
ISSUED = BalanceChange(DUE - timedelta(days=30), 1000_00)
WHOLE = [DuePart(DUE, 1000_00)]
# 1.5 % a month: 0.05 % a day, which is 0.50 of 1,000.00.
RATE = LateFeeTerms(monthly_ppm=15_000)


def fee(
    terms: LateFeeTerms,
    days: float,
    *payments: tuple[float, int],
    parts: list[DuePart] = WHOLE,
) -> int:
    """The late fee of 1,000.00 a number of days after the due date, with (day, amount) paid."""
    changes = [ISSUED, *(BalanceChange(DUE + timedelta(days=at), -paid) for at, paid in payments)]
    return compute_late_fee(terms, parts, changes, DUE + timedelta(days=days))


class TestInterest:
    @pytest.mark.parametrize(
        ("days", "expected"), [(-5, 0), (0, 0), (0.99, 0), (1, 50), (10, 5_00), (30, 15_00)]
    )
    def test_each_whole_day_overdue_costs_a_thirtieth(self, days: float, expected: int) -> None:
        assert fee(RATE, days) == expected

    def test_part_payment_lowers_the_rest(self) -> None:
        """10 days of 1,000.00 and 10 of 400.00: 5.00 + 2.00."""
        assert fee(RATE, 20, (10, 600_00)) == 7_00

    def test_no_fee_after_payment_or_for_payment_on_time(self) -> None:
        assert fee(RATE, 20, (10, 1000_00)) == 5_00
        assert fee(RATE, 20, (-1, 1000_00)) == 0

    def test_reversed_payment_bears_interest_again(self) -> None:
        """10 days before the payment, none for 5 days, then 5 days again: 7.50."""
        assert fee(RATE, 20, (10, 1000_00), (15, -1000_00)) == 7_50

    def test_days_of_grace_bear_none(self) -> None:
        terms = LateFeeTerms(monthly_ppm=15_000, grace_days=5)
        assert [fee(terms, days) for days in (5, 6, 15)] == [0, 50, 5_00]

    def test_the_sum_is_rounded_once(self) -> None:
        """0.1 % a month of 1,000.00 is 3.33… fen a day: 10 for three days, not 9."""
        assert fee(LateFeeTerms(monthly_ppm=1_000), 3) == 10

    def test_cap_is_the_most(self) -> None:
        assert fee(LateFeeTerms(monthly_ppm=15_000, cap=4_00), 30) == 4_00


class TestFixedFee:
    def test_fixed_fee_is_due_once_after_the_grace(self) -> None:
        terms = LateFeeTerms(fixed=20_00, grace_days=3)
        assert [fee(terms, days) for days in (3, 4, 300)] == [0, 20_00, 20_00]


class TestInstalments:
    def test_only_parts_that_are_due_bear_interest(self) -> None:
        """Two parts of 500.00, the second due 10 days later; 600.00 are paid on day 15.

        Part 1: 15 days of 500.00 are 3.75. Part 2: 5 days of 500.00 and 5 of 400.00 are 2.25.
        """
        parts = [DuePart(DUE, 500_00), DuePart(DUE + timedelta(days=10), 500_00)]
        assert fee(RATE, 20, (15, 600_00), parts=parts) == 6_00
