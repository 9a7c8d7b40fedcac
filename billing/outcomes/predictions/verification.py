"""Verification of a prediction ledger: signatures, positions, links and times.

Pure for exported files, which need no database; `verify_chain` reads an account's records page by
page with the same checks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.outcomes.predictions.content import instant_text
from billing.outcomes.predictions.errors import LedgerFileInvalid
from billing.outcomes.predictions.ledger import get_chain, list_chain
from billing.outcomes.predictions.model_keys import key_json, list_keys
from billing.outcomes.predictions.tokens import (
    GENESIS,
    ParsedRecord,
    is_signed_by,
    jwk_public_key,
    parse_record,
)
from billing.tables import PredictionRecord
from infra import ids

FORMAT = 1
MAX_EXPORTED = 10_000
_PAGE = 500


class LedgerFile(msgspec.Struct, frozen=True, kw_only=True):
    """An exported part of an account's chain, from position `first`, with the keys that signed it.

    `previous` is the digest before the first record; `position` and `head` are the end of the chain
    when it was exported.
    """

    object: str
    format: int
    account: str
    first: int
    previous: str
    position: int
    head: str
    records: list[str]
    keys: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LedgerFault:
    """The first fault of a chain: the position of the record, and what is wrong with it."""

    position: int
    fault: str


@dataclass(frozen=True, slots=True)
class ChainState:
    """How far a chain has been verified: last position, its digest and time; keys by id."""

    account: str
    keys: Mapping[str, tuple[str, bytes]]
    position: int = 0
    head: str = GENESIS
    recorded_at: datetime | None = None
    fault: LedgerFault | None = field(default=None)


async def export_ledger(session: AsyncSession, account_id: UUID, after: int = 0) -> LedgerFile:
    """Return up to 10,000 records from position `after` + 1, as they are verified offline."""
    chain = await get_chain(session, account_id)
    after = min(after, chain.position)
    rows = await list_chain(session, account_id, max(after - 1, 0), MAX_EXPORTED + 1)
    before = rows[0].digest.hex() if after > 0 and rows else GENESIS
    exported = rows[1:] if after > 0 else rows[:MAX_EXPORTED]
    keys = await list_keys(session, {one.kid for one in exported})
    return LedgerFile(
        object="prediction_ledger",
        format=FORMAT,
        account=ids.format_id(ACCOUNT_ID_PREFIX, account_id),
        first=after + 1,
        previous=before,
        position=chain.position,
        head=chain.head.hex(),
        records=[one.token for one in exported],
        keys=[key_json(one) for one in keys],
    )


def parse_ledger_file(content: bytes) -> LedgerFile:
    """Parse an exported ledger. Raises LedgerFileInvalid."""
    try:
        file = msgspec.json.decode(content, type=LedgerFile)
    except msgspec.DecodeError:
        raise LedgerFileInvalid("The file is not an exported prediction ledger.") from None
    if file.object != "prediction_ledger" or file.format != FORMAT:
        raise LedgerFileInvalid(f"The file has another format; this version reads {FORMAT}.")
    return file


def verify_ledger_file(
    file: LedgerFile, keys: Iterable[Mapping[str, Any]] | None = None
) -> ChainState:
    """Verify an exported ledger; with `keys` (JWKs), trust those instead of the file's own.

    Raises LedgerFileInvalid if a key is malformed.
    """
    trusted = file.keys if keys is None else keys
    by_id = {str(one.get("kid")): (str(one.get("model")), jwk_public_key(one)) for one in trusted}
    state = ChainState(file.account, by_id, file.first - 1, file.previous)
    state = verify_records(state, file.records)
    complete = len(file.records) < MAX_EXPORTED
    if (
        state.fault is None
        and complete
        and (state.position, state.head)
        != (
            file.position,
            file.head,
        )
    ):
        return replace(state, fault=LedgerFault(file.position, "the stated end is another one"))
    return state


def verify_records(state: ChainState, tokens: Sequence[str]) -> ChainState:
    """Verify the next records of a chain; the result has the first fault, or the new end."""
    for token in tokens:
        try:
            record = parse_record(token)
        except LedgerFileInvalid as error:
            return _faulty(state, error.message)
        fault = _record_fault(state, record)
        if fault is not None:
            return _faulty(state, fault)
        state = replace(
            state,
            position=record.payload.position,
            head=record.digest,
            recorded_at=record.payload.recorded_at,
        )
    return state


async def verify_chain(session: AsyncSession, account_id: UUID) -> ChainState:
    """Verify all records of an account, and that its chain row names the last one."""
    keys = {one.kid: (one.model, one.public_key) for one in await list_keys(session)}
    state = ChainState(ids.format_id(ACCOUNT_ID_PREFIX, account_id), keys)
    while state.fault is None:
        rows = await list_chain(session, account_id, state.position, _PAGE)
        if not rows:
            break
        state = _verify_rows(state, rows)
        for row in rows:
            session.expunge(row)  # bounds memory on a long chain
    chain = await get_chain(session, account_id)
    if state.fault is None and (chain.position, chain.head.hex()) != (state.position, state.head):
        return _faulty(state, "a record at the end is missing")
    return state


def _verify_rows(state: ChainState, rows: Sequence[PredictionRecord]) -> ChainState:
    """Verify stored records: their tokens, and that the other columns repeat their payloads."""
    for row in rows:
        verified = verify_records(state, [row.token])
        if verified.fault is None and not _columns_agree(row):
            return _faulty(state, "its columns do not match its signed text")
        if verified.fault is not None:
            return verified
        state = verified
    return state


def _columns_agree(row: PredictionRecord) -> bool:
    """Return whether the columns of a stored record repeat its signed payload."""
    record = parse_record(row.token)
    payload, agent = record.payload, record.payload.agent
    stored = (row.position, row.subject, row.event, row.model, row.verdict, row.kid, row.agent)
    signed = (
        payload.position,
        payload.subject,
        payload.event,
        payload.basis.model,
        payload.verdict,
        record.kid,
        None if agent is None else agent.id,
    )
    times = all(
        instant_text(column) == instant_text(stated)
        for column, stated in (
            (row.recorded_at, payload.recorded_at),
            (row.horizon_from, payload.since),
            (row.horizon_to, payload.until),
        )
    )
    return stored == signed and times and row.digest.hex() == record.digest


def _record_fault(state: ChainState, record: ParsedRecord) -> str | None:
    """Return the first fault of the next record, or None."""
    payload = record.payload
    if payload.account != state.account:
        return "it belongs to another account"
    if payload.position != state.position + 1:
        return "a record is missing before it"
    if payload.previous != state.head:
        return "it does not follow the record before it"
    if state.recorded_at is not None and payload.recorded_at < state.recorded_at:
        return "it is older than the record before it"
    model, public_key = state.keys.get(record.kid, ("", b""))
    if model != payload.basis.model:
        return "its key is not a published key of its model"
    return None if is_signed_by(record, public_key) else "its signature is not valid"


def _faulty(state: ChainState, fault: str) -> ChainState:
    """Return the state with a fault of the next record."""
    return replace(state, fault=LedgerFault(state.position + 1, fault))
