"""Kept answers: what makes a call with an Idempotency-Key happen once.

The key belongs to the account. It is taken before the call is sent. In the commit that bills the
call (billing/metering/usage_log.py) its answer is kept, for a day, or the key let go where there is
none.

A change of the account's own, which is one transaction, takes its key and keeps its answer in that.

Owns taking a key, keeping a change's answer and finding what a key gave.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import KeptAnswer, Usage

_KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Claim:
    """An account's key for one request: its body's hash tells a repetition from a mix-up."""

    account_id: UUID
    idempotency_key: str
    request_hash: bytes
    request_id: UUID
    process_id: UUID


async def take_key(session: AsyncSession, claim: Claim) -> KeptAnswer | None:
    """None where the key is now this call's; else what is known of the call that has it."""
    await _forget_over(session, claim)
    while not await _insert(session, claim):
        holder = await session.scalar(
            select(KeptAnswer).where(
                col(KeptAnswer.account_id) == claim.account_id,
                col(KeptAnswer.idempotency_key) == claim.idempotency_key,
            )
        )
        if holder is not None:
            return holder
        # It was let go between the two questions: then it can be had.
    return None


async def keep_answer(session: AsyncSession, claim: Claim, body: bytes) -> None:
    """The answer of a change, in the transaction that took its key."""
    await session.execute(
        update(KeptAnswer)
        .where(
            col(KeptAnswer.account_id) == claim.account_id,
            col(KeptAnswer.idempotency_key) == claim.idempotency_key,
        )
        .values(status=200, content_type="application/json", body=body)
    )


async def _insert(session: AsyncSession, claim: Claim) -> bool:
    row = {
        "account_id": claim.account_id,
        "idempotency_key": claim.idempotency_key,
        "request_hash": claim.request_hash,
        "request_id": claim.request_id,
        "process_id": claim.process_id,
        "expires_at": func.now() + _KEPT,
    }
    taken = await session.execute(
        insert(KeptAnswer)
        .values(row)
        .on_conflict_do_nothing(index_elements=["account_id", "idempotency_key"])
        .returning(col(KeptAnswer.request_id))
    )
    return taken.scalar_one_or_none() is not None


async def _forget_over(session: AsyncSession, claim: Claim) -> None:
    """Free the key of an answer whose day is over, and of a call that ended without one.

    The latter let go of its key itself, unless the commit that took it was heard of too late.
    """
    old = col(KeptAnswer.status).is_not(None) & (col(KeptAnswer.expires_at) < func.now())
    settled = select(Usage.request_id).where(
        col(Usage.account_id) == claim.account_id,
        col(Usage.request_id) == col(KeptAnswer.request_id),
    )
    ended = col(KeptAnswer.status).is_(None) & settled.exists()
    await session.execute(
        delete(KeptAnswer).where(
            col(KeptAnswer.account_id) == claim.account_id,
            col(KeptAnswer.idempotency_key) == claim.idempotency_key,
            or_(old, ended),
        )
    )
