"""Daily costs of a billing period as a chart."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from babel import Locale

from billing.rating.quantities import Quantities
from billing.reports.spending import SpendingRow
from billing.tables import BillingPeriod
from gateway.dashboard.formatting import LocaleFormatter
from gateway.dashboard.pages.usage.cost_chart import (
    MAX_MODEL_SERIES,
    CostChartTexts,
    cost_chart,
    day_labels,
    period_day_starts,
)
from infra import ids

SHANGHAI = ZoneInfo("Asia/Shanghai")
EN = LocaleFormatter(Locale.parse("en_US"))
WORDS = CostChartTexts("Cost by day", "Others", "Total {cost}")


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=SHANGHAI).astimezone(UTC)


PERIOD = BillingPeriod(
    id=ids.new_id(),
    account_id=ids.new_id(),
    starts_at=at(1),
    ends_at=at(4),
    time_zone="Asia/Shanghai",
    anchor_day=1,
)


def spent(day: datetime | None, model: str, yuan: int) -> SpendingRow:
    return SpendingRow(day, model, 1, Quantities(), yuan * 10**9)


class TestPeriodDays:
    def test_running_period_has_days_up_to_today(self) -> None:
        assert period_day_starts(PERIOD, at(2, 10)) == [at(1), at(2)]

    def test_past_period_has_all_days(self) -> None:
        assert period_day_starts(PERIOD, at(20)) == [at(1), at(2), at(3)]

    def test_day_labels_are_in_the_time_zone_of_the_account(self) -> None:
        assert day_labels([at(1)], SHANGHAI, EN) == ["Nov 1"]
        assert date(2026, 11, 1) == at(1).astimezone(SHANGHAI).date()


class TestCostChart:
    def test_most_expensive_model_is_first(self) -> None:
        found = [spent(at(1), "a", 1), spent(at(1), "b", 2), spent(at(2), "b", 3)]
        chart = cost_chart(found, [at(1), at(2)], ["1", "2"], "CNY", EN, WORDS)
        assert [(one.name, one.heights) for one in chart.series] == [
            ("b", [2.0, 3.0]),
            ("a", [1.0, 0.0]),
        ]
        assert list(chart.totals) == ["Total CN¥3.00", "Total CN¥3.00"]
        assert chart.json["series"][0]["texts"] == ["CN¥2.00", "CN¥3.00"]

    def test_models_over_the_maximum_are_summed_as_others(self) -> None:
        found = [spent(at(1), f"m{number}", 100 - number) for number in range(MAX_MODEL_SERIES + 3)]
        chart = cost_chart(found, [at(1)], ["1"], "CNY", EN, WORDS)
        assert len(chart.series) == MAX_MODEL_SERIES + 1
        assert (chart.series[-1].name, chart.series[-1].heights) == ("Others", [93 + 92 + 91.0])

    def test_calls_without_a_day_are_omitted(self) -> None:
        chart = cost_chart([spent(None, "a", 1)], [at(1)], ["1"], "CNY", EN, WORDS)
        assert chart.series == []
        assert list(chart.totals) == ["Total CN¥0.00"]
