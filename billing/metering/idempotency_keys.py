"""Idempotency keys: claims of an account's keys and the stored responses to replay.

A key is claimed before the call is sent to the model. The transaction that writes the usage row
(billing/metering/usage_log.py) stores the response for a day, or releases the key if there is no
response. A change of account data claims its key and stores its response in its own transaction.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import KeptAnswer, Usage

_RETENTION = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """A request's claim of an idempotency key.

    `request_hash` is the hash of the body: a different hash means that the key was reused for
    another request.
    """

    account_id: UUID
    idempotency_key: str
    request_hash: bytes
    request_id: UUID
    process_id: UUID


async def claim_key(session: AsyncSession, claim: IdempotencyClaim) -> KeptAnswer | None:
    """Claim the key. Returns None if claimed, else the row of the call that holds the key."""
    await _release_expired(session, claim)
    while not await _insert_claim(session, claim):
        existing = await session.scalar(
            select(KeptAnswer).where(
                col(KeptAnswer.account_id) == claim.account_id,
                col(KeptAnswer.idempotency_key) == claim.idempotency_key,
            )
        )
        if existing is not None:
            return existing
        # The key was released between the two queries, so the next insert can succeed.
    return None


async def store_response(session: AsyncSession, claim: IdempotencyClaim, body: bytes) -> None:
    """Store the JSON response of a changing request, in the transaction that claimed the key."""
    await session.execute(
        update(KeptAnswer)
        .where(
            col(KeptAnswer.account_id) == claim.account_id,
            col(KeptAnswer.idempotency_key) == claim.idempotency_key,
        )
        .values(status=200, content_type="application/json", body=body)
    )


async def _insert_claim(session: AsyncSession, claim: IdempotencyClaim) -> bool:
    """Insert the claim of an idempotency key; return False if the key is taken."""
    row = {
        "account_id": claim.account_id,
        "idempotency_key": claim.idempotency_key,
        "request_hash": claim.request_hash,
        "request_id": claim.request_id,
        "process_id": claim.process_id,
        "expires_at": func.now() + _RETENTION,
    }
    inserted = await session.execute(
        insert(KeptAnswer)
        .values(row)
        .on_conflict_do_nothing(index_elements=["account_id", "idempotency_key"])
        .returning(col(KeptAnswer.request_id))
    )
    return inserted.scalar_one_or_none() is not None


async def _release_expired(session: AsyncSession, claim: IdempotencyClaim) -> None:
    """Release the key if its response expired, or if its call ended without a response.

    A call releases its own key, unless the commit that claimed the key arrived too late.
    """
    expired = col(KeptAnswer.status).is_not(None) & (col(KeptAnswer.expires_at) < func.now())
    settled = select(Usage.request_id).where(
        col(Usage.account_id) == claim.account_id,
        col(Usage.request_id) == col(KeptAnswer.request_id),
    )
    ended = col(KeptAnswer.status).is_(None) & settled.exists()
    await session.execute(
        delete(KeptAnswer).where(
            col(KeptAnswer.account_id) == claim.account_id,
            col(KeptAnswer.idempotency_key) == claim.idempotency_key,
            or_(expired, ended),
        )
    )
