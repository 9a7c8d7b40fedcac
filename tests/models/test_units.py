"""Units: spellings, conversion and validation."""

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tables.headers import split_unit
from models.units import Conversion, UnitMismatch, UnitUnknown, unit_conversion


class TestUnitConversion:
    @pytest.mark.parametrize(
        ("unit", "wanted", "scale", "offset"),
        [
            ("kN", "N", 1000, 0),
            ("rpm", "1/s", 1 / 60, 0),
            ("r/min", "rpm", 1, 0),
            ("Hz", "rpm", 60, 0),
            ("°C", "K", 1, 273.15),
            ("°F", "°C", 5 / 9, -160 / 9),
            ("°F", "K", 5 / 9, 459.67 * 5 / 9),
            ("%", "1", 0.01, 0),
            ("L/min", "m³/h", 0.06, 0),
            ("g/cm³", "kg/m³", 1000, 0),
            ("MJ", "kWh", 1 / 3.6, 0),
            ("s/pcs", "min/pcs", 1 / 60, 0),
            ("PS", "kW", 0.73549875, 0),
            ("in", "mm", 25.4, 0),
            ("kgf*m", "N·m", 9.80665, 0),
        ],
    )
    def test_unit_pair_has_expected_scale_and_offset(
        self, unit: str, wanted: str, scale: float, offset: float
    ) -> None:
        assert unit_conversion(unit, wanted) == Conversion(
            pytest.approx(scale), pytest.approx(offset)
        )

    def test_radians_per_second_convert_to_revolutions(self) -> None:
        """100 rad/s are 100 / 2π = 15.915 revolutions per second, 954.93 per minute."""
        assert unit_conversion("rad/s", "rpm").scale * 100 == pytest.approx(954.929658551)
        assert unit_conversion("rad/s", "1/s").scale * 100 == pytest.approx(15.9154943092)

    def test_decimal_factors_are_rounded_once(self) -> None:
        assert unit_conversion("°C", "°F") == Conversion(1.8, 32.0)
        assert unit_conversion("kWh/pcs", "J/pcs").scale == 3_600_000.0

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("℃", "°C"),
            ("m³/h", "m^3/h"),
            ("m3/h", "㎥/h"),
            ("min⁻¹", "1/min"),
            ("µm", "μm"),
            ("N·m", "N*m"),
            ("Nm", "N⋅m"),
            ("degC", "°C"),
        ],
    )
    def test_spellings_of_unit_are_equivalent(self, one: str, other: str) -> None:
        assert unit_conversion(one, other) == Conversion(1.0, 0.0)

    @given(st.floats(-1e6, 1e6), st.sampled_from([("°C", "°F"), ("bar", "psi"), ("hp", "kW")]))
    def test_conversion_and_reversal_restore_value(
        self, value: float, pair: tuple[str, str]
    ) -> None:
        there, back = unit_conversion(*pair), unit_conversion(*reversed(pair))
        returned = (value * there.scale + there.offset) * back.scale + back.offset
        assert returned == pytest.approx(value, abs=1e-6)


class TestUnitValidation:
    @pytest.mark.parametrize(
        ("unit", "wanted"), [("kN", "K"), ("pcs", "1"), ("Hz", "s"), ("k°C", "K")]
    )
    def test_unit_of_other_quantity_raises_unit_mismatch(self, unit: str, wanted: str) -> None:
        with pytest.raises(UnitMismatch):
            unit_conversion(unit, wanted)

    @pytest.mark.parametrize(
        "unit",
        ["", "furlong", "rpn", "KN", "J/kg·K", "m^5", "9**9**9", "2*m", "m**2", "m + s", "m" * 99],
    )
    def test_unknown_unit_raises_unit_unknown(self, unit: str) -> None:
        """Includes expressions that are slow to parse and ambiguous spellings."""
        with pytest.raises(UnitUnknown):
            unit_conversion(unit, "m")

    @pytest.mark.parametrize("unit", ["nan", "NaN", "NAN", "inf", "Infinity", "m/nan", "1/nan"])
    def test_word_for_no_number_is_an_unknown_unit(self, unit: str) -> None:
        for pair in ((unit, "bar"), ("bar", unit), (unit, unit)):
            with pytest.raises(UnitUnknown):
                unit_conversion(*pair)

    def test_word_nan_in_a_header_is_no_unit(self) -> None:
        assert split_unit("temp_nan") == ("temp_nan", None)

    @pytest.mark.parametrize("unit", ["A000123", "a1b", "XKQ", "m*XKQ", "m/XKQ2", "N" * 30])
    def test_unknown_unit_is_refused_without_a_registry(
        self, unit: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A column of serial numbers has thousands of them, and a registry takes milliseconds."""
        monkeypatch.delattr(pint, "UnitRegistry")
        for pair in ((unit, "bar"), ("bar", unit)):
            with pytest.raises(UnitUnknown):
                unit_conversion(*pair)

    @pytest.mark.parametrize(
        "unit", ["millimeters", "mm", "kelvins", "GPa", "µm", "cft", "K", "pcs", "dimensionless"]
    )
    def test_prefixes_and_plurals_of_the_vocabulary_are_known(self, unit: str) -> None:
        assert unit_conversion(unit, unit) == Conversion(1.0, 0.0)
