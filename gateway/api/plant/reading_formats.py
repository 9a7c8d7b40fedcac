"""The body of a request with readings: content type, encoding, and the readings in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.plant.readings.errors import (
    ReadingsBodyTooLarge,
    ReadingsFormatUnsupported,
    ReadingsInvalid,
    TooManyReadings,
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

MAX_DECOMPRESSED_BYTES = 32 << 20
JSON, CSV, LINES = "application/json", "text/csv", "text/plain"
_LINE_SIGNS = ((b"\n", 2), (b"=", 20))
# Signs of which a reading has at least one, and how many of them a body may have per reading.
_SIGNS_OF: Mapping[str, tuple[tuple[bytes, int], ...]] = {
    JSON: ((b"{", 2),),
    CSV: ((b"\n", 2), (b"\r", 2)),
    LINES: _LINE_SIGNS,
    "application/vnd.influx.line-protocol": _LINE_SIGNS,
}
_SPARE_SIGNS = 1_000


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


def read_body(body: ReadingsBody, limit: int) -> ReceivedReadings:
    """Return the readings of a body, at most `limit`.

    Raises ReadingsInvalid, ReadingsFormatUnsupported, ReadingsBodyTooLarge, TooManyReadings.
    """
    content = _decompressed(body)
    # Before anything is parsed: a body of empty readings would take gigabytes.
    for sign, most in _SIGNS_OF[_media_type(body)]:
        if content.count(sign) > most * limit + _SPARE_SIGNS:
            raise _too_many(limit)
    received = _parse(content, body)
    if received.batch.total > limit:
        raise _too_many(limit)
    return received


def _too_many(limit: int) -> TooManyReadings:
    """Return the error of a request with too many readings."""
    return TooManyReadings(f"A request can have at most {limit:,} readings. Send several requests.")


def _media_type(body: ReadingsBody) -> str:
    """Return the media type of a body, JSON by default. Raises ReadingsFormatUnsupported."""
    media_type = body.content_type.partition(";")[0].strip().lower() or JSON
    if media_type not in _SIGNS_OF:
        raise ReadingsFormatUnsupported(
            "Use the content type application/json, text/csv, or text/plain for InfluxDB line "
            "protocol."
        )
    return media_type


def _parse(content: bytes, body: ReadingsBody) -> ReceivedReadings:
    """Return the readings of decompressed content. Raises ReadingsInvalid."""
    media_type = _media_type(body)
    try:
        if media_type == JSON:
            return _read_json(content, body)
        text = content.decode("utf-8")
        sent_us = None if body.sent_at is None else parse_time(body.sent_at)
        if media_type == CSV:
            return ReceivedReadings(read_csv(text), "csv", body.source, sent_us)
        batch = _read_lines(text, body)
        return ReceivedReadings(batch, "line_protocol", body.source, sent_us)
    except UnicodeDecodeError:
        raise ReadingsInvalid("The body is not valid UTF-8.") from None
    except (CsvInvalid, ValueError) as error:
        text = str(error).rstrip(".")[:300]
        raise ReadingsInvalid(f"{text[:1].upper()}{text[1:]}.") from None


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
