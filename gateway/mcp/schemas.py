"""JSON schemas of a specialist's tool, from the signature of its model."""

from collections.abc import Sequence
from typing import Any

from gateway.mcp.tools import JsonSchema, object_schema, result_schema
from models.signature import BYTES, GridField, InputField, OutputField, Signature

_UNITS, _OTHER_UNITS = "units", "column_units"
_TEXT = {"type": "string"}
_NULLABLE_TEXT = {"type": ["string", "null"]}


def units_argument(signature: Signature) -> str:
    """Return the name of the argument for units: another one if the model has such a column."""
    names = {column.name for column in signature.inputs}
    return _OTHER_UNITS if _UNITS in names else _UNITS


def input_schema(signature: Signature) -> dict[str, Any]:
    """Return the schema of one row, with the units of columns that differ from the model's."""
    columns = signature.inputs
    properties = {column.name: _input_column(column) for column in columns}
    with_unit = [column for column in columns if column.unit not in (None, "1")]
    if with_unit:
        properties[units_argument(signature)] = _units_schema(with_unit)
    return object_schema(properties, [column.name for column in columns if not column.optional])


def output_schema(signature: Signature) -> dict[str, Any]:
    """Return the schema of a prediction: values with their units, and what the call cost."""
    values = {column.name: _output_column(column) for column in signature.outputs}
    properties: dict[str, JsonSchema] = {
        "model": {"type": "string", "description": "The model that answered"},
        "version": {"type": "string", "description": "Version of the model"},
        "values": {"type": "object", "properties": values},
        "units": {
            "type": "object",
            "additionalProperties": _TEXT,
            "description": "Units of the values",
        },
        "request_id": {"type": "string", "description": "Id of the usage row"},
        "cost": {**_NULLABLE_TEXT, "description": "Cost; null for a replay"},
        "currency": _NULLABLE_TEXT,
    }
    return result_schema(properties, ["model", "values", "units", "request_id"])


def output_units(signature: Signature) -> dict[str, str]:
    """Return the units of the output columns that have one."""
    return {column.name: column.unit for column in signature.outputs if column.unit}


def _units_schema(columns: Sequence[InputField]) -> dict[str, Any]:
    """Return the schema of the units of columns."""
    return {
        "type": "object",
        "properties": {column.name: _TEXT for column in columns},
        "additionalProperties": False,
        "description": (
            "Units of columns that are given in another unit, for example degC; the limits apply "
            "after the conversion"
        ),
    }


def _input_column(column: InputField) -> dict[str, Any]:
    """Return the schema of an input column: a value, or a series of values."""
    nulls = [None] if column.nullable else []
    value: dict[str, Any] = {
        "type": [_type(column), "null"] if column.nullable else _type(column),
        "minimum": column.minimum,
        "maximum": column.maximum,
        "enum": None if column.values is None else [*column.values, *nulls],
    }
    value = {name: limit for name, limit in value.items() if limit is not None}
    if column.length is not None:
        shortest, longest = column.length
        value = {"type": "array", "items": value, "minItems": shortest, "maxItems": longest}
    if column.default is not None:
        value["default"] = column.default
    return {**value, "description": _describe(column)}


def _output_column(column: OutputField) -> dict[str, Any]:
    """Return the schema of an output column. Missing values are null."""
    is_list = column.series or (isinstance(column, GridField) and bool(column.shape))
    kinds = ["array"] if is_list else [_type(column)]
    # JSON writes a truth value of an engine as true or 1.
    kinds += ["integer"] if kinds == ["boolean"] else []
    return {"type": [*kinds, "null"], "description": _describe(column)}


def _type(column: InputField | OutputField) -> str:
    """Return the JSON type of one value of a column."""
    if column.datatype == BYTES:
        return "string"
    if column.datatype == "BOOL":
        return "boolean"
    return "integer" if "INT" in column.datatype else "number"


def _describe(column: InputField | OutputField) -> str:
    """Return the description of a column, with unit and trained range."""
    parts = [column.description.rstrip(".")]
    if column.unit not in (None, "1"):
        parts.append(f"Unit: {column.unit}")
    if isinstance(column, InputField) and column.trained is not None:
        low, high = column.trained
        parts.append(f"Trained range: {low:g} to {high:g}")
    return ". ".join(part for part in parts if part)
