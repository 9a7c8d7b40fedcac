"""Units of points: canonical spellings, labels, and pint's agreement."""

import pint
import pytest

from gateway.plant.assets.units import canonical_unit, unit_definitions, unit_label


@pytest.mark.parametrize(
    ("texts", "canonical", "label"),
    [
        (("°C", "℃", "degC", "摄氏度"), "degC", "°C"),
        (("m³/h", "m3/h", "M3/h", "m^3/h", "立方米/小时"), "m3/h", "m³/h"),
        (("1/min",), "1/min", "1/min"),
        (("r/min", "转/分"), "r/min", "r/min"),
        (("kW", "KW", "千瓦"), "kW", "kW"),
        (("%", "percent", "%RH"), "percent", "%"),
        (("kgf/cm²",), "kgf/cm2", "kgf/cm²"),
        (("°C/min",), "degC/min", "°C/min"),
        (("", " ", "-"), "", ""),
    ],
)
def test_common_spellings_have_one_canonical_unit(
    texts: tuple[str, ...], canonical: str, label: str
) -> None:
    assert {canonical_unit(text) for text in texts} == {canonical}
    assert unit_label(canonical) == label
    assert canonical_unit(label) == canonical


@pytest.mark.parametrize("text", ["quux", "m/s*kg", "a" * 30, "kW; drop", "m//s"])
def test_unknown_unit_has_no_canonical_spelling(text: str) -> None:
    assert canonical_unit(text) is None


@pytest.mark.parametrize("unit", ["degC", "m3", "kPa", "kvar", "lx", "uohm", "NTU", "hPa", "mmHg"])
def test_canonical_names_are_units_of_pint(unit: str) -> None:
    registry: pint.UnitRegistry[float] = pint.UnitRegistry(None)
    registry.load_definitions(unit_definitions().split("\n"))
    registry.Unit(unit.replace("3", "**3"))
