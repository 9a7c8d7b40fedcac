"""Evidence: what attesters said of a contract's effects, signed, in the order in which it came.

    entry n = SHA-256(entry n - 1, position, attester, moment of receipt, signature, signed message)

Whoever knows the last entry's hash can tell whether any before it was changed, taken out or put in.
What was received stays as it is; an error is mended by more evidence. The same twice is once.
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
from billing.outcomes.contracts.contracts import terms_for
from billing.outcomes.contracts.terms import OutcomeTerms
from billing.outcomes.evidence.attesters import (
    AttesterNotFound,
    attesters_of,
    get_attester,
    is_heard,
)
from billing.outcomes.evidence.readings_file import EvidenceInvalid, read_readings
from billing.outcomes.evidence.signatures import AttestationInvalid, fits, message_of
from billing.tables import Attester, Evidence, OutcomeContract
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "evd"
MOST_BYTES = 2 << 20
_FIRST = bytes(32)  # what the first entry follows
_PAGE = 20  # of up to 2 MiB each


class EvidenceKind(StrEnum):
    """What a piece of evidence is."""

    READINGS = "readings"  # what a meter said, as CSV or JSON
    CORRECTION = "correction"  # readings that take the place of earlier ones of the same times
    CLAIM = "claim"  # that there was an outcome
    CONFIRMATION = "confirmation"  # that there was, by another than who claims it
    DENIAL = "denial"  # that there was not
    REVERSAL = "reversal"  # that there is no more


_READ = frozenset({EvidenceKind.READINGS, EvidenceKind.CORRECTION})


class AttesterNotHeard(AppError):
    """The attester was revoked, or the other side has not accepted it yet."""

    status = 409
    type = "invalid_request_error"
    code = "attester_not_heard"


class EvidenceNotFound(AppError):
    """The account has no such evidence."""

    status = 404
    type = "invalid_request_error"
    code = "evidence_not_found"


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of evidence as it comes: by whom, what it is, its bytes and their signature."""

    attester_id: UUID
    kind: EvidenceKind
    body: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of a chain found: how many entries hold, the last one's hash, and at which
    position the first fault is, with what is wrong there."""

    entries: int
    head: bytes
    broken_at: int | None = None
    fault: str | None = None


async def record(
    session: AsyncSession, clock: Clock, account_id: UUID, contract_id: UUID, said: Said
) -> Evidence:
    """Keep it as the contract's next entry; what is there already is given as it was kept.

    Raises AttesterNotFound, AttesterNotHeard, AttestationInvalid, EvidenceInvalid.
    """
    text = _text(said.body)
    attester = await get_attester(session, account_id, said.attester_id)
    if attester.contract_id != contract_id:
        raise AttesterNotFound("The attester is another contract's.", param="attester")
    message = _message(contract_id, said.kind, said.body)
    if not fits(attester.public_key, message, said.signature):
        raise AttestationInvalid(
            f"The signature is not that of {attester.name!r} over this {said.kind} for this "
            "contract: the bytes were changed, or another key, kind or contract was signed for."
        )
    if known := await _known(session, account_id, contract_id, said):
        return known
    if not is_heard(attester):
        raise AttesterNotHeard(
            f"{attester.name!r} was revoked, or is not accepted by the other side yet."
        )
    terms = await terms_for(session, account_id, contract_id, clock.now())
    await asyncio.to_thread(_check, said.kind, text, terms, clock.now())
    await _lock(session, account_id, contract_id)
    if known := await _known(session, account_id, contract_id, said):
        return known
    return await _append(session, clock, account_id, contract_id, said)


async def evidence_page(
    session: AsyncSession,
    account_id: UUID,
    contract_id: UUID,
    limit: int,
    after: int = 0,
    *,
    whole: bool = True,
) -> list[Evidence]:
    """A contract's evidence in the order of receipt, from the position after `after` on; not
    `whole`, without what was said."""
    query = select(Evidence).where(
        col(Evidence.account_id) == account_id,
        col(Evidence.contract_id) == contract_id,
        col(Evidence.position) > after,
    )
    if not whole:
        query = query.options(defer(cast("QueryableAttribute[str]", Evidence.said)))
    return list(await session.scalars(query.order_by(col(Evidence.position)).limit(limit)))


async def get_evidence(session: AsyncSession, account_id: UUID, evidence_id: UUID) -> Evidence:
    """Raises EvidenceNotFound."""
    query = select(Evidence).where(
        col(Evidence.account_id) == account_id, col(Evidence.id) == evidence_id
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise EvidenceNotFound("The account has no such evidence.", param="evidence")
    return found


async def verify(session: AsyncSession, account_id: UUID, contract_id: UUID) -> Verified:
    """Whether each entry is as it was signed and chained, from the first on."""
    attesters = {one.id: one for one in await attesters_of(session, account_id, contract_id)}
    entries, head = 0, _FIRST
    async for entry in _entries(session, account_id, contract_id):
        fault = _fault(entry, entries, head, attesters.get(entry.attester_id))
        if fault is not None:
            return Verified(entries, head, entries + 1, fault)
        entries, head = entries + 1, entry.chained
    return Verified(entries, head)


async def _entries(
    session: AsyncSession, account_id: UUID, contract_id: UUID
) -> AsyncIterator[Evidence]:
    after = 0
    while page := await evidence_page(session, account_id, contract_id, _PAGE, after):
        after = page[-1].position
        for entry in page:
            yield entry
            session.expunge(entry)  # or a long chain would be in memory as a whole


def _fault(entry: Evidence, before: int, head: bytes, attester: Attester | None) -> str | None:
    body = entry.said.encode()
    if entry.position != before + 1:
        return "an entry is missing"
    if hashlib.sha256(body).digest() != entry.digest:
        return "what was said is not what was hashed"
    if _chained(head, entry) != entry.chained:
        return "its hash does not follow from the entry before"
    message = _message(entry.contract_id, entry.kind, body)
    if attester is None or not fits(attester.public_key, message, entry.signature):
        return "its signature does not fit"
    return None


async def _append(
    session: AsyncSession, clock: Clock, account_id: UUID, contract_id: UUID, said: Said
) -> Evidence:
    last = select(Evidence.position, Evidence.chained).where(
        col(Evidence.account_id) == account_id, col(Evidence.contract_id) == contract_id
    )
    found = await session.execute(last.order_by(col(Evidence.position).desc()).limit(1))
    position, head = found.one_or_none() or (0, _FIRST)
    entry = Evidence(
        id=ids.new_id(),
        account_id=account_id,
        contract_id=contract_id,
        position=position + 1,
        kind=said.kind.value,
        attester_id=said.attester_id,
        said=said.body.decode(),
        digest=hashlib.sha256(said.body).digest(),
        chained=b"",
        signature=said.signature,
        received_at=clock.now(),
    )
    entry.chained = _chained(head, entry)
    session.add(entry)
    await session.flush()
    return entry


async def _known(
    session: AsyncSession, account_id: UUID, contract_id: UUID, said: Said
) -> Evidence | None:
    query = select(Evidence).where(
        col(Evidence.account_id) == account_id,
        col(Evidence.contract_id) == contract_id,
        col(Evidence.attester_id) == said.attester_id,
        col(Evidence.kind) == said.kind.value,
        col(Evidence.digest) == hashlib.sha256(said.body).digest(),
    )
    return (await session.scalars(query)).one_or_none()


async def _lock(session: AsyncSession, account_id: UUID, contract_id: UUID) -> None:
    """Entries of a contract follow one another; nothing else waits for that."""
    query = select(OutcomeContract.id).where(
        col(OutcomeContract.account_id) == account_id, col(OutcomeContract.id) == contract_id
    )
    await session.execute(query.with_for_update(key_share=True))


def _message(contract_id: UUID, kind: str, body: bytes) -> bytes:
    return message_of(ids.show(CONTRACT_PREFIX, contract_id), kind, body)


def _chained(head: bytes, entry: Evidence) -> bytes:
    received = entry.received_at.astimezone(UTC).isoformat(timespec="microseconds")
    place = f"{entry.position}\n{entry.attester_id.hex}\n{received}\n".encode()
    message = _message(entry.contract_id, entry.kind, entry.said.encode())
    return hashlib.sha256(head + place + entry.signature + message).digest()


def _text(body: bytes) -> str:
    if not 0 < len(body) <= MOST_BYTES:
        raise EvidenceInvalid(f"Evidence has 1 to {MOST_BYTES} bytes: send it in parts.")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise EvidenceInvalid(f"line {line}: it is not UTF-8.", param=f"line {line}") from None
    if "\0" in text:
        raise EvidenceInvalid("Evidence is a text, without any zero byte.")
    return text


def _check(kind: EvidenceKind, text: str, terms: OutcomeTerms, now: datetime) -> None:
    if kind in _READ:
        read_readings(text, terms, now)
        return
    try:
        said = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise EvidenceInvalid(f"A {kind} is one JSON object: {error}.") from None
    if not isinstance(said, dict):
        raise EvidenceInvalid(f"A {kind} is one JSON object.")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A field that is there twice would say two things at once."""
    said = dict(pairs)
    if len(said) < len(pairs):
        raise ValueError("a field is there twice")
    return said


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")
