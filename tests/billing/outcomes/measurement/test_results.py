"""Measurement results: rounding of floats to a resolution, and the canonical JSON."""

from decimal import Decimal

import pytest

from billing.outcomes.measurement.results import (
    effective_resolution,
    floor_to_resolution,
    parse_measurement_result,
    round_to_resolution,
    to_ppm,
)
from billing.outcomes.measurement.savings_measurement import measure_savings
from tests.billing.outcomes.measurement.making import study

MILLI = Decimal("0.001")


class TestEffectiveResolution:
    @pytest.mark.parametrize(
        ("agreed", "size", "used"),
        [
            ("0.001", 0.0, "0.001"),
            ("0.001", 999_999.0, "0.001"),  # a billionth of it is below 0.001
            ("0.001", 2_000_000.0, "0.001"),
            ("0.001", 30_000_000.0, "0.01"),
            ("0.000001", 30_000_000.0, "0.01"),
            ("1", -5e10, "10"),
        ],
    )
    def test_resolution_is_never_finer_than_a_billionth_of_the_value(
        self, agreed: str, size: float, used: str
    ) -> None:
        assert effective_resolution(Decimal(agreed), size) == Decimal(used)


class TestRounding:
    @pytest.mark.parametrize(
        ("value", "down", "near"),
        [
            (1.2349, "1.234", "1.235"),
            (1.2345, "1.234", "1.234"),  # half to even
            (-1.2341, "-1.235", "-1.234"),
            (-0.0001, "-0.001", "0.000"),
            (0.0, "0.000", "0.000"),
            # Differences in the last digits of a float disappear at ten digits.
            (0.3, "0.300", "0.300"),
            (0.1 + 0.2, "0.300", "0.300"),
            (0.29999999999999, "0.300", "0.300"),
        ],
    )
    def test_value_is_rounded_down_or_to_nearest(self, value: float, down: str, near: str) -> None:
        assert str(floor_to_resolution(value, MILLI)) == down
        assert str(round_to_resolution(value, MILLI)) == near

    def test_value_is_rounded_down_to_tens(self) -> None:
        assert floor_to_resolution(1234.0, Decimal("1E+1")) == 1230

    @pytest.mark.parametrize(
        ("share", "millionths"),
        [(0.1234567, 123_457), (float("inf"), 10**9), (1e9, 10**9), (-1e9, -(10**9))],
    )
    def test_share_is_converted_to_ppm_within_limits(self, share: float, millionths: int) -> None:
        assert to_ppm(share) == millionths


class TestResultText:
    def test_canonical_json_parses_to_the_same_result(self) -> None:
        measured = measure_savings(study(saving=0.1))
        assert parse_measurement_result(measured.canonical_json()) == measured
        assert (
            parse_measurement_result(measured.canonical_json()).canonical_json()
            == measured.canonical_json()
        )

    def test_canonical_json_has_decimal_strings_and_no_spaces(self) -> None:
        text = measure_savings(study(saving=0.1)).canonical_json()
        assert b'"saving":"' in text
        assert b" " not in text.replace(b"missing in the baseline period", b"").replace(
            b"missing in the reporting period", b""
        )
