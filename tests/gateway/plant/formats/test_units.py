"""Units in the vocabularies of other formats."""

import pytest

from gateway.plant.formats.nodeset.values import unit_id
from gateway.plant.formats.units import (
    from_qudt,
    from_text,
    from_unece,
    known_units,
    to_qudt,
    to_unece,
)
from models.units import unit_conversion


@pytest.mark.parametrize("unit", known_units())
def test_each_unit_is_known_and_has_one_name_in_each_vocabulary(unit: str) -> None:
    conversion = unit_conversion(unit, unit)
    assert (conversion.scale, conversion.offset) == (1, 0)
    assert from_qudt(to_qudt(unit)) == unit
    assert from_unece(to_unece(unit)) == unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [("°C", "degC"), ("m³/h", "m3/h"), ("m^3/h", "m3/h"), ("%", "percent"), ("furlong", "furlong")],
)
def test_text_becomes_the_usual_spelling(text: str, unit: str) -> None:
    assert from_text(text) == unit


def test_unknown_units_have_no_name() -> None:
    assert (from_qudt("FURLONG"), to_qudt("furlong"), from_unece("XX")) == ("", "", "")


def test_number_of_a_unit_in_opc_ua_is_its_code_as_bytes() -> None:
    assert unit_id("CEL") == 4408652
