"""Dates of columns, and numbers of Excel that are dates."""

import datetime as dt

import numpy as np
import pytest

from models.tables.columns import Column, Kind, infer_column
from models.tables.dates import DayOrder, parse_dates
from models.tables.reading import read_table
from models.tables.table import RawColumn


def of(*texts: str, name: str = "x", kind: Kind | None = None) -> Column:
    return infer_column(RawColumn(name, None, np.array(texts, dtype=object)), kind=kind)


def numbers(column: Column) -> list[float]:
    assert column.numbers is not None
    return column.numbers.tolist()


def times(column: Column) -> list[str]:
    return [
        dt.datetime.fromtimestamp(second, dt.UTC).isoformat()[:19] for second in numbers(column)
    ]


class TestDates:
    @pytest.mark.parametrize(
        "text",
        [
            "2026-03-25 08:15:00",
            "2026-03-25T08:15:00Z",
            "2026/3/25 8:15",
            "2026年3月25日 8时15分",
            "25.03.2026 08:15",
            "25/03/2026 08:15",
            "03/25/2026 8:15 AM",
            "20260325T0815",
            "2026-03-25T10:15+02:00",
            "2026-03-25 10:15:00+02",
            "2026-03-25 10:15:00+0200",
            "2026-03-25T10:15:00+02:00[Europe/Berlin]",
            "2026/3/25 上午8:15",
            "2026年3月25日 上午8时15分0秒",
            "2026年3月25日8点15分",
            "25.03.2026, 08:15 Uhr",
            "25.03.26 08:15",
            "03/25/26 8:15 a.m.",
            "25-Mar-2026 08:15",
            "25-MAR-26 08:15:00",
            "25 March 2026 8:15 AM",
            "Mar 25, 2026, 8:15 AM",
            "Wed, 25 Mar 2026 08:15:00 GMT",
            "25. März 2026 08:15",
            "2026-03-25 09:15 CET",
            "25.03.2026 10:15 MESZ",
            "2026-03-25 16:15 UTC+8",
            "2026-03-25 16:15:00 GMT+08:00",
            "2026-03-25 17:15 JST",
            "2026/3/25 17:15:00 KST",
            "25.03.2026 10:15 EET",
            "2026-03-25 11:15 EEST",
            "25 March 2026 11:15 MSK",
            "2026-03-25 16:15 SGT",
            "2026-03-25 16:15 HKT",
            "2026-03-25 20:15 NZST",
            "03/25/2026 9:15 PM NZDT",
            "2026-Mar-25 08:15",
            "2026 March 25, 8:15 AM",
            "2026/mrz/25 08:15",
        ],
    )
    def test_form_is_read(self, text: str) -> None:
        column = of(text, text)
        assert column.kind is Kind.TIME
        assert times(column)[0] == "2026-03-25T08:15:00"

    @pytest.mark.parametrize(
        ("text", "hour"),
        [
            ("2026/3/25 下午3:20", "15:20"),
            ("2026/3/25 上午12:20", "00:20"),
            ("2026/3/25 下午12:20", "12:20"),
            ("03/25/2026 12:20 AM", "00:20"),
            ("03/25/2026 12:20PM", "12:20"),
            ("03/25/2026 3:20 p.m.", "15:20"),
            ("03/25/2026 3 PM", "15:00"),
            ("25.03.2026 15 Uhr", "15:00"),
            ("25-Mar-2026 3 p.m.", "15:00"),
        ],
    )
    def test_half_of_the_day_is_read(self, text: str, hour: str) -> None:
        assert times(of(text, text))[0] == f"2026-03-25T{hour}:00"

    def test_years_of_two_digits_are_noted(self) -> None:
        column = of("25.03.26", "26.03.26", "26.03.99")
        assert times(column)[1:] == ["2026-03-26T00:00:00", "1999-03-26T00:00:00"]
        assert column.notes == (
            "The last number of its dates was read as a year of two digits: check this.",
        )

    def test_years_of_two_digits_after_a_month_name_are_noted(self) -> None:
        column = of("05-Mar-26", "06-Mar-26", "07-Mar-26")
        assert times(column)[0] == "2026-03-05T00:00:00"
        assert column.notes == (
            "The last number of its dates was read as a year of two digits: check this.",
        )

    def test_hours_without_minutes_are_noted(self) -> None:
        column = of("2026-03-25 08", "2026-03-25 15", "2026-03-26 00")
        assert times(column)[:2] == ["2026-03-25T08:00:00", "2026-03-25T15:00:00"]
        assert column.notes == ("The last number of its dates was read as an hour: check this.",)
        assert of("2026-03-25 8时", "2026-03-25 15时").notes == ()

    @pytest.mark.parametrize("date", ["2026/3/5", "2026/03/05", "3/5/2026", "03/05/2026"])
    def test_hour_of_one_digit_after_a_date_with_slashes_is_read_and_noted(self, date: str) -> None:
        column = of(*(f"{date} {hour}" for hour in range(24)))
        assert (column.kind, column.invalid) == (Kind.TIME, ())
        assert np.diff(numbers(column)).tolist() == [3600.0] * 23
        assert "The last number of its dates was read as an hour: check this." in column.notes

    @pytest.mark.parametrize(
        "texts",
        [
            ("2026-03-25 08:15 CST",) * 3,
            ("10-12-26 01", "11-12-26 01", "12-12-26 01"),
            ("5 mar", "6 mar", "7 mar"),
            ("5 bar 2026", "6 bar 2026", "7 bar 2026"),
            ("10MAR24", "11MAR24", "12MAR24"),
            ("26/03/05 08:15", "26/03/06 08:15", "26/03/07 08:15"),
            ("1.2.10", "1.2.11", "1.3.10"),
            ("10-12-26", "11-12-26", "12-12-26"),
            ("2026-03-05-01", "2026-03-05-02", "2026-03-05-03"),
            ("2026-03-05 1", "2026-03-05 2", "2026-03-05 3"),
            ("2024MAR10", "2024MAR11", "2024MAR12"),
            ("03/25/2026 13:20 AM",) * 3,
        ],
        ids=[
            "two zones",
            "hours",
            "no year",
            "no month",
            "part numbers with letters",
            "year first",
            "versions",
            "part numbers",
            "batches",
            "shifts",
            "part numbers with a year",
            "no hour",
        ],
    )
    def test_other_texts_are_no_dates(self, texts: tuple[str, ...]) -> None:
        assert of(*texts).kind is not Kind.TIME

    def test_order_of_day_and_month_is_that_in_which_the_column_ascends(self) -> None:
        column = of("01/30/2026", "02/01/2026", "03/01/2026")
        assert times(column)[1] == "2026-02-01T00:00:00"
        ambiguous = of("01/02/2026", "01/03/2026", "02/01/2026")
        assert times(ambiguous)[0] == "2026-01-02T00:00:00"
        assert ambiguous.notes

    @pytest.mark.parametrize(
        ("form", "order"), [("%m/%d/%Y", DayOrder.MONTH_FIRST), ("%d/%m/%Y", DayOrder.DAY_FIRST)]
    )
    @pytest.mark.parametrize("machines", [1, 3])
    @pytest.mark.parametrize("direction", [1, -1], ids=["ascending", "descending"])
    def test_order_of_day_and_month_of_days_up_to_12_is_that_of_even_steps(
        self, form: str, order: DayOrder, machines: int, direction: int
    ) -> None:
        start = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)
        moments = [start + dt.timedelta(hours=hour) for hour in range(240)][::direction]
        column = of(*(f"{one:{form} %H:%M}" for _ in range(machines) for one in moments))
        assert column.day_order is order
        assert numbers(column)[:240] == [one.timestamp() for one in moments]
        assert len(column.notes) == 1

    def test_readings_of_each_month_are_read_in_their_order_of_day_and_month(self) -> None:
        months = [(2024 + month // 12, 1 + month % 12) for month in range(30)]
        assert of(*(f"01/{m:02d}/{y}" for y, m in months)).day_order is DayOrder.DAY_FIRST
        assert of(*(f"{m:02d}/01/{y}" for y, m in months)).day_order is DayOrder.MONTH_FIRST

    def test_order_of_day_and_month_that_nothing_tells_is_noted_with_what_to_write(self) -> None:
        column = of("05/03/2026", "03/05/2026", "07/06/2026", "01/02/2026")
        assert column.day_order is DayOrder.DAY_FIRST
        assert column.notes == (
            "Its dates were read with the day first: check this. If the month comes first, write "
            "them as 2026-03-05.",
        )

    def test_order_of_day_and_month_is_told_by_days_far_below(self) -> None:
        start = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
        moments = [start + dt.timedelta(minutes=5 * step) for step in range(5_000)]
        column = of(*(f"{one:%m/%d/%Y %H:%M}" for one in moments))
        assert column.invalid == ()
        assert numbers(column) == [one.timestamp() for one in moments]

    def test_dates_with_dots_leave_no_doubt_about_the_order(self) -> None:
        column = of("01.02.2026", "02.02.2026", "05.03.2026")
        assert times(column)[1] == "2026-02-02T00:00:00"
        assert (column.notes, column.day_order) == ((), None)

    def test_long_text_is_no_date(self) -> None:
        assert of(*("2026-03-25" + " " * spaces + "08:15" for spaces in (90, 91, 92))).kind is (
            Kind.CATEGORY
        )
        assert of("2026-03-25" + " " * 80 + "08:15").kind is Kind.TIME

    def test_impossible_date_is_invalid(self) -> None:
        assert of(*["2026-01-05"] * 20, "2026-02-30").invalid == (20,)

    def test_epoch_numbers_are_times_if_the_header_says_so(self) -> None:
        raw = RawColumn("timestamp", np.array([1_700_000_000_000.0, 1_700_000_060_000.0]), None)
        assert numbers(infer_column(raw)) == [1_700_000_000.0, 1_700_000_060.0]
        other = RawColumn("serial", raw.numbers, None)
        assert infer_column(other).kind is Kind.NUMBER


class TestExcelDays:
    """Numbers that Excel counts days with."""

    DAYS = 46_086 + np.arange(48) * 7 / 24

    @staticmethod
    def column(name: str, numbers: np.ndarray, kind: Kind | None = None) -> Column:
        return infer_column(RawColumn(name, numbers, None), kind=kind)

    @pytest.mark.parametrize("decimals", [5, 6, 10])
    @pytest.mark.parametrize("name", ["time", "时间"])
    def test_times_of_the_clock_in_a_column_of_times_are_noted(
        self, name: str, decimals: int
    ) -> None:
        column = self.column(name, self.DAYS.round(decimals))
        assert column.kind is Kind.TIME
        assert times(column)[:2] == ["2026-03-05T00:00:00", "2026-03-05T07:00:00"]
        assert column.notes == (
            "Its numbers were read as dates of Excel, from 2026-03-05T00:00:00 to "
            "2026-03-18T17:00:00: check this.",
        )

    def test_decimal_commas_are_read(self) -> None:
        texts = [f"{day:.6f}".replace(".", ",") for day in self.DAYS]
        column = infer_column(RawColumn("time", None, np.array(texts, dtype=object)))
        assert times(column) == times(self.column("time", self.DAYS.round(6)))
        assert column.notes
        assert parse_dates(np.array(texts, dtype=object)).invalid == ()

    def test_whole_days_are_dates_in_a_column_of_dates_only(self) -> None:
        days = np.arange(46_086.0, 46_100.0)
        assert times(self.column("日期", days))[0] == "2026-03-05T00:00:00"
        assert self.column("time", days).kind is Kind.NUMBER

    @pytest.mark.parametrize(
        ("name", "numbers"),
        [
            ("speed", DAYS.round(6)),
            ("time [h]", DAYS.round(6)),
            ("time", 40_000 + np.arange(48) / 4),
            ("time", 40_000 + np.arange(48) * 0.37),
            ("time", np.random.default_rng(1).uniform(40_000, 41_000, 48).round(3)),
            ("time", DAYS.round(6) - 20_000),
        ],
        ids=["name", "unit", "quarters", "hundredths", "counter", "range"],
    )
    def test_measurements_stay_numbers(self, name: str, numbers: np.ndarray) -> None:
        assert self.column(name, numbers).kind is Kind.NUMBER

    def test_stated_type_wins(self) -> None:
        stated = self.column("speed", self.DAYS.round(6), Kind.TIME)
        assert times(stated)[1] == "2026-03-05T07:00:00"

    @pytest.mark.parametrize(
        ("table", "step"),
        [
            ("date,v\n" + "".join(f'"{day:,}",1\n' for day in range(46_086, 46_090)), 86_400.0),
            ("time,v\n" + "".join(f'"{46_086 + h / 24:,.6f}",1\n' for h in range(9)), 3_600.0),
            ("time;v\n46.086,041667;1\n46.086,083333;2\n46.086,125;1,5\n", 3_600.0),
            ("date;v\n46.086;1,5\n46.087;2\n46.088;1\n", 86_400.0),
        ],
        ids=["commas", "commas and points", "points and commas", "points"],
    )
    def test_separators_of_thousands_are_read_alike_in_training_and_calls(
        self, table: str, step: float
    ) -> None:
        raw = read_table(table.encode()).columns[0]
        trained, called = infer_column(raw), parse_dates(raw.as_texts())
        assert trained.kind is Kind.TIME
        assert np.diff(numbers(trained)).tolist() == [step] * (len(raw) - 1)
        assert (called.invalid, called.seconds.tolist()) == ((), numbers(trained))
        one = parse_dates(raw.as_texts()[:1])
        assert (one.invalid, one.seconds.tolist()) == ((), numbers(trained)[:1])

    def test_stated_time_with_separators_of_thousands_is_noted(self) -> None:
        raw = read_table(b"day;v\n46,086;1\n46,087;2\n46,088;1\n").columns[0]
        column = infer_column(raw, kind=Kind.TIME)
        assert times(column)[0] == "2026-03-05T00:00:00"
        assert "Its numbers were read as dates of Excel" in column.notes[0]

    def test_texts_of_a_call_are_read_like_numbers(self) -> None:
        texts = np.array([f"{day:.6f}" for day in self.DAYS], dtype=object)
        found = parse_dates(texts)
        assert found.invalid == ()
        assert found.seconds.tolist() == numbers(self.column("time", self.DAYS))
