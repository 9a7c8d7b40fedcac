"""Properties of every mechanism, including future ones, and input validation."""

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
from tests.support.nightly import at_length

# Another unit of the same quantity for each unit in use.
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
    max_examples=at_length(50, 10),
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
every = pytest.mark.parametrize("name", MECHANISMS)


class Doubled(Mechanism):
    """A minimal mechanism."""

    standard = "none"
    version = "7"
    inputs = (quantity("length", "m", "A length", 1.0, 10.0),)
    outputs = (result("twice", "m", "Twice the length"),)

    def compute(self, columns: Columns) -> Columns:
        return {"twice": 2 * columns["length"]}


@every
class TestEveryMechanism:
    def test_signature_round_trips_through_json(self, name: str) -> None:
        signature = MECHANISMS[name].signature
        assert parse_signature(name, msgspec.json.encode(signature).decode()) == signature

    def test_signature_units_are_valid(self, name: str) -> None:
        signature = MECHANISMS[name].signature
        units = {field.unit for field in (*signature.inputs, *signature.outputs)} - {None}
        for unit in units:
            assert unit_conversion(str(unit), str(unit)) == Conversion(1.0, 0.0)

    def test_standard_and_field_descriptions_are_present(self, name: str) -> None:
        mechanism = MECHANISMS[name]
        assert mechanism.standard
        assert all(field.description for field in (*mechanism.inputs, *mechanism.outputs))

    @drawing
    @given(st.data())
    def test_valid_rows_have_finite_results(self, name: str, data: st.DataObject) -> None:
        mechanism = MECHANISMS[name]
        answers = mechanism.evaluate(data.draw(columns(mechanism)))
        assert list(answers) == [output.name for output in mechanism.outputs]
        for output in mechanism.outputs:
            assert answers[output.name].ndim == (2 if output.series else 1)
            assert np.isfinite(answers[output.name]).all()

    @drawing
    @given(st.data())
    def test_row_result_is_independent_of_batch(self, name: str, data: st.DataObject) -> None:
        mechanism = MECHANISMS[name]
        drawn = data.draw(columns(mechanism))
        together = mechanism.evaluate(drawn)
        alone = mechanism.evaluate({key: column[1:] for key, column in drawn.items()})
        for key, column in alone.items():
            np.testing.assert_array_equal(column[0], together[key][1])

    @drawing
    @given(st.data())
    def test_converted_units_give_the_same_result(self, name: str, data: st.DataObject) -> None:
        mechanism = MECHANISMS[name]
        drawn = data.draw(columns(mechanism))
        units = {field.name: OTHERS[field.unit] for field in mechanism.inputs if field.unit}
        other = {**drawn, **{key: rewritten(mechanism, drawn, key) for key in units}}
        # After conversion, a value at its limit may exceed it by rounding.
        assume(accepts(mechanism, other, units))
        converted = mechanism.evaluate(other, units)
        for key, column in mechanism.evaluate(drawn).items():
            np.testing.assert_allclose(converted[key], column, rtol=1e-9, atol=1e-9)


def rewritten(mechanism: Mechanism, drawn: Mapping[str, Any], name: str) -> Any:
    """Return the column `name` converted to its other unit."""
    (unit,) = (field.unit for field in mechanism.inputs if field.name == name)
    return unit_conversion(unit or "", OTHERS[unit or ""])(np.array(drawn[name]))


class TestMechanismInput:
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
    def test_error_names_field_row_and_unit(
        self, values: dict[str, Any], units: dict[str, str], words: str
    ) -> None:
        with pytest.raises(InputInvalid, match=words):
            Doubled().evaluate(values, units)

    def test_valid_input_is_converted_and_computed(self) -> None:
        assert Doubled().evaluate({"length": [150]}, {"length": "cm"})["twice"].tolist() == [3.0]
