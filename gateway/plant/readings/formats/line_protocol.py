"""Readings as InfluxDB line protocol: `measurement,tag=value field=1.5 1700000000000000000`.

The point of a field is the line's tag `tag` if there is one, else `measurement.field`, or the
measurement alone for a field named `value`. With the tag `tag` and several fields, the field's name
is appended to it. The fields `quality` and `unit` describe the other fields of their line.
"""

import re
from collections.abc import Iterator, Mapping

from gateway.plant.readings.formats.batch import PointKey, ReadingBatch
from gateway.plant.readings.formats.times import parse_number_time
from gateway.plant.readings.quality import parse_quality

_ESCAPED = re.compile(r"\\([,= \\])")
_SPLIT_TAGS = re.compile(r"(?<!\\),")
_SPLIT_PAIR = re.compile(r"(?<!\\)=")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d+[iu]")
_TRUTH_VALUES = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}
_DESCRIBING = frozenset({"quality", "unit"})
_VALUE_FIELD = "value"


def read_lines(text: str, precision: str, now_us: int) -> ReadingBatch:
    """Return the readings of a text; lines without a time have `now_us`.

    `precision` is the unit of times: s, ms, us or ns. Each field is a reading; indexes count them.
    """
    batch = ReadingBatch()
    for line in text.split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            _read_line(batch, line.strip(), precision, now_us)
    return batch


def _read_line(batch: ReadingBatch, line: str, precision: str, now_us: int) -> None:
    """Add the readings of a line, or one error if it cannot be read."""
    index = batch.total
    try:
        series, fields, time_text = _split(line)
        time_us = now_us if time_text is None else _parse_time(time_text, precision)
        name, tag = _parse_series(series)
        values = dict(_parse_field(pair) for pair in _split_fields(fields))
        quality, unit = _description(values)
        status = parse_quality(quality)
        readings = [(_name(name, tag, field, len(values)), values[field]) for field in values]
        if not readings:
            raise ValueError("the line has no value")
    except (ValueError, OverflowError) as error:
        batch.total += 1
        batch.refuse(index, "invalid_value", f"{error}.")
        return
    for offset, (point, value) in enumerate(readings):
        batch.total += 1
        batch.add(index + offset, PointKey(point, unit=unit), time_us, value, status)


def _description(values: dict[str, object]) -> tuple[object, str]:
    """Remove and return quality and unit of a line's fields. Raises ValueError."""
    if not values.keys() & _DESCRIBING:
        return None, ""
    quality, unit = values.pop("quality", None), values.pop("unit", "")
    if not isinstance(unit, str):
        raise ValueError("`unit` must be a text")
    return int(quality) if isinstance(quality, float) else quality, unit


def _split(line: str) -> tuple[str, str, str | None]:
    """Return series, fields and time of a line. Raises ValueError."""
    parts = list(_split_at_spaces(line))
    if len(parts) not in (2, 3):
        raise ValueError("a line must be `measurement[,tags] fields [time]`")
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


def _split_at_spaces(line: str) -> Iterator[str]:
    """Yield the parts of a line between spaces that are neither escaped nor quoted."""
    if "\\" not in line and '"' not in line:
        yield from line.split()
        return
    start, quoted, escaped = 0, False, False
    for position, sign in enumerate(line):
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif sign == " " and not quoted:
            if position > start:
                yield line[start:position]
            start = position + 1
    if quoted:
        raise ValueError("a quotation mark is not closed")
    if start < len(line):
        yield line[start:]


def _split_fields(fields: str) -> Iterator[str]:
    """Yield the fields of a line, between commas that are neither escaped nor quoted."""
    if '"' not in fields:
        yield from _SPLIT_TAGS.split(fields)
        return
    start, quoted, escaped = 0, False, False
    for position, sign in enumerate(fields):
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif sign == "," and not quoted:
            yield fields[start:position]
            start = position + 1
    yield fields[start:]


def _parse_series(series: str) -> tuple[str, str | None]:
    """Return the measurement and the value of the tag `tag`. Raises ValueError."""
    measurement, *tags = _SPLIT_TAGS.split(series)
    if not measurement:
        raise ValueError("a line must begin with a measurement")
    return _unescaped(measurement), _parse_tags(tags).get("tag")


def _parse_tags(tags: list[str]) -> Mapping[str, str]:
    """Return the tags of a line. Raises ValueError."""
    pairs = [_SPLIT_PAIR.split(tag, maxsplit=1) for tag in tags]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ValueError("a tag must be `key=value`")
    return {_unescaped(key): _unescaped(value) for key, value in pairs}


def _parse_field(pair: str) -> tuple[str, object]:
    """Return name and value of a field. Raises ValueError."""
    parts = _SPLIT_PAIR.split(pair, maxsplit=1)
    if len(parts) != 2 or not all(parts):
        raise ValueError("a field must be `key=value`")
    return _unescaped(parts[0]), _parse_value(parts[1])


def _parse_value(text: str) -> object:
    """Return the value of a field: number, truth value or text. Raises ValueError."""
    if _NUMBER.fullmatch(text):
        return float(text)
    if _INTEGER.fullmatch(text):
        return float(text[:-1])
    if text in _TRUTH_VALUES:
        return _TRUTH_VALUES[text]
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    raise ValueError(f"{text[:60]!r} is no number, truth value or quoted text")


def _parse_time(text: str, precision: str) -> int:
    """Return a line's time in microseconds. Raises ValueError."""
    if not text.lstrip("-").isdecimal() or len(text) > 20:
        raise ValueError("the time must be a whole number")
    return parse_number_time(int(text), precision)


def _name(measurement: str, tag: str | None, field: str, count: int) -> str:
    """Return the tag of a field's point."""
    if tag is not None:
        return tag if count == 1 else f"{tag}.{field}"
    return measurement if field == _VALUE_FIELD else f"{measurement}.{field}"


def _unescaped(text: str) -> str:
    """Return a name without the backslashes before special characters."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
