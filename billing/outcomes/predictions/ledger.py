"""The prediction ledger of an account: append signed records to its hash chain, and read them.

    record n = JWS of {content, position n, SHA-256 of record n - 1, time}

A batch is one transaction: all records or none. The account's chain row is locked while it is
extended, so positions have no gap. Times never decrease along the chain: a record that is made
while the clock is behind has the time of the record before it, which makes its lead shorter, never
longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.metering.usage import REQUEST_ID_PREFIX
from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.predictions.content import (
    NewPrediction,
    PredictionSource,
    content_digest,
    content_json,
    instant_text,
    sha256_hex,
    to_milliseconds,
    validate_prediction,
)
from billing.outcomes.predictions.errors import (
    PredictionConflict,
    PredictionInvalid,
    PredictionLate,
    PredictionNotFound,
)
from billing.outcomes.predictions.model_keys import ModelSigner, active_key
from billing.outcomes.predictions.tokens import GENESIS, sign_record
from billing.tables import PredictionChain, PredictionRecord, Settlement, Usage
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of
from infra.secrets.signing_key import SigningKey

MAX_BATCH = 100
_BILLABLE = [one.value for one in Settlement if one.billable]


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records a list contains; None does not limit."""

    subject: str | None = None
    event: str | None = None
    model: str | None = None
    agent: str | None = None
    verdict: str | None = None


async def append_predictions(
    session: AsyncSession,
    clock: Clock,
    signer: ModelSigner,
    account_id: UUID,
    predictions: Sequence[NewPrediction],
) -> list[PredictionRecord]:
    """Append up to 100 predictions in this order; returns their records, old ones of repeats.

    Raises PredictionInvalid, PredictionLate, PredictionConflict.
    """
    if not 0 < len(predictions) <= MAX_BATCH:
        raise PredictionInvalid(f"Send 1 to {MAX_BATCH} records.", param="records")
    for new in predictions:
        validate_prediction(new)
    await _require_calls(session, account_id, predictions)
    chain = await _lock_chain(session, account_id)
    known = await _find_by_keys(session, account_id, [one.idempotency_key for one in predictions])
    keys: dict[str, tuple[str, SigningKey]] = {}
    records = []
    for new in predictions:
        record = known.get(new.idempotency_key)
        if record is None:
            if new.basis.model not in keys:
                row, key = await active_key(session, clock, signer, new.basis.model)
                keys[new.basis.model] = row.kid, key
            record = _next_record(chain, new, clock.now(), *keys[new.basis.model])
            session.add(record)
            known[new.idempotency_key] = record
        elif record.content_digest != content_digest(new):
            raise PredictionConflict(
                f"The idempotency key {new.idempotency_key!r} was used for another prediction.",
                param="idempotency_key",
            )
        records.append(record)
    await session.flush()
    return records


async def get_record(session: AsyncSession, account_id: UUID, record_id: UUID) -> PredictionRecord:
    """Return one of the account's records. Raises PredictionNotFound."""
    record = await find_record(session, account_id, record_id)
    if record is None:
        raise PredictionNotFound("The account has no such prediction record.", param="record")
    return record


async def find_record(
    session: AsyncSession, account_id: UUID, record_id: UUID
) -> PredictionRecord | None:
    """Return one of the account's records, or None."""
    query = select(PredictionRecord).where(
        col(PredictionRecord.account_id) == account_id, col(PredictionRecord.id) == record_id
    )
    return (await session.scalars(query)).one_or_none()


async def list_records(
    session: AsyncSession,
    account_id: UUID,
    wanted: RecordFilter,
    limit: int,
    after: UUID | None = None,
) -> Sequence[PredictionRecord]:
    """List an account's records, newest first, after one if it is given."""
    query = _filtered(select(PredictionRecord), account_id, wanted)
    return (await session.scalars(page_of(query, col(PredictionRecord.id), limit, after))).all()


async def list_chain(
    session: AsyncSession, account_id: UUID, after: int, limit: int
) -> Sequence[PredictionRecord]:
    """List an account's records in the order of its chain, from position `after` + 1."""
    query = select(PredictionRecord).where(
        col(PredictionRecord.account_id) == account_id, col(PredictionRecord.position) > after
    )
    ordered = query.order_by(col(PredictionRecord.position)).limit(limit)
    return (await session.scalars(ordered)).all()


async def list_records_about(
    session: AsyncSession,
    account_id: UUID,
    wanted: RecordFilter,
    since: datetime,
    until: datetime,
    limit: int | None,
) -> Sequence[PredictionRecord]:
    """List records made before `until` whose horizon ends after `since`, in chain order."""
    query = _filtered(select(PredictionRecord), account_id, wanted).where(
        col(PredictionRecord.horizon_to) > since, col(PredictionRecord.recorded_at) < until
    )
    ordered = query.order_by(col(PredictionRecord.position)).limit(limit)
    return (await session.scalars(ordered)).all()


