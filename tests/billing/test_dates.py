"""Billing dates: time zones, local midnights, billing months and shares of a month."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.dates import (
    TimeZoneUnknown,
    add_year,
    billing_month_share,
    billing_month_start,
    days_between,
    local_day,
    local_day_start,
    local_midnight,
    next_billing_month_start,
    parse_instant,
    parse_time_zone,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
DAYS = st.dates(date(2000, 1, 1), date(2100, 12, 31))
ANCHORS = st.integers(1, 31)


class TestTimeZone:
    def test_time_zone_is_parsed_by_name(self) -> None:
        assert parse_time_zone("Asia/Kolkata").key == "Asia/Kolkata"

    @pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "Asia"])
    def test_unknown_time_zone_name_is_rejected(self, name: str) -> None:
        with pytest.raises(TimeZoneUnknown) as raised:
            parse_time_zone(name)
        assert (raised.value.code, raised.value.param) == ("time_zone_unknown", "time_zone")


class TestLocalMidnight:
    def test_midnight_is_in_the_local_time_zone(self) -> None:
        assert local_midnight(date(2026, 10, 1), SHANGHAI) == datetime(2026, 9, 30, 16, tzinfo=UTC)

    def test_day_at_the_end_of_daylight_saving_has_25_hours(self) -> None:
        first, second = (local_midnight(date(2026, 11, day), NEW_YORK) for day in (1, 2))
        assert second - first == timedelta(hours=25)

    def test_skipped_midnight_moves_to_the_first_existing_time(self) -> None:
        """Beirut's clocks go forward at midnight: 29 March 2026 starts at 01:00."""
        begins = local_midnight(date(2026, 3, 29), ZoneInfo("Asia/Beirut"))
        assert begins == datetime(2026, 3, 28, 22, tzinfo=UTC)
        assert local_day(begins, ZoneInfo("Asia/Beirut")) == date(2026, 3, 29)

    def test_repeated_midnight_is_the_first_one(self) -> None:
        """Havana's clocks go back from 01:00 to midnight: the day starts at the first midnight."""
        begins = local_midnight(date(2026, 11, 1), ZoneInfo("America/Havana"))
        assert begins == datetime(2026, 11, 1, 4, tzinfo=UTC)

    def test_day_start_of_an_instant_is_local_midnight(self) -> None:
        at = datetime(2026, 10, 15, 15, 59, 59, tzinfo=UTC)  # 23:59:59 in Shanghai
        assert local_day_start(at, SHANGHAI) == datetime(2026, 10, 14, 16, tzinfo=UTC)
        assert local_day_start(at + timedelta(seconds=1), SHANGHAI) == at + timedelta(seconds=1)


class TestBillingMonths:
    @pytest.mark.parametrize(
        ("day", "anchor", "start", "following"),
        [
            ((2026, 10, 1), 1, (2026, 10, 1), (2026, 11, 1)),
            ((2026, 10, 31), 1, (2026, 10, 1), (2026, 11, 1)),
            ((2026, 12, 31), 1, (2026, 12, 1), (2027, 1, 1)),
            ((2026, 10, 14), 15, (2026, 9, 15), (2026, 10, 15)),
            ((2026, 10, 15), 15, (2026, 10, 15), (2026, 11, 15)),
            ((2026, 1, 3), 15, (2025, 12, 15), (2026, 1, 15)),
            ((2027, 2, 27), 31, (2027, 1, 31), (2027, 2, 28)),
            ((2027, 2, 28), 31, (2027, 2, 28), (2027, 3, 31)),
            ((2028, 2, 28), 31, (2028, 1, 31), (2028, 2, 29)),
            ((2028, 2, 29), 30, (2028, 2, 29), (2028, 3, 30)),
            ((2027, 4, 30), 31, (2027, 4, 30), (2027, 5, 31)),
        ],
    )
    def test_worked_examples_of_month_start_and_next_month_start(
        self,
        day: tuple[int, int, int],
        anchor: int,
        start: tuple[int, int, int],
        following: tuple[int, int, int],
    ) -> None:
        assert billing_month_start(date(*day), anchor) == date(*start)
        assert next_billing_month_start(date(*day), anchor) == date(*following)

    @given(DAYS, ANCHORS)
    def test_consecutive_months_have_no_gap(self, day: date, anchor: int) -> None:
        start, following = billing_month_start(day, anchor), next_billing_month_start(day, anchor)
        assert start <= day < following
        assert 28 <= (following - start).days <= 31
        assert billing_month_start(following, anchor) == following
        assert billing_month_start(following - timedelta(days=1), anchor) == start

    @pytest.mark.parametrize(
        ("day", "later"),
        [
            ((2026, 3, 1), (2027, 3, 1)),
            ((2028, 2, 29), (2029, 2, 28)),
            ((2027, 2, 28), (2028, 2, 28)),
        ],
    )
    def test_one_year_after_29_february_is_28_february(
        self, day: tuple[int, int, int], later: tuple[int, int, int]
    ) -> None:
        assert add_year(date(*day)) == date(*later)


