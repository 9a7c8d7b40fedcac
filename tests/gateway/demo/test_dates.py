"""Dates of the demo: its complete months lie in the past whenever it is created."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from billing.dates import local_midnight
from gateway.demo.dates import SHANGHAI, SimulatedClock, at_hour, demo_dates, net_days
from gateway.demo.firms import Firm
from gateway.demo.moulding import MOULDING

# Each day of two years, including a leap year.
DAYS = [datetime(2027, 1, 1, 5, tzinfo=UTC) + timedelta(days=at) for at in range(731)]


class TestDemoDates:
    @pytest.mark.parametrize("hours", [0, 11, 18])
    def test_second_month_ended_at_least_ten_days_ago(self, hours: int) -> None:
        for day in DAYS:
            now = day + timedelta(hours=hours)
            dates = demo_dates(now)
            assert timedelta(days=10) <= now - at_hour(dates.third_month, 0) < timedelta(days=42)
            months = [dates.first_month, dates.second_month, dates.third_month]
            assert [one.day for one in months] == [1, 1, 1]
            assert (dates.third_month - dates.first_month).days in (59, 60, 61, 62)
            assert dates.opening < at_hour(dates.first_month, 0)
            assert dates.days[0] == dates.first_month
            assert at_hour(dates.days[-1], 0) <= now < at_hour(dates.days[-1], 24)

    @pytest.mark.parametrize(
        ("now", "first"), [("2026-11-10", "2026-08-01"), ("2026-11-11", "2026-09-01")]
    )
    def test_first_month_shifts_when_ten_days_have_passed(self, now: str, first: str) -> None:
        """On 11 November, ten full days have passed since the end of October."""
        at = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
        assert demo_dates(at).first_month.isoformat() == first


class TestDemoPaymentTerms:
    def test_invoice_of_the_overdue_firm_is_days_late(self) -> None:
        for now in DAYS:
            dates = demo_dates(now)
            issued = local_midnight(dates.third_month, SHANGHAI) + timedelta(hours=2)
            late = now - issued - timedelta(days=net_days(MOULDING, dates))
            assert timedelta(days=5) <= late < timedelta(days=8)

    def test_punctual_firm_keeps_its_net_days(self) -> None:
        punctual: Firm = replace(MOULDING, overdue_days=None, net_days=14)
        assert net_days(punctual, demo_dates(DAYS[0])) == 14


def test_simulated_clock_never_goes_back() -> None:
    clock = SimulatedClock(DAYS[5])
    clock.advance_to(DAYS[3])
    assert clock.now() == DAYS[5]
    clock.advance_to(DAYS[7])
    assert (clock.now(), clock.monotonic()) == (DAYS[7], DAYS[7].timestamp())
