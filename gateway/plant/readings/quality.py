"""Quality of readings: OPC UA status codes and their severity (OPC UA Part 4, 7.39)."""

from enum import StrEnum
from types import MappingProxyType
from typing import Any

GOOD, UNCERTAIN, BAD = 0x0000_0000, 0x4000_0000, 0x8000_0000
_MAX_STATUS = 0xFFFF_FFFF
_SEVERITY_BITS = 30


class Quality(StrEnum):
    """The severity of a status code."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


_BY_NAME = MappingProxyType(
    {Quality.GOOD.value: GOOD, Quality.UNCERTAIN.value: UNCERTAIN, Quality.BAD.value: BAD}
)
_BY_SEVERITY = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)


def parse_quality(value: Any) -> int:
    """Return the status code of a name (`good`) or an OPC UA status code (0 to 2³²−1).

    Nothing is good. Raises ValueError.
    """
    if value is None or value == "":
        return GOOD
    if isinstance(value, str):
        status = _BY_NAME.get(value.strip().lower())
        if status is None and value.strip().isdecimal():
            status = int(value)
    else:
        status = value if type(value) is int else None
    if status is None or not 0 <= status <= _MAX_STATUS:
        raise ValueError(
            "`quality` must be good, uncertain, bad or an OPC UA status code from 0 to 4294967295"
        )
    return status


def quality_of(status: int) -> Quality:
    """Return the severity of a status code."""
    return _BY_SEVERITY[status >> _SEVERITY_BITS]