class TestInstantParsing:
    def test_time_without_offset_is_in_the_given_time_zone(self) -> None:
        local = datetime(2026, 11, 1, 8, 30)  # noqa: DTZ001
        assert parse_instant(local, SHANGHAI) == datetime(2026, 11, 1, 0, 30, tzinfo=UTC)
        assert parse_instant(local.replace(tzinfo=UTC), SHANGHAI) == local.replace(tzinfo=UTC)

    @pytest.mark.parametrize("at", [(2026, 3, 8, 2, 30), (2026, 11, 1, 1, 30)])
    def test_skipped_or_repeated_local_time_is_rejected(self, at: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="add the UTC offset"):
            parse_instant(datetime(*at), NEW_YORK)  # type: ignore[arg-type]  # noqa: DTZ001

    def test_year_out_of_range_is_rejected(self) -> None:
        with pytest.raises(ValueError, match="year must be"):
            parse_instant(datetime(1, 1, 1), SHANGHAI)  # noqa: DTZ001


class TestDaysAndMonthShares:
    def test_started_days_count_as_whole_days(self) -> None:
        start = datetime(2026, 10, 10, 15, tzinfo=UTC)  # 23:00 on the 10th
        end = datetime(2026, 10, 11, 17, tzinfo=UTC)  # 01:00 on the 12th
        assert days_between(start, end, SHANGHAI) == 2
        assert days_between(end, start, SHANGHAI) == 0

    def test_daylight_saving_change_does_not_affect_the_number_of_days(self) -> None:
        start, end = (local_midnight(date(2026, 11, day), NEW_YORK) for day in (1, 30))
        assert days_between(start, end, NEW_YORK) == 29

    @pytest.mark.parametrize(
        ("start", "end", "anchor", "share"),
        [
            ((2026, 10, 1), (2026, 11, 1), 1, Fraction(1)),
            ((2026, 10, 16), (2026, 11, 1), 1, Fraction(16, 31)),
            ((2026, 10, 16), (2026, 12, 1), 1, Fraction(16, 31)),
            ((2026, 10, 16), (2026, 10, 16), 1, Fraction(0)),
            ((2026, 10, 16), (2026, 10, 10), 1, Fraction(0)),
            ((2027, 2, 1), (2027, 2, 28), 31, Fraction(27, 28)),
            ((2027, 2, 28), (2027, 3, 31), 31, Fraction(1)),
        ],
    )
    def test_month_share_is_days_of_the_span_over_days_of_the_month(
        self,
        start: tuple[int, int, int],
        end: tuple[int, int, int],
        anchor: int,
        share: Fraction,
    ) -> None:
        span = local_midnight(date(*start), SHANGHAI), local_midnight(date(*end), SHANGHAI)
        assert billing_month_share(*span, SHANGHAI, anchor) == share