async def get_chain(session: AsyncSession, account_id: UUID) -> PredictionChain:
    """Return the end of the account's chain; position 0 if it has no records."""
    query = select(PredictionChain).where(col(PredictionChain.account_id) == account_id)
    row = (await session.scalars(query)).one_or_none()
    return row or PredictionChain(account_id=account_id, position=0, head=bytes.fromhex(GENESIS))


def _filtered(query: Select[Any], account_id: UUID, wanted: RecordFilter) -> Select[Any]:
    """Add the account and the filter to a query of records."""
    query = query.where(col(PredictionRecord.account_id) == account_id)
    for name in RecordFilter.__slots__:
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(col(getattr(PredictionRecord, name)) == value)
    return query


async def _lock_chain(session: AsyncSession, account_id: UUID) -> PredictionChain:
    """Lock the account's chain row, which the first append creates."""
    values = {"account_id": account_id, "position": 0, "head": bytes.fromhex(GENESIS)}
    await session.execute(insert(PredictionChain).values(**values).on_conflict_do_nothing())
    query = select(PredictionChain).where(col(PredictionChain.account_id) == account_id)
    locked = query.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(locked)).one()


async def _find_by_keys(
    session: AsyncSession, account_id: UUID, keys: Sequence[str]
) -> dict[str, PredictionRecord]:
    """Return the account's records with these idempotency keys, by key."""
    query = select(PredictionRecord).where(
        col(PredictionRecord.account_id) == account_id,
        col(PredictionRecord.idempotency_key).in_(keys),
    )
    return {one.idempotency_key: one for one in (await session.scalars(query)).all()}


async def _require_calls(
    session: AsyncSession, account_id: UUID, predictions: Sequence[NewPrediction]
) -> None:
    """Require every call of a basis to be a billable call of the account and the model.

    A record that a program of the account reports must name at least one. An agent's record may
    name calls of other models, such as a language model. Raises PredictionInvalid.
    """
    request_ids = {one for new in predictions for one in new.basis.request_ids}
    query = select(Usage.request_id, Usage.model).where(
        col(Usage.account_id) == account_id,
        col(Usage.request_id).in_(request_ids),
        col(Usage.settlement).in_(_BILLABLE),
    )
    rows = (await session.execute(query)).all() if request_ids else []
    models = {request_id: model for request_id, model in rows}
    for new in predictions:
        basis = new.basis
        if basis.source is PredictionSource.REPORTED and not basis.request_ids:
            raise PredictionInvalid(
                "request_ids: must name the call that predicted it.", param="request_ids"
            )
        for one in basis.request_ids:
            if one not in models:
                name = ids.format_id(REQUEST_ID_PREFIX, one)
                message = f"request_ids: the account has no successful call {name}."
                raise PredictionInvalid(message, param="request_ids")
        of_model = [one for one in basis.request_ids if models[one] == basis.model]
        if basis.request_ids and new.agent is None and len(of_model) < len(basis.request_ids):
            message = f"request_ids: must be calls of the model {basis.model}."
            raise PredictionInvalid(message, param="request_ids")


def _next_record(
    chain: PredictionChain, new: NewPrediction, now: datetime, kid: str, key: SigningKey
) -> PredictionRecord:
    """Return the next record of a locked chain, and advance the chain. Raises PredictionLate."""
    recorded_at = max(to_milliseconds(now), chain.recorded_at or to_milliseconds(now))
    if new.horizon_to <= recorded_at:
        raise PredictionLate(
            f"The horizon ends at {instant_text(new.horizon_to)}, before the record is made at "
            f"{instant_text(recorded_at)}.",
            param="to",
        )
    record_id = ids.new_id()
    payload = {
        **content_json(new),
        "id": ids.format_id(PREDICTION_PREFIX, record_id),
        "account": ids.format_id(ACCOUNT_ID_PREFIX, chain.account_id),
        "position": chain.position + 1,
        "previous": chain.head.hex(),
        "recorded_at": instant_text(recorded_at),
    }
    token = sign_record(payload, kid, key.sign)
    digest = bytes.fromhex(sha256_hex(token.encode()))
    chain.position, chain.head, chain.recorded_at = chain.position + 1, digest, recorded_at
    return PredictionRecord(
        id=record_id,
        account_id=chain.account_id,
        position=chain.position,
        idempotency_key=new.idempotency_key,
        content_digest=content_digest(new),
        subject=new.subject,
        event=new.event,
        model=new.basis.model,
        agent=None if new.agent is None else new.agent.id,
        verdict=new.verdict.value,
        horizon_from=new.horizon_from,
        horizon_to=new.horizon_to,
        recorded_at=recorded_at,
        kid=kid,
        token=token,
        digest=digest,
    )
