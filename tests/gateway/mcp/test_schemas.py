"""JSON schemas of tools from signatures, and names of tools from those of models."""

from typing import Any

import pytest

from gateway.mcp.model_tools import tool_name
from gateway.mcp.schemas import input_schema, output_schema, output_units, units_argument
from models.signature import GridField, InputField, Signature
from tests.support.json_schemas import jsonschema

SIGNATURE = Signature(
    inputs=(
        InputField("type", "BYTES", values=("L", "M")),
        InputField("torque", "FP32", unit="N·m", minimum=0.0, maximum=200.0, trained=(3.0, 80.0)),
        InputField("count", "INT64", optional=True, default=3.0),
        InputField("series", "FP32", unit="K", length=(2, 4), nullable=True, optional=True),
        InputField("ratio", "FP32", unit="1", optional=True),
    ),
    outputs=(
        GridField("life", "FP32", unit="h", description="Hours left"),
        GridField("reasons", "BYTES", shape=(3,)),
        GridField("outside_range", "BOOL"),
    ),
    version="4",
)
ROW = {"type": "L", "torque": 40.5}


class TestInputs:
    def test_column_has_type_limits_unit_and_trained_range(self) -> None:
        properties = input_schema(SIGNATURE)["properties"]
        assert properties["torque"] == {
            "type": "number",
            "minimum": 0.0,
            "maximum": 200.0,
            "description": "Unit: N·m. Trained range: 3 to 80",
        }
        assert properties["type"]["enum"] == ["L", "M"]
        assert properties["count"]["default"] == 3.0
        assert "Unit" not in properties["ratio"]["description"]

    @pytest.mark.parametrize(
        ("row", "is_valid"),
        [
            (ROW, True),
            ({**ROW, "series": [1.0, None]}, True),
            ({**ROW, "units": {"torque": "lbf.ft"}}, True),
            ({"torque": 1.0}, False),
            ({**ROW, "torque": 300}, False),
            ({**ROW, "type": "X"}, False),
            ({**ROW, "series": [1.0]}, False),
            ({**ROW, "nope": 1}, False),
            ({**ROW, "units": {"type": "K"}}, False),
        ],
    )
    def test_schema_accepts_what_the_model_accepts(self, row: Any, is_valid: bool) -> None:
        validator = jsonschema.Draft202012Validator(input_schema(SIGNATURE))
        assert validator.is_valid(row) is is_valid

    def test_units_have_another_name_if_a_column_is_called_units(self) -> None:
        signature = Signature((InputField("units", "FP32", unit="K"),), (), "")
        assert units_argument(signature) == "column_units"
        assert set(input_schema(signature)["properties"]) == {"units", "column_units"}


class TestOutputs:
    def test_result_with_missing_values_matches_its_schema(self) -> None:
        values = {"life": None, "reasons": ["torque"], "outside_range": True}
        result = {"model": "m", "version": "4", "values": values, "units": {"life": "h"},
                  "request_id": "req_1", "cost": None, "currency": None}  # fmt: skip
        jsonschema.Draft202012Validator(output_schema(SIGNATURE)).validate(result)

    def test_units_are_those_of_columns_that_have_one(self) -> None:
        assert output_units(SIGNATURE) == {"life": "h"}


class TestToolNames:
    def test_other_characters_become_underscores(self) -> None:
        assert tool_name("ft:rul:acme:press 1.b") == "ft_rul_acme_press_1_b"

    def test_long_names_stay_within_64_characters_and_differ(self) -> None:
        names = {tool_name(f"ft:{'x' * 80}{end}") for end in "ab"}
        assert len(names) == 2
        assert all(len(name) == 64 for name in names)
