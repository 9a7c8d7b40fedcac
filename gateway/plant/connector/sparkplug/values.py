"""Values and quality of Sparkplug B metrics as readings (Eclipse Sparkplug 3.0, 6.4.16)."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from gateway.plant.readings.quality import BAD, GOOD, UNCERTAIN

# OPC UA Part 6, A.2: Bad_NoData, Uncertain_LastUsableValue.
BAD_NO_DATA, LAST_USABLE_VALUE = 0x809B_0000, 0x4090_0000
_QUALITY, _STALE = "Quality", 500
_CLASSIC_MASK, _CLASSIC_GOOD, _CLASSIC_UNCERTAIN = 0xC0, 0xC0, 0x40


class DataType(IntEnum):
    """The data types whose values are numbers or truth values."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11


_READABLE = frozenset(int(one) for one in DataType)
_SIGNED_BITS: Mapping[int, int] = MappingProxyType(
    {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
)
_UNSIGNED_BITS: Mapping[int, int] = MappingProxyType(
    {DataType.UINT8: 8, DataType.UINT16: 16, DataType.UINT32: 32, DataType.UINT64: 64}
)
_INTEGER_FIELDS = ("int_value", "long_value")
_REAL_FIELDS = ("float_value", "double_value")


def metric_value(message: Any, datatype: int) -> float | None:
    """Return a metric's value as a number; None if it is null.

    Signed integers are stored in two's complement. Raises ValueError if the type is a text, array,
    data set or template, or the value is absent.
    """
    if datatype not in _READABLE:
        raise ValueError(f"values of the data type {datatype} are no readings")
    if message.is_null:
        return None
    field = _set_field(message)
    if field is None:
        raise ValueError("the metric has no value")
    value = getattr(message, field)
    if field in _INTEGER_FIELDS:
        return float(_integer(int(value), datatype))
    return float(value)


def metric_status(message: Any) -> int:
    """Return the OPC UA status of the property `Quality`: 192 good, 0 bad, 500 stale.

    Other numbers are read as qualities of OPC Data Access.
    """
    if not message.HasField("properties"):
        return GOOD
    properties = message.properties
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == _QUALITY and not value.is_null:
            return _status(value.int_value or value.long_value)
    return GOOD


def _set_field(message: Any) -> str | None:
    """Return the name of the field that holds the value."""
    fields = (*_INTEGER_FIELDS, *_REAL_FIELDS, "boolean_value")
    return next((field for field in fields if message.HasField(field)), None)


def _integer(value: int, datatype: int) -> int:
    """Return an integer of its type's width."""
    bits = _SIGNED_BITS.get(datatype)
    if bits is None:
        width = _UNSIGNED_BITS.get(datatype)
        return value if width is None else value & ((1 << width) - 1)
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _status(quality: int) -> int:
    """Return the status code of a quality."""
    if quality == _STALE:
        return LAST_USABLE_VALUE
    severity = quality & _CLASSIC_MASK
    if severity == _CLASSIC_GOOD:
        return GOOD
    return UNCERTAIN if severity == _CLASSIC_UNCERTAIN else BAD
