"""Types, units and values of columns."""

import datetime as dt

import numpy as np
import pytest

from models.tables.columns import Column, Kind, infer_column
from models.tables.dates import parse_dates
from models.tables.headers import split_unit
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


class TestUnits:
    @pytest.mark.parametrize(
        ("header", "name", "unit"),
        [
            ("Temperature [°C]", "Temperature", "°C"),
            ("Druck (bar)", "Druck", "bar"),
            ("压力（MPa）", "压力", "MPa"),
            ("温度/℃", "温度", "°C"),
            ("power_kW", "power", "kW"),
            ("speed in rpm", "speed", "rpm"),
            ("flow, L/min", "flow, L/min", None),
            ("type_s", "type_s", None),
            ("Room (north)", "Room (north)", None),
            ("T24", "T24", None),
        ],
    )
    def test_unit_of_a_header(self, header: str, name: str, unit: str | None) -> None:
        assert split_unit(header) == (name, unit)

    def test_long_header_has_no_unit(self) -> None:
        header = "power" + " " * 300 + "[kW]"
        assert split_unit(header) == (header, None)

    def test_units_in_cells_are_converted_to_the_most_frequent(self) -> None:
        column = of("5 bar", "6 bar", "0.7 MPa", "")
        assert column.unit == "bar"
        assert numbers(column)[:3] == pytest.approx([5, 6, 7])
        assert column.notes == ("1 cells in MPa were converted to bar.",)

    @pytest.mark.parametrize(
        ("name", "stated"), [("p [bar]", None), ("p", "bar"), ("p/MPa", "bar")]
    )
    def test_cells_without_a_unit_are_in_the_stated_one_and_others_are_converted(
        self, name: str, stated: str | None
    ) -> None:
        texts = np.array(["5.02", "500 kPa", "510 kPa"], dtype=object)
        column = infer_column(RawColumn(name, None, texts), stated, Kind.NUMBER)
        assert (column.unit, column.invalid) == ("bar", ())
        assert numbers(column) == pytest.approx([5.02, 5, 5.1])
        assert column.notes == ("2 cells in kPa were converted to bar.",)

    def test_cells_without_a_unit_that_nothing_states_are_noted(self) -> None:
        column = of("5.02", "500 kPa", "510 kPa")
        assert (column.unit, numbers(column)) == ("kPa", [5.02, 500, 510])
        assert column.notes == ("1 cells without a unit were read as kPa: check this.",)

    def test_other_spelling_of_the_stated_unit_is_not_noted(self) -> None:
        column = of("20 degC", "21.5", name="T [°C]")
        assert (column.unit, numbers(column), column.notes) == ("°C", [20, 21.5], ())

    def test_header_that_only_looks_like_a_unit_does_not_count(self) -> None:
        column = of("5 bar", "6 bar", name="motor_A")
        assert (column.unit, column.invalid) == ("bar", ())

    def test_cell_in_a_unit_of_another_quantity_is_invalid(self) -> None:
        assert of("5 bar", "6 bar", "70 °C").invalid == (2,)


class TestNumbers:
    @pytest.mark.parametrize(
        ("texts", "values"),
        [
            (("1,5", "2,25"), [1.5, 2.25]),
            (("1.234,5", "10,0"), [1234.5, 10]),
            (("0,123", "0,456"), [0.123, 0.456]),
            (("1,234.5", "10.0"), [1234.5, 10]),
            (("1,234", "5,678"), [1234, 5678]),
            (("1 234,5", "7,0"), [1234.5, 7]),
            (("1e-3", "2E4"), [0.001, 20000]),
            (("-5", "+6"), [-5, 6]),
            (("12 %", "13 %"), [12, 13]),
            (("１２", "３"), [12, 3]),
        ],
    )
    def test_written_form_is_understood(self, texts: tuple[str, ...], values: list[float]) -> None:
        column = of(*texts)
        assert column.kind is Kind.NUMBER
        assert numbers(column) == pytest.approx(values)

    @pytest.mark.parametrize("text", ["", "NA", "N/A", "nan", "-", "#DIV/0!", "无", "null"])
    def test_missing_cells_are_missing(self, text: str) -> None:
        column = of("1,5", text, "2,5")
        assert (column.kind, column.missing_count, column.invalid) == (Kind.NUMBER, 1, ())

    def test_what_is_assumed_of_commas_is_noted_of_numbers_named_like_a_time_too(self) -> None:
        column = of("1,234", "5,678", name="time [h]")
        assert (numbers(column), column.unit) == ([1234, 5678], "h")
        assert column.notes == ("Its commas were read as separators of thousands: check this.",)

    def test_few_cells_that_are_no_numbers_are_invalid(self) -> None:
        assert of(*["1.5"] * 20, "broken").invalid == (20,)


