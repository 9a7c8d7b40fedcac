"""Formatting of money, numbers and times by language."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel import Locale

from gateway.dashboard.formatting import LocaleFormatter

EN, ZH = LocaleFormatter(Locale.parse("en_US")), LocaleFormatter(Locale.parse("zh_Hans_CN"))
SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 11, 18, 2, 24, 5, tzinfo=UTC)


class TestMoneyFormat:
    @pytest.mark.parametrize(
        ("minor", "currency", "en", "zh"),
        [
            (123_456, "CNY", "CN¥1,234.56", "¥1,234.56"),
            (-5, "USD", "-$0.05", "-US$0.05"),
            (1234, "JPY", "¥1,234", "JP¥1,234"),
            (1234, "KWD", "KWD1.234", "KWD1.234"),
        ],
    )
    def test_invoice_amounts_have_the_decimals_of_the_currency(
        self, minor: int, currency: str, en: str, zh: str
    ) -> None:
        shown = EN.money(minor, currency).replace("\xa0", " ")
        assert (shown, ZH.money(minor, currency).replace("\xa0", " ")) == (en, zh)

    @pytest.mark.parametrize(
        ("nano", "shown"),
        [
            (0, "CN¥0.00"),
            (1, "CN¥0.000000001"),
            (7_141_500, "CN¥0.0071415"),
            (540_000_000, "CN¥0.54"),
            (1_005_000_000, "CN¥1.01"),
            (10**18, "CN¥1,000,000,000.00"),
        ],
    )
    def test_cost_of_a_call_keeps_all_significant_decimals(self, nano: int, shown: str) -> None:
        assert EN.cost(nano, "CNY") == shown

    @pytest.mark.parametrize(
        ("nano", "shown"),
        [
            (0, "CN¥0.00"),
            (1, "< CN¥0.01"),
            (300_123_520, "CN¥0.30"),
            (5_000_000, "CN¥0.01"),
            (-1, "CN¥0.00"),
            (-300_123_520, "-CN¥0.30"),
        ],
    )
    def test_sum_of_costs_is_rounded_to_cents(self, nano: int, shown: str) -> None:
        assert EN.sum(nano, "CNY") == shown


class TestNumberFormat:
    def test_large_numbers_are_abbreviated(self) -> None:
        assert [EN.compact(one) for one in (9_999, 12_345, 1_234_567)] == ["9,999", "12.3K", "1.2M"]
        assert ZH.compact(1_234_567) == "123.5万"
        assert EN.number(None) == "–"

    def test_decimals_are_rounded_to_three_places(self) -> None:
        assert [EN.decimal(one) for one in ("1234.5000", "0", "-0.1239")] == [
            "1,234.5",
            "0",
            "-0.124",
        ]

    def test_shares_are_whole_percentages(self) -> None:
        assert (EN.share(1, 8), EN.share(1, 0), EN.share(3, 2)) == ("13%", "0%", "150%")

    def test_durations_are_in_ms_or_s(self) -> None:
        shown = [EN.duration(one) for one in (None, 340_900, 2_440_000)]
        assert shown == ["–", "340 ms", "2.4 s"]


class TestTimeFormat:
    def test_seconds_are_exact_in_the_largest_unit(self) -> None:
        shown = [EN.seconds(one) for one in (86_400, 5400, 600.0, 90, 1.5)]
        assert shown == ["1 day", "90 minutes", "10 minutes", "90 seconds", "1.5 seconds"]

    def test_dates_are_formatted_by_language(self) -> None:
        day = date(2026, 11, 3)
        assert (EN.day(day), EN.short_day(day), EN.month(day)) == (
            "Nov 3, 2026",
            "Nov 3",
            "November 2026",
        )
        assert (ZH.day(day), ZH.short_day(day), ZH.month(day)) == (
            "2026年11月3日",
            "11月3日",
            "2026年11月",
        )

    def test_timestamps_are_shown_in_the_time_zone(self) -> None:
        assert EN.moment(AT, SHANGHAI, "short") == "Nov 18 10:24"
        assert EN.moment(AT, SHANGHAI, "date") == "Nov 18, 2026"
        assert ZH.moment(AT, SHANGHAI) == "2026年11月18日 10:24:05"
        assert EN.hour(AT, SHANGHAI) == "10:24"

    def test_period_end_at_midnight_is_shown_as_the_day_before(self) -> None:
        assert EN.last_day(datetime(2026, 10, 31, 16, tzinfo=UTC), SHANGHAI) == "Oct 31, 2026"

    def test_elapsed_time_is_relative(self) -> None:
        assert EN.ago(AT - timedelta(minutes=3), AT) == "3 minutes ago"
        assert ZH.ago(AT - timedelta(hours=2), AT) == "2小时前"
