"""Types, units and values of columns."""

import numpy as np
import pytest

from models.tables.columns import Column, Kind, infer_column
from models.tables.headers import split_unit
from models.tables.reading import read_table
from models.tables.table import RawColumn


def of(*texts: str, name: str = "x", kind: Kind | None = None) -> Column:
    return infer_column(RawColumn(name, None, np.array(texts, dtype=object)), kind=kind)


def numbers(column: Column) -> list[float]:
    assert column.numbers is not None
    return column.numbers.tolist()


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
