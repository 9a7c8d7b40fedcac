"""What every mechanism that is sold holds to, and what it refuses. A new one is tested here too."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from models.mechanisms import MECHANISMS
from models.mechanisms.mechanism import Mechanism, quantity, result
from models.signature import Columns, InputInvalid
from models.units import Conversion, unit_conversion
from serving.specialists.specialist import parse_signature
from tests.models.mechanisms.drawing import accepts, columns

# For each unit in use another of its kind.
OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "1": "%",
        "%": "1",
        "N": "kN",
        "rpm": "1/s",
        "min": "h",
        "min/pcs": "s/pcs",
        "pcs": "kpcs",
        "m³/h": "L/min",
        "m": "ft",
        "kW": "hp",
        "kg/m³": "g/cm³",
        "V": "kV",
        "A": "mA",
        "N·m": "kgf*m",
        "kWh": "MJ",
        "kWh/pcs": "MJ/pcs",
    }
)
drawing = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
every = pytest.mark.parametrize("name", MECHANISMS)


class Doubled(Mechanism):
    """As small as a mechanism can be."""

    standard = "none"
    version = "7"
    inputs = (quantity("length", "m", "A length", 1.0, 10.0),)
    outputs = (result("twice", "m", "Twice the length"),)

    def compute(self, columns: Columns) -> Columns:
        return {"twice": 2 * columns["length"]}


@every
class TestEach:
    def test_its_signature_is_read_like_a_learned_ones(self, name: str) -> None:
        signature = MECHANISMS[name].signature
        assert parse_signature(name, msgspec.json.encode(signature).decode()) == signature

    def test_its_units_are_known(self, name: str) -> None:
        signature = MECHANISMS[name].signature
        units = {field.unit for field in (*signature.inputs, *signature.outputs)} - {None}
        for unit in units:
            assert unit_conversion(str(unit), str(unit)) == Conversion(1.0, 0.0)

    def test_it_cites_and_describes(self, name: str) -> None:
        mechanism = MECHANISMS[name]
        assert mechanism.standard
        assert all(field.description for field in (*mechanism.inputs, *mechanism.outputs))

    @drawing
    @given(st.data())
    def test_every_row_that_it_takes_has_a_finite_answer(
        self, name: str, data: st.DataObject
    ) -> None:
        mechanism = MECHANISMS[name]
        answers = mechanism.evaluate(data.draw(columns(mechanism)))
        assert list(answers) == [output.name for output in mechanism.outputs]
        for output in mechanism.outputs:
            assert answers[output.name].ndim == (2 if output.series else 1)
            assert np.isfinite(answers[output.name]).all()

    @drawing
    @given(st.data())
    def test_a_row_is_answered_alone_as_among_others(self, name: str, data: st.DataObject) -> None:
        mechanism = MECHANISMS[name]
        drawn = data.draw(columns(mechanism))
        together = mechanism.evaluate(drawn)
        alone = mechanism.evaluate({key: column[1:] for key, column in drawn.items()})
        for key, column in alone.items():
            np.testing.assert_array_equal(column[0], together[key][1])

    @drawing
    @given(st.data())
    def test_the_same_in_another_unit_has_the_same_answer(
        self, name: str, data: st.DataObject
    ) -> None:
        mechanism = MECHANISMS[name]
        drawn = data.draw(columns(mechanism))
        units = {field.name: OTHERS[field.unit] for field in mechanism.inputs if field.unit}
        other = {**drawn, **{key: rewritten(mechanism, drawn, key) for key in units}}
        # A value at its very limit may lie outside by its last digit after the conversion.
        assume(accepts(mechanism, other, units))
        converted = mechanism.evaluate(other, units)
        for key, column in mechanism.evaluate(drawn).items():
            np.testing.assert_allclose(converted[key], column, rtol=1e-9, atol=1e-9)


def rewritten(mechanism: Mechanism, drawn: Mapping[str, Any], name: str) -> Any:
    """A column in the other unit."""
    (unit,) = (field.unit for field in mechanism.inputs if field.name == name)
    return unit_conversion(unit or "", OTHERS[unit or ""])(np.array(drawn[name]))


class TestRefusal:
    @pytest.mark.parametrize(
        ("values", "units", "words"),
        [
            ({}, {}, "'length' is missing"),
            ({"length": [1], "width": [1]}, {}, "no input 'width'"),
            ({"length": [1, 11]}, {}, r"'length' in row 1 \(11\) is above 10 m"),
            ({"length": [0.5]}, {}, r"row 0 \(0.5\) is below 1 m"),
            ({"length": [2, float("nan")]}, {}, "row 1 .nan. is not a finite number"),
            ({"length": [200, 2000]}, {"length": "cm"}, r"row 1 \(20\) is above 10 m"),
            (
                {"length": [2]},
                {"length": "s"},
                "'s', which is not a unit of this quantity; the model expects m",
            ),
            ({"length": [2]}, {"length": "ell"}, "'ell', which is unknown; the model expects m"),
            ({"length": ["two"]}, {}, "no column of numbers"),
            ({"length": [[1, 2], [3]]}, {}, "no column of numbers"),
            ({"length": [[1, 2]]}, {}, "one value per row"),
            ({"length": []}, {}, "no rows"),
        ],
    )
    def test_names_the_field_the_row_and_the_unit(
        self, values: dict[str, Any], units: dict[str, str], words: str
    ) -> None:
        with pytest.raises(InputInvalid, match=words):
            Doubled().evaluate(values, units)

    def test_an_answer(self) -> None:
        assert Doubled().evaluate({"length": [150]}, {"length": "cm"})["twice"].tolist() == [3.0]
