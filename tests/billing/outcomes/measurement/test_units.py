"""Units: conversion, and rejection of unknown or incompatible units."""

import pytest

from billing.outcomes.measurement.errors import ReadingsInvalid
from billing.outcomes.measurement.units import convert_unit, require_known_unit


class TestUnitConversion:
    @pytest.mark.parametrize(
        ("value", "unit", "wanted", "becomes"),
        [
            (5.0, "kWh", "kWh", 5.0),
            (2.5, "MWh", "kWh", 2500.0),
            (3.6, "MJ", "kWh", 1.0),
            (9.0, "GJ", "MWh", 2.5),  # 9 / 3.6
            (90.0, "s", "min", 1.5),
            (2.0, "h", "min", 120.0),
            (1.5, "kWh/pcs", "Wh/pcs", 1500.0),
            (1.5, "MWh/kpcs", "kWh/pcs", 1.5),
            (30.0, "min/pcs", "h/kpcs", 500.0),
            (2.5, "%", "1", 0.025),
            (1.0, "t", "kg", 1000.0),
            (212.0, "degF", "degC", 100.0),
            (-40.0, "degC", "degF", -40.0),
            (0.0, "degC", "K", 273.15),
        ],
    )
    def test_value_is_converted_to_a_compatible_unit(
        self, value: float, unit: str, wanted: str, becomes: float
    ) -> None:
        assert convert_unit(value, unit, wanted) == pytest.approx(becomes, rel=1e-15)

    @pytest.mark.parametrize(
        ("unit", "wanted"),
        [("kg", "kWh"), ("kWh", "kWh/pcs"), ("degC", "kWh"), ("kWh", "degC"), ("h/pcs", "kWh/pcs")],
    )
    def test_incompatible_unit_is_rejected(self, unit: str, wanted: str) -> None:
        with pytest.raises(ReadingsInvalid, match=r"degC|cannot be converted|Unknown"):
            convert_unit(1.0, unit, wanted)

    @pytest.mark.parametrize("unit", ["kw", "", "kWh/pcs/h", "degC/h", "kWh "])
    def test_unknown_unit_is_rejected(self, unit: str) -> None:
        with pytest.raises(ReadingsInvalid, match="Known units: kWh") as refused:
            convert_unit(1.0, unit, unit)
        assert refused.value.param == "unit"

    def test_known_units_are_accepted(self) -> None:
        require_known_unit("degF")
        require_known_unit("kWh/m3")
