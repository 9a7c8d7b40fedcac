"""Quantities in texts: parsing, units and tolerances."""

import pytest

from models.evaluation.quantities import (
    Quantity,
    find_quantities,
    first_of_kind,
    is_equal,
    parse_quantity,
    parse_tolerance,
)


def quantity(text: str) -> Quantity:
    parsed = parse_quantity(text)
    assert parsed is not None
    return parsed


class TestParseQuantity:
    @pytest.mark.parametrize(
        ("text", "value", "unit"),
        [
            ("0.5 MPa", 0.5, "MPa"),
            ("0.5MPa", 0.5, "MPa"),
            ("-12", -12, ""),
            ("1,500 rpm", 1500, "rpm"),
            ("2e3", 2000, ""),
            ("2 x 10^5 Pa", 2e5, "Pa"),
            ("2×10⁵ Pa", 2e5, "Pa"),
            ("0.5 兆帕", 0.5, "MPa"),
            ("1500 转/分", 1500, "r/min"),
            ("1500转每分钟", 1500, "r/min"),
            ("2万小时", 20000, "h"),
            ("12 ㎥/h", 12, "m3/h"),
            ("5 %", 5, "%"),
            ("20 degrees Celsius", 20, "°C"),
            ("２０℃", 20, "°C"),
        ],
    )
    def test_number_with_unit_is_parsed(self, text: str, value: float, unit: str) -> None:
        parsed = quantity(text)
        assert (parsed.value, parsed.unit) == (pytest.approx(value), unit)

    @pytest.mark.parametrize("text", ["", "seal", "P-101", "M12", "2026-11-29", "5 bar or more"])
    def test_other_text_is_no_quantity(self, text: str) -> None:
        assert parse_quantity(text) is None

    def test_codes_are_no_numbers_and_signs_are_kept(self) -> None:
        found = [one.value for one in find_quantities("P-101 with M12 at -5 °C, 10-20 mm")]
        assert found == [-5, 10, 20]

    def test_a_text_with_many_numbers_is_read_up_to_a_limit(self) -> None:
        assert len(list(find_quantities("1 " * 1000))) == 40


class TestIsEqual:
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            ("5 bar", "0.5 MPa"),
            ("72.5 psi", "5 bar"),
            ("500 千帕", "0.5 MPa"),
            ("293.15 K", "20 °C"),
            ("273.15 K", "0 °C"),
            ("120 min", "2 h"),
            ("3000 r/min", "50 Hz"),
            ("0.05", "5 %"),
            ("12 dB", "12 dB"),
        ],
    )
    def test_quantities_are_equal_after_conversion(self, answer: str, expected: str) -> None:
        assert is_equal(quantity(answer), quantity(expected), None)

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            ("5.1 bar", "0.5 MPa"),
            ("5 MPa", "5 mPa"),
            ("5 kW", "5 kWh"),
            ("2025", "2026"),
            ("12 dB", "12"),
            ("1 h", "1 kg"),
        ],
    )
    def test_other_values_and_dimensions_are_not_equal(self, answer: str, expected: str) -> None:
        assert not is_equal(quantity(answer), quantity(expected), None)

    @pytest.mark.parametrize(
        ("answer", "expected", "tolerance", "equal"),
        [
            ("5.1 bar", "5 bar", "2%", True),
            ("5.11 bar", "5 bar", "2%", False),
            ("5.1 bar", "5 bar", "0.1", True),
            ("5.1 bar", "0.5 MPa", "±10 kPa", True),
            ("21 °C", "20 °C", "1 K", True),
            ("21.1 °C", "20 °C", "1 K", False),
            ("21 °C", "20 °C", "1 kg", False),
            ("104", "100", "5%", True),
        ],
    )
    def test_tolerance_limits_the_difference(
        self, answer: str, expected: str, tolerance: str, equal: bool
    ) -> None:
        allowed = parse_tolerance(tolerance)
        assert allowed is not None
        assert is_equal(quantity(answer), quantity(expected), allowed) is equal

    @pytest.mark.parametrize("text", ["", "much", "-2%", "2% of it"])
    def test_other_tolerances_are_rejected(self, text: str) -> None:
        assert parse_tolerance(text) is None


class TestFirstOfKind:
    @pytest.mark.parametrize(
        ("text", "expected", "found"),
        [
            ("At 1500 rpm the pressure is 5 bar, at most 8 bar.", "0.5 MPa", "5 bar"),
            ("Use 4 bolts of M12 with 80 Nm.", "4", "4 bolts"),
            ("Use 4 in each row.", "4", "4"),
            ("It takes 80 Nm.", "4", None),
            ("Nothing to measure.", "5 bar", None),
        ],
    )
    def test_first_quantity_with_a_convertible_unit_is_found(
        self, text: str, expected: str, found: str | None
    ) -> None:
        first = first_of_kind(text, quantity(expected))
        assert (None if first is None else first.text) == found
