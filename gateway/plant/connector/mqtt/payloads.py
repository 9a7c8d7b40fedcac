"""Readings of plain MQTT payloads: a single value, a JSON object or a list of objects.

A payload that cannot be read becomes a reading without a value and with bad quality, so that
nobody takes the last good value for the current one.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.plant.connector.mqtt.config import TopicConfig
from gateway.plant.readings.filtering.filter import Sample
from gateway.plant.readings.formats.times import parse_number_time, parse_time
from gateway.plant.readings.quality import parse_quality

# OPC UA Part 6, A.2: Bad_DecodingError, Bad_NoData.
BAD_DECODING, BAD_NO_DATA = 0x8007_0000, 0x809B_0000
_MAX_ITEMS = 50_000
_WORDS: Mapping[str, float] = MappingProxyType({"true": 1.0, "on": 1.0, "false": 0.0, "off": 0.0})
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class FieldReading:
    """A reading of a payload, and the field that it was read from; empty for the value."""

    field: str
    sample: Sample
    has_time: bool


def read_payload(rule: TopicConfig, payload: bytes, now_us: int) -> Iterator[FieldReading]:
    """Yield the readings of a payload; `now_us` is the time of those without one.

    Raises ValueError for a list that is too long or has other items than objects.
    """
    content = _decode(payload)
    if not isinstance(content, list):
        yield from _read_item(rule, content, now_us)
        return
    if len(content) > _MAX_ITEMS or not all(isinstance(one, dict) for one in content):
        raise ValueError(f"a list must have objects only, at most {_MAX_ITEMS:,}")
    for item in content:
        yield from _read_item(rule, item, now_us)


def _decode(payload: bytes) -> Any:
    """Return a JSON value, or the text of a payload that is none."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return payload[:100].decode("utf-8", "replace").strip()


def _read_item(rule: TopicConfig, item: Any, now_us: int) -> Iterator[FieldReading]:
    """Yield the readings of a value or an object."""
    if not isinstance(item, dict):
        yield FieldReading("", _sample(item, 0, now_us), has_time=False)
        return
    given = _find(item, rule.time)
    try:
        time_us = now_us if given is _ABSENT else _time_us(given, rule)
        quality = _find(item, rule.quality)
        status = 0 if quality is _ABSENT else parse_quality(quality)
    except ValueError:
        for field, _ in _values(rule, item):
            yield FieldReading(field, Sample(now_us, None, BAD_DECODING), has_time=False)
        return
    for field, value in _values(rule, item):
        yield FieldReading(field, _sample(value, status, time_us), has_time=given is not _ABSENT)


def _values(rule: TopicConfig, item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of an object by field."""
    if not rule.fields:
        value = _find(item, rule.value)
        yield "", "" if value is _ABSENT else value
        return
    if "*" in rule.fields:
        taken = (rule.time, rule.quality)
        for field, value in item.items():
            if isinstance(value, bool | int | float) and field not in taken:
                yield field, value
        return
    for field in rule.fields:
        value = _find(item, field)
        if value is not _ABSENT:
            yield field, value


def _find(item: Any, path: str) -> Any:
    """Return the value at a path, or `_ABSENT`. A field whose name has dots comes first."""
    if isinstance(item, dict) and path in item:
        return item[path]
    for name in path.split("."):
        if not isinstance(item, dict) or name not in item:
            return _ABSENT
        item = item[name]
    return item


def _time_us(value: Any, rule: TopicConfig) -> int:
    """Return a time in microseconds. Raises ValueError."""
    if rule.time_unit == "s" or isinstance(value, str):
        return parse_time(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("`time` must be a number")
    return parse_number_time(round(value), rule.time_unit)


def _sample(value: Any, status: int, time_us: int) -> Sample:
    """Return a value as a reading; what is no number has no value and bad quality."""
    if value is None:
        return Sample(time_us, None, max(status, BAD_NO_DATA))
    number = _number(value)
    if number is None or not math.isfinite(number):
        return Sample(time_us, None, max(status, BAD_DECODING))
    return Sample(time_us, number, status)


def _number(value: Any) -> float | None:
    """Return a number, truth value or text of one as a number."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _WORDS:
            return _WORDS[text]
    elif not isinstance(value, bool | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
