"""Fixed fees: proration by days, and credit for unused days."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from billing.dates import local_midnight
from billing.rating.fees import BillingCalendar, PaidFee, fixed_fee_line, unused_fee_line
from billing.rating.statement import LineKind
from billing.rating.terms import Interval, PlanTerms

SHANGHAI = ZoneInfo("Asia/Shanghai")
TERMS = PlanTerms("p", {"en": "P", "zh": "P"}, "CNY", prices=(), fixed_fee=310_00)
VERSION = UUID(int=7)


def day(*of: int) -> datetime:
    return local_midnight(date(*of), SHANGHAI)


def paid(minor: int, start: tuple[int, ...], end: tuple[int, ...]) -> PaidFee:
    return PaidFee(minor, day(*start), day(*end), VERSION)


class TestFixedFeeLine:
    @pytest.mark.parametrize(
        ("starts", "anchor", "ends", "minor"),
        [
            ((2026, 10, 1), 1, (2026, 11, 1), 310_00),
            ((2026, 10, 15), 1, (2026, 11, 1), 170_00),  # 17 of 31 days
            ((2026, 10, 31), 1, (2026, 11, 1), 10_00),
            ((2026, 11, 30), 1, (2026, 12, 1), 10_33),  # 310 / 30 = 10.3333
            ((2027, 2, 28), 31, (2027, 3, 31), 310_00),
            ((2026, 10, 20), 15, (2026, 11, 15), 260_00),  # 26 of 31 days
        ],
    )
    def test_monthly_fee_is_prorated_by_days(
        self, starts: tuple[int, ...], anchor: int, ends: tuple[int, ...], minor: int
    ) -> None:
        line = fixed_fee_line(TERMS, BillingCalendar(SHANGHAI, anchor), day(*starts))
        assert (line.kind, line.minor) == (LineKind.FIXED_FEE, minor)
        assert (line.starts_at, line.ends_at) == (day(*starts), day(*ends))
        assert line.version_id == TERMS.version_id()

    @pytest.mark.parametrize(
        ("starts", "ends"),
        [((2026, 10, 15), (2027, 10, 15)), ((2028, 2, 29), (2029, 2, 28))],
    )
    def test_yearly_fee_is_not_prorated(
        self, starts: tuple[int, ...], ends: tuple[int, ...]
    ) -> None:
        yearly = replace(TERMS, interval=Interval.YEAR)
        line = fixed_fee_line(yearly, BillingCalendar(SHANGHAI, 1), day(*starts))
        assert (line.minor, line.ends_at) == (310_00, day(*ends))


class TestUnusedFeeLine:
    @pytest.mark.parametrize(
        ("fee", "at", "minor"),
        [
            (paid(310_00, (2026, 10, 1), (2026, 11, 1)), (2026, 10, 11, 23), 210_00),
            (paid(100, (2026, 11, 1), (2026, 12, 1)), (2026, 11, 30), 3),  # 3.33
            (paid(50, (2026, 11, 1), (2026, 12, 1)), (2026, 11, 28), 5),
            # Of a year: 334 of 365 days are left after January.
            (paid(365_00, (2027, 1, 1), (2028, 1, 1)), (2027, 2, 1), 334_00),
        ],
    )
    def test_unused_fee_is_credited_by_remaining_days(
        self, fee: PaidFee, at: tuple[Any, ...], minor: int
    ) -> None:
        now = datetime(*at, tzinfo=SHANGHAI)
        line = unused_fee_line(fee, now, SHANGHAI)
        assert line is not None
        assert (line.kind, line.minor, line.version_id) == (LineKind.UNUSED_FEE, -minor, VERSION)
        assert (line.starts_at, line.ends_at) == (now, fee.ends_at)

    def test_whole_fee_is_credited_before_its_period_starts(self) -> None:
        fee = paid(310_00, (2026, 11, 1), (2026, 12, 1))
        line = unused_fee_line(fee, day(2026, 10, 20), SHANGHAI)
        assert line is not None
        assert (line.minor, line.starts_at) == (-310_00, fee.starts_at)

    @pytest.mark.parametrize(
        ("fee", "at"),
        [
            (paid(310_00, (2026, 10, 1), (2026, 11, 1)), (2026, 11, 1)),
            (paid(0, (2026, 11, 1), (2026, 12, 1)), (2026, 11, 3)),
            (paid(1, (2026, 11, 1), (2026, 12, 1)), (2026, 11, 17)),  # 14 of 30 days: 0.47
            (paid(310_00, (2026, 11, 3), (2026, 11, 3)), (2026, 11, 3)),
        ],
        ids=["its days have passed", "it was free", "less than half a fen", "it is for no day"],
    )
    def test_no_line_if_the_credit_is_zero(self, fee: PaidFee, at: tuple[int, ...]) -> None:
        assert unused_fee_line(fee, day(*at), SHANGHAI) is None
