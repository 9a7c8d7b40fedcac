"""Bulk registration: JSON lines to records, with one result per line and no duplicates.

A line is `{"id", "fields", "version"?, "ttl"?, "withdrawn"?}`. A field is a text, or
`{"value", "access"}`. A line whose content is stored already changes nothing, so a file can be sent
again after a failure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from gateway.plant.identifiers.codes import parse_identifier
from gateway.plant.identifiers.delegations import Authority
from gateway.plant.identifiers.errors import IdentifierInvalid, RecordConflict, RecordInvalid
from gateway.plant.identifiers.records import (
    Access,
    FieldValue,
    NewRecord,
    SignedRecord,
    decode_disclosure,
    sign_record,
)
from gateway.plant.identifiers.statements import unverified_payload
from infra.errors import AppError

MAX_LINES = 10_000
MAX_LINE_BYTES = 64 << 10
DEFAULT_TTL_S = 300


class _Field(msgspec.Struct, forbid_unknown_fields=True):
    """A field with its access."""

    value: str
    access: Literal["public", "partner", "owner"] = "public"


class RecordLine(msgspec.Struct, forbid_unknown_fields=True):
    """A record to register. Without `version` the next one is used if the content changed."""

    id: str
    fields: dict[str, str | _Field] = {}
    version: int | None = None
    ttl: int = DEFAULT_TTL_S
    withdrawn: bool = False


_DECODER = msgspec.json.Decoder(RecordLine)


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """A line of the file by its number from 1: a record draft, or the error."""

    number: int
    draft: NewRecord | None
    has_version: bool = False
    error: AppError | None = None


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of a line."""

    number: int
    status: Literal["created", "updated", "unchanged", "error"]
    id: str = ""
    version: int | None = None
    error: AppError | None = None


def parse_lines(body: bytes) -> Iterator[ParsedLine]:
    """Parse JSON lines, skipping blank ones. Raises RecordInvalid for more than `MAX_LINES`."""
    count = 0
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        count += 1
        if count > MAX_LINES:
            raise RecordInvalid(f"A request has at most {MAX_LINES} records.", param="body")
        yield _parse_line(number, line)


def _parse_line(number: int, line: bytes) -> ParsedLine:
    """Parse one line to a draft or an error."""
    try:
        if len(line) > MAX_LINE_BYTES:
            raise RecordInvalid(f"A record has at most {MAX_LINE_BYTES} bytes.")
        parsed = _DECODER.decode(line)
        return ParsedLine(number, draft_of(parsed), parsed.version is not None)
    except msgspec.DecodeError as error:
        return ParsedLine(number, None, error=RecordInvalid(f"Line {number}: {error}."))
    except (IdentifierInvalid, RecordInvalid) as error:
        return ParsedLine(number, None, error=error)


def draft_of(line: RecordLine) -> NewRecord:
    """Return the draft of a line; version 0 stands for the next one. Raises IdentifierInvalid."""
    fields = {
        name: FieldValue(one) if isinstance(one, str) else FieldValue(one.value, Access(one.access))
        for name, one in line.fields.items()
    }
    version = 0 if line.version is None else line.version
    return NewRecord(parse_identifier(line.id), version, fields, line.ttl, line.withdrawn)


def next_record(
    draft: NewRecord, stored: SignedRecord | None, owner: Authority, now: datetime
) -> SignedRecord | None:
    """Sign the record that a draft makes of the stored one; None if it changes nothing.

    Raises RecordConflict if the draft's version is not newer, RecordInvalid.
    """
    if stored is None:
        version = draft.version or 1
        return sign_record(_with_version(draft, version), owner, now)
    same = _content(draft.fields, draft.ttl_s, draft.withdrawn) == stored_content(stored)
    if same and draft.version in (0, stored.version):
        return None
    if draft.version and draft.version <= stored.version:
        raise RecordConflict(
            f"Version {stored.version} is stored; a change needs a higher version.", param="version"
        )
    return sign_record(_with_version(draft, draft.version or stored.version + 1), owner, now)


def stored_fields(stored: SignedRecord) -> Mapping[str, FieldValue]:
    """Return all fields of a record that this node stores."""
    public = unverified_payload(stored.token).get("fields", {})
    fields = {name: FieldValue(value) for name, value in public.items()}
    return fields | dict(decode_disclosure(one.encoded) for one in stored.disclosures)


def stored_content(stored: SignedRecord) -> tuple[object, ...]:
    """Return what a change is compared with."""
    return _content(stored_fields(stored), stored.ttl_s, stored.withdrawn)


def _content(fields: Mapping[str, FieldValue], ttl_s: int, withdrawn: bool) -> tuple[object, ...]:
    """Return the comparable content of a record."""
    return dict(fields), ttl_s, withdrawn


def _with_version(draft: NewRecord, version: int) -> NewRecord:
    """Return the draft with a version."""
    return NewRecord(draft.identifier, version, draft.fields, draft.ttl_s, draft.withdrawn)
