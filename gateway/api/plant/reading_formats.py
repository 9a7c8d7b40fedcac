"""The body of a request with readings: content type, encoding, and the readings in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.plant.readings.errors import (
    ReadingsBodyTooLarge,
    ReadingsFormatUnsupported,
    ReadingsInvalid,
)
from gateway.plant.readings.formats.batch import ReadingBatch
from gateway.plant.readings.formats.compression import (
    CompressedInvalid,
    CompressedTooLarge,
    decompress_gzip,
)
from gateway.plant.readings.formats.csv_format import CsvInvalid, read_csv
from gateway.plant.readings.formats.json_format import decode_json, read_json
from gateway.plant.readings.formats.line_protocol import read_lines
from gateway.plant.readings.formats.times import PRECISIONS, from_datetime, parse_time

MAX_DECOMPRESSED_BYTES = 64 << 20
JSON, CSV, LINES = "application/json", "text/csv", "text/plain"
_LINE_TYPES = frozenset({LINES, "application/vnd.influx.line-protocol"})


@dataclass(frozen=True, slots=True)
class ReadingsBody:
    """A request's body with the headers that describe it.

    `source` and `sent_at` are from headers; those in a JSON body take precedence.
    """

    content: bytes
    content_type: str
    encoding: str
    precision: str
    received_at: datetime
    source: str | None = None
    sent_at: str | None = None


@dataclass(frozen=True, slots=True)
class ReceivedReadings:
    """The readings of a request, the name of their source and its time when it sent them."""

    batch: ReadingBatch
    format: str
    source: str | None
    sent_us: int | None


def read_body(body: ReadingsBody) -> ReceivedReadings:
    """Return the readings of a body.

    Raises ReadingsInvalid, ReadingsFormatUnsupported, ReadingsBodyTooLarge.
    """
    content = _decompressed(body)
    media_type = body.content_type.partition(";")[0].strip().lower() or JSON
    try:
        if media_type == JSON:
            return _read_json(content, body)
        text = content.decode("utf-8")
        sent_us = None if body.sent_at is None else parse_time(body.sent_at)
        if media_type == CSV:
            return ReceivedReadings(read_csv(text), "csv", body.source, sent_us)
        if media_type in _LINE_TYPES:
            batch = _read_lines(text, body)
            return ReceivedReadings(batch, "line_protocol", body.source, sent_us)
    except UnicodeDecodeError:
        raise ReadingsInvalid("The body is not valid UTF-8.") from None
    except (CsvInvalid, ValueError) as error:
        raise ReadingsInvalid(f"{str(error).rstrip('.')[:300]}.".capitalize()) from None
    raise ReadingsFormatUnsupported(
        "Use the content type application/json, text/csv, or text/plain for InfluxDB line protocol."
    )


def _decompressed(body: ReadingsBody) -> bytes:
    """Return the content without its encoding."""
    encoding = body.encoding.strip().lower()
    if encoding in ("", "identity"):
        return body.content
    if encoding != "gzip":
        raise ReadingsFormatUnsupported("Use no content encoding, or gzip.")
    try:
        return decompress_gzip(body.content, MAX_DECOMPRESSED_BYTES)
    except CompressedInvalid as error:
        raise ReadingsInvalid(str(error)) from None
    except CompressedTooLarge as error:
        raise ReadingsBodyTooLarge(str(error)) from None


def _read_json(content: bytes, body: ReadingsBody) -> ReceivedReadings:
    """Return the readings of a JSON body. Raises ReadingsInvalid, ValueError."""
    try:
        request = decode_json(content)
    except msgspec.ValidationError as error:
        raise ReadingsInvalid(f"The JSON body is not valid: {error}.") from None
    except (msgspec.DecodeError, RecursionError):
        raise ReadingsInvalid("The body is not valid JSON.") from None
    sent_at = body.sent_at if request.sent_at is None else request.sent_at
    sent_us = None if sent_at is None else parse_time(sent_at)
    source = body.source if request.source is None else request.source
    return ReceivedReadings(read_json(request), "json", source, sent_us)


def _read_lines(text: str, body: ReadingsBody) -> ReadingBatch:
    """Return the readings of line protocol. Raises ReadingsInvalid."""
    if body.precision not in PRECISIONS:
        raise ReadingsInvalid("`precision` must be s, ms, us or ns.", param="precision")
    return read_lines(text, body.precision, from_datetime(body.received_at))


ReadBody = Callable[[ReadingsBody], ReceivedReadings]
FORMATS: Mapping[str, str] = {"json": JSON, "csv": CSV, "line_protocol": LINES}
