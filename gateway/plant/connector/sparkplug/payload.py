"""Payloads of Sparkplug B as plain values: sequence number, time and metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.plant.connector.sparkplug.schema import PayloadClass
from gateway.plant.connector.sparkplug.values import metric_status, metric_value

_METRIC_TAG = 0x12
_MIN_METRIC_BYTES = 2
_REBIRTH, _BOOLEAN = "Node Control/Rebirth", 11


class TooManyMetrics(ValueError):
    """A payload has more metrics than allowed."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: name, alias or both, its time in milliseconds, value and status.

    `datatype` is None in most data messages: it is that of the birth. `raw` is the message.
    """

    name: str | None
    alias: int | None
    time_ms: int | None
    datatype: int | None
    is_transient: bool
    raw: Any

    def value(self, datatype: int) -> float | None:
        """Return the value, None for a null. Raises ValueError if its type has no readings."""
        return metric_value(self.raw, datatype)

    @property
    def status(self) -> int:
        """The OPC UA status code of the property `Quality`."""
        return metric_status(self.raw)


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload; `seq` is 0 to 255, None in deaths of edge nodes."""

    time_ms: int | None
    seq: int | None
    metrics: Sequence[Metric]


class PayloadReader:
    """Reads payloads with at most `max_metrics` metrics."""

    def __init__(self, max_metrics: int) -> None:
        self._max_metrics = max_metrics
        self._class = PayloadClass()

    def read(self, content: bytes) -> Payload:
        """Return the payload that bytes encode. Raises TooManyMetrics, ValueError."""
        if has_more_metrics(content, self._max_metrics):
            raise TooManyMetrics(f"the payload has more than {self._max_metrics:,} metrics")
        message = self._class.parse(content)
        return Payload(
            _optional(message, "timestamp"),
            _optional(message, "seq"),
            [_metric(one) for one in message.metrics],
        )

    def rebirth_command(self, time_ms: int) -> bytes:
        """Return the payload of a command that asks an edge node for its births."""
        message = self._class.new()
        message.timestamp = time_ms
        message.metrics.add(name=_REBIRTH, timestamp=time_ms, datatype=_BOOLEAN, boolean_value=True)
        content: bytes = message.SerializeToString()
        return content


def has_more_metrics(content: bytes, limit: int) -> bool:
    """Whether a payload may have more metrics than a limit; reads no metric itself.

    Follows protobuf's wire format only as long as it is one metric after another: everything else,
    also malformed content, is left to the parser.
    """
    if len(content) <= limit * _MIN_METRIC_BYTES:
        return False
    position = count = 0
    while position < len(content) and count <= limit:
        tag, position = _varint(content, position)
        if tag & 7 == 2:
            length, position = _varint(content, position)
            position += length
        elif tag & 7 == 0:
            _, position = _varint(content, position)
        else:
            return False
        count += tag == _METRIC_TAG
    return count > limit


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """Return a variable-length integer and the position after it; zeros after the end."""
    value = shift = 0
    while position < len(content) and shift < 70:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            break
    return value, position


def _optional(message: Any, field: str) -> int | None:
    """Return a field, or None if it is not set."""
    return getattr(message, field) if message.HasField(field) else None


def _metric(message: Any) -> Metric:
    """Return a metric as plain values."""
    return Metric(
        message.name or None,
        _optional(message, "alias"),
        _optional(message, "timestamp"),
        _optional(message, "datatype"),
        message.is_transient,
        message,
    )
