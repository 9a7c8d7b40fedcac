"""The evidence log of a contract: signed evidence in the order of receipt, as a hash chain.

    entry n = SHA-256(entry n - 1, position, attester, time of receipt, signature, signed message)

Anyone who knows the last hash can detect a changed, removed or inserted entry. Entries are
append-only: errors are corrected by further evidence. Duplicates are stored once.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import col, select

from billing.outcomes.contracts.contracts import PREFIX as CONTRACT_PREFIX
from billing.outcomes.contracts.contracts import terms_for_evidence
from billing.outcomes.contracts.terms import OutcomeTerms
from billing.outcomes.evidence.attesters import (
    AttesterNotFound,
    get_attester,
    is_active,
    list_attesters,
)
from billing.outcomes.evidence.readings_file import EvidenceInvalid, parse_readings
from billing.outcomes.evidence.signatures import (
    AttestationInvalid,
    is_valid_signature,
    signing_message,
)
from billing.outcomes.evidence.statements import parse_event_fields
from billing.tables import Attester, Evidence, OutcomeContract
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "evd"
MAX_BYTES = 2 << 20
_GENESIS_HASH = bytes(32)  # previous hash of the first entry
_PAGE_SIZE = 20  # entries of up to 2 MiB each


class EvidenceKind(StrEnum):
    """The kind of a piece of evidence."""

    READINGS = "readings"  # meter readings, as CSV or JSON
    CORRECTION = "correction"  # readings that replace earlier ones of the same times
    CLAIM = "claim"  # an outcome happened
    CONFIRMATION = "confirmation"  # the outcome happened, says an accepted attester
    DENIAL = "denial"  # the outcome did not happen
    REVERSAL = "reversal"  # the outcome did not last
    EVENT = "event"  # an event happened, whether it was predicted or not


_READINGS_KINDS = frozenset({EvidenceKind.READINGS, EvidenceKind.CORRECTION})


class AttesterNotActive(AppError):
    """The attester was revoked, or the other party has not accepted it yet."""

    status = 409
    type = "invalid_request_error"
    code = "attester_not_heard"


class EvidenceNotFound(AppError):
    """The account has no such evidence."""

    status = 404
    type = "invalid_request_error"
    code = "evidence_not_found"


@dataclass(frozen=True, slots=True)
class EvidenceSubmission:
    """A piece of evidence as submitted: attester, kind, body and signature."""

    attester_id: UUID
    kind: EvidenceKind
    body: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ChainVerification:
    """The result of verifying a hash chain.

    `entries` is the number of valid entries and `head` the hash of the last one; `broken_at` is the
    position of the first fault.
    """

    entries: int
    head: bytes
    broken_at: int | None = None
    fault: str | None = None


async def append_evidence(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    contract_id: UUID,
    submission: EvidenceSubmission,
) -> Evidence:
    """Verify and append evidence to the contract's log; returns the existing entry of a duplicate.

    Raises AttesterNotFound, AttesterNotActive, AttestationInvalid, EvidenceInvalid.
    """
    text = _decode_body(submission.body)
    attester = await get_attester(session, account_id, submission.attester_id)
    if attester.contract_id != contract_id:
        raise AttesterNotFound("The attester belongs to another contract.", param="attester")
    message = _signed_message(contract_id, submission.kind, submission.body)
    if not is_valid_signature(attester.public_key, message, submission.signature):
        raise AttestationInvalid(
            f"The signature of {attester.name!r} does not match this {submission.kind} "
            "and contract: the bytes were changed, or another key, kind or contract was "
            "signed."
        )
    if existing := await _find_duplicate(session, account_id, contract_id, submission):
        return existing
    if not is_active(attester):
        raise AttesterNotActive(
            f"The attester {attester.name!r} was revoked or is not yet accepted by the other side."
        )
    terms = await terms_for_evidence(session, account_id, contract_id, clock.now())
    await asyncio.to_thread(_validate_body, submission.kind, text, terms, clock.now())
    await _lock_contract(session, account_id, contract_id)
    if existing := await _find_duplicate(session, account_id, contract_id, submission):
        return existing
    return await _insert_entry(session, clock, account_id, contract_id, submission)


async def list_evidence(
    session: AsyncSession,
    account_id: UUID,
    contract_id: UUID,
    limit: int,
    after: int = 0,
    *,
    include_body: bool = True,
) -> list[Evidence]:
    """List a contract's evidence in the order of receipt, starting after position `after`.

    Without `include_body`, the bodies are not loaded.
    """
    query = select(Evidence).where(
        col(Evidence.account_id) == account_id,
        col(Evidence.contract_id) == contract_id,
        col(Evidence.position) > after,
    )
    if not include_body:
        query = query.options(defer(cast("QueryableAttribute[str]", Evidence.said)))
    return list(await session.scalars(query.order_by(col(Evidence.position)).limit(limit)))


async def get_evidence(session: AsyncSession, account_id: UUID, evidence_id: UUID) -> Evidence:
    """Return a piece of the account's evidence. Raises EvidenceNotFound."""
    query = select(Evidence).where(
        col(Evidence.account_id) == account_id, col(Evidence.id) == evidence_id
    )
    evidence = (await session.scalars(query)).one_or_none()
    if evidence is None:
        raise EvidenceNotFound("The account has no such evidence.", param="evidence")
    return evidence


async def verify_chain(
    session: AsyncSession, account_id: UUID, contract_id: UUID
) -> ChainVerification:
    """Check digest, chain hash and signature of all log entries, until the first fault."""
    attesters = {one.id: one for one in await list_attesters(session, account_id, contract_id)}
    entries, head = 0, _GENESIS_HASH
    async for entry in _iterate_entries(session, account_id, contract_id):
        fault = _entry_fault(entry, entries, head, attesters.get(entry.attester_id))
        if fault is not None:
            return ChainVerification(entries, head, entries + 1, fault)
        entries, head = entries + 1, entry.chained
    return ChainVerification(entries, head)