class TestDecimalMarks:
    """The decimal mark of a column in which each number can have either."""

    @staticmethod
    def column(content: str, name: str) -> Column:
        table = read_table(content.encode())
        return infer_column(next(one for one in table.columns if one.name == name))

    def test_commas_are_decimal_marks_if_another_column_of_the_file_has_such(self) -> None:
        column = self.column('a,b\n"5,016","0,5"\n"1,234","0,7"\n', "a")
        assert numbers(column) == [5.016, 1.234]
        assert column.notes == ("Its numbers were read with decimal commas.",)

    @pytest.mark.parametrize("delimiter", [";", "\t"])
    def test_commas_are_decimal_marks_if_semicolons_or_tabs_separate_cells(
        self, delimiter: str
    ) -> None:
        column = self.column("a;b\n5,016;1\n12,345;2\n".replace(";", delimiter), "a")
        assert numbers(column) == [5.016, 12.345]
        assert column.notes == ("Its numbers were read with decimal commas: check this.",)

    def test_commas_separate_thousands_if_another_column_has_decimal_points(self) -> None:
        column = self.column("a;b\n5,016;0.5\n12,345;2\n", "a")
        assert (numbers(column), column.notes) == ([5016, 12345], ())

    def test_commas_that_nothing_explains_are_noted(self) -> None:
        column = self.column('a,b\n"5,016",1\n"12,345",2\n', "a")
        assert numbers(column) == [5016, 12345]
        assert column.notes == ("Its commas were read as separators of thousands: check this.",)

    def test_points_beside_decimal_commas_separate_thousands_in_each_cell(self) -> None:
        assert numbers(of("999,5", "1.000", "1.000,5", "1.250")) == [999.5, 1000, 1000.5, 1250]

    def test_points_in_a_file_with_decimal_commas_separate_thousands(self) -> None:
        column = self.column("energy;t\n999;20,5\n1.000;21,5\n12.345;22\n", "energy")
        assert numbers(column) == [999, 1000, 12345]
        assert column.notes == ("Its points were read as separators of thousands: check this.",)

    def test_points_in_a_file_without_decimal_commas_are_decimal_marks(self) -> None:
        column = self.column("p;t\n1.012;20\n1.345;21\n", "p")
        assert (numbers(column), column.notes) == ([1.012, 1.345], ())

    def test_column_with_both_marks_is_noted(self) -> None:
        column = of("1,5", "2.5")
        assert numbers(column) == [1.5, 2.5]
        assert column.notes == ("Its numbers were read with decimal commas: check this.",)


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

    def test_texts_of_a_call_are_read_like_numbers(self) -> None:
        texts = np.array([f"{day:.6f}" for day in self.DAYS], dtype=object)
        found = parse_dates(texts)
        assert found.invalid == ()
        assert found.seconds.tolist() == numbers(self.column("time", self.DAYS))


class TestKinds:
    def test_few_repeated_texts_are_a_category(self) -> None:
        assert of("a", "b", "a", "b").kind is Kind.CATEGORY

    @pytest.mark.parametrize("word", ["none", "None", "无", "nil", "unknown", "未知"])
    def test_word_for_nothing_is_a_value_among_categories(self, word: str) -> None:
        column = of("leak", word, "NA", word)
        assert column.texts is not None
        assert (column.kind, column.texts.tolist()) == (Kind.CATEGORY, ["leak", word, "", word])

    def test_many_different_texts_are_free_text(self) -> None:
        assert of(*(f"serial {number}" for number in range(100))).kind is Kind.TEXT

    def test_identifiers_with_underscores_are_no_numbers(self) -> None:
        assert of(*["1_12", "11_2", "112"] * 20).kind is Kind.CATEGORY

    def test_column_without_values_is_empty(self) -> None:
        assert of("", "NA", "-").kind is Kind.EMPTY
        assert infer_column(RawColumn("x", np.array([np.nan]), None)).kind is Kind.EMPTY

    def test_stated_type_wins(self) -> None:
        column = infer_column(RawColumn("grade", np.array([1.0, 2.0]), None), kind=Kind.CATEGORY)
        assert column.texts is not None
        assert column.texts.tolist() == ["1", "2"]
