"""Readings as JSON: `{"source": "line-1", "sent_at": …, "readings": [{"tag", "time", "value"}]}`.

Fields of a reading are read loosely, so that one wrong reading does not refuse the request.
"""

from typing import Any

import msgspec

from gateway.plant.readings.formats.batch import PointKey, ReadingBatch
from gateway.plant.readings.formats.times import parse_time
from gateway.plant.readings.quality import parse_quality


class Reading(msgspec.Struct):
    """One reading: `tag` or `point` names its point; `quality` is good by default."""

    time: Any = None
    tag: Any = None
    point: Any = None
    value: Any = None
    quality: Any = None
    unit: Any = ""


class ReadingsRequest(msgspec.Struct):
    """Readings with the name of their source and the time by its clock when it sent them."""

    readings: list[Reading]
    source: str | None = None
    sent_at: str | float | None = None


_DECODER = msgspec.json.Decoder(ReadingsRequest)


def decode_json(body: bytes) -> ReadingsRequest:
    """Return the request of a body. Raises msgspec.MsgspecError, ValueError."""
    return _DECODER.decode(body)


def read_json(request: ReadingsRequest) -> ReadingBatch:
    """Return the readings of a request."""
    batch = ReadingBatch()
    batch.total = len(request.readings)
    keys: dict[tuple[Any, Any, Any], PointKey] = {}
    for index, one in enumerate(request.readings):
        try:
            names = (one.tag, one.point, one.unit)
            key = keys.get(names)
            if key is None:
                key = keys[names] = _key(*names)
            status = 0 if one.quality is None else parse_quality(one.quality)
            batch.add(index, key, parse_time(one.time), one.value, status)
        except (ValueError, TypeError) as error:
            batch.refuse(index, "invalid_value", f"{_reason(error)}.")
    return batch


def _reason(error: ValueError | TypeError) -> str:
    """Return the text of an error; a list or object as a name cannot be looked up."""
    return str(error) if isinstance(error, ValueError) else "`tag` or `point` must be a text"


def _key(tag: Any, point: Any, unit: Any) -> PointKey:
    """Return the key of a point. Raises ValueError."""
    names = [name for name in (tag, point) if name is not None]
    if len(names) != 1 or not isinstance(names[0], str) or not names[0].strip():
        raise ValueError("a reading must name its point by `tag` or by `point`, as a text")
    if not isinstance(unit, str):
        raise ValueError("`unit` must be a text")
    return PointKey(names[0].strip(), tag is None, unit.strip())