async def _iterate_entries(
    session: AsyncSession, account_id: UUID, contract_id: UUID
) -> AsyncIterator[Evidence]:
    """Yield a contract's evidence in log order, page by page, to bound memory."""
    after = 0
    while page := await list_evidence(session, account_id, contract_id, _PAGE_SIZE, after):
        after = page[-1].position
        for entry in page:
            yield entry
            session.expunge(entry)  # bounds memory on a long chain


def _entry_fault(
    entry: Evidence, entries_before: int, previous_hash: bytes, attester: Attester | None
) -> str | None:
    """Return the first fault of an entry (position, digest, chain or signature), or None."""
    body = entry.said.encode()
    if entry.position != entries_before + 1:
        return "an entry is missing"
    if hashlib.sha256(body).digest() != entry.digest:
        return "its body does not match its hash"
    if _chain_hash(previous_hash, entry) != entry.chained:
        return "its hash does not chain to the previous entry"
    message = _signed_message(entry.contract_id, entry.kind, body)
    if attester is None or not is_valid_signature(attester.public_key, message, entry.signature):
        return "its signature is not valid"
    return None


async def _insert_entry(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    contract_id: UUID,
    submission: EvidenceSubmission,
) -> Evidence:
    """Append an entry, chained to the last one. The caller holds the contract's lock."""
    last = select(Evidence.position, Evidence.chained).where(
        col(Evidence.account_id) == account_id, col(Evidence.contract_id) == contract_id
    )
    row = await session.execute(last.order_by(col(Evidence.position).desc()).limit(1))
    position, head = row.one_or_none() or (0, _GENESIS_HASH)
    entry = Evidence(
        id=ids.new_id(),
        account_id=account_id,
        contract_id=contract_id,
        position=position + 1,
        kind=submission.kind.value,
        attester_id=submission.attester_id,
        said=submission.body.decode(),
        digest=hashlib.sha256(submission.body).digest(),
        chained=b"",
        signature=submission.signature,
        received_at=clock.now(),
    )
    entry.chained = _chain_hash(head, entry)
    session.add(entry)
    await session.flush()
    return entry


async def _find_duplicate(
    session: AsyncSession, account_id: UUID, contract_id: UUID, submission: EvidenceSubmission
) -> Evidence | None:
    """Return the evidence of the same attester, kind and body, or None."""
    query = select(Evidence).where(
        col(Evidence.account_id) == account_id,
        col(Evidence.contract_id) == contract_id,
        col(Evidence.attester_id) == submission.attester_id,
        col(Evidence.kind) == submission.kind.value,
        col(Evidence.digest) == hashlib.sha256(submission.body).digest(),
    )
    return (await session.scalars(query)).one_or_none()


async def _lock_contract(session: AsyncSession, account_id: UUID, contract_id: UUID) -> None:
    """Lock the contract row, so that entries of one contract are appended one at a time."""
    query = select(OutcomeContract.id).where(
        col(OutcomeContract.account_id) == account_id, col(OutcomeContract.id) == contract_id
    )
    await session.execute(query.with_for_update(key_share=True))


def _signed_message(contract_id: UUID, kind: str, body: bytes) -> bytes:
    """Return the bytes that an attester signs for evidence of this contract and kind."""
    return signing_message(ids.format_id(CONTRACT_PREFIX, contract_id), kind, body)


def _chain_hash(previous_hash: bytes, entry: Evidence) -> bytes:
    """Return the entry's SHA-256 over the previous hash, its header, signature and message."""
    received_at = entry.received_at.astimezone(UTC).isoformat(timespec="microseconds")
    header = f"{entry.position}\n{entry.attester_id.hex}\n{received_at}\n".encode()
    message = _signed_message(entry.contract_id, entry.kind, entry.said.encode())
    return hashlib.sha256(previous_hash + header + entry.signature + message).digest()


def _decode_body(body: bytes) -> str:
    """Decode a body as UTF-8. Raises EvidenceInvalid for its size, encoding or NUL bytes."""
    if not 0 < len(body) <= MAX_BYTES:
        raise EvidenceInvalid(
            f"Evidence must have 1 to {MAX_BYTES} bytes. Send larger evidence in parts."
        )
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise EvidenceInvalid(f"line {line}: it is not UTF-8.", param=f"line {line}") from None
    if "\0" in text:
        raise EvidenceInvalid("Evidence must be text without NUL bytes.")
    return text


def _validate_body(kind: EvidenceKind, text: str, terms: OutcomeTerms, now: datetime) -> None:
    """Raise EvidenceInvalid unless readings can be parsed or a statement is a JSON object."""
    if kind in _READINGS_KINDS:
        parse_readings(text, terms, now)
        return
    try:
        payload = json.loads(
            text, object_pairs_hook=_reject_duplicate_keys, parse_constant=_reject_constant
        )
    except (ValueError, RecursionError) as error:
        raise EvidenceInvalid(f"A {kind} must be one JSON object: {error}.") from None
    if not isinstance(payload, dict):
        raise EvidenceInvalid(f"A {kind} must be one JSON object.")
    if kind is EvidenceKind.EVENT:
        _, _, happened_at = parse_event_fields(payload)
        if happened_at > now:
            raise EvidenceInvalid("The event's time is in the future.", param="happened_at")


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dict. Raises ValueError for duplicate keys: parsers differ on them."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field occurs twice")
    return fields


def _reject_constant(text: str) -> Any:
    """Raise ValueError for NaN and infinities, which are not JSON."""
    raise ValueError(f"{text} is not a number")
