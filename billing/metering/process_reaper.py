"""Reaping: what becomes of the calls and holdings of a gateway process that has ended.

Its open calls are settled as unknown, which bills nothing and is reported; what it had borrowed
and not used goes back, at once or, for rates, when the last use is a minute ago. All of it in one
transaction that marks the process as ended, so that it happens once and a process that was only
slow finds that it has nothing any more (billing/metering/usage_log.py).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.usage import UsageRecord, append_usage
from billing.rating.quantities import NOTHING
from billing.tables import (
    AccessChange,
    GatewayProcess,
    Intent,
    KeptAnswer,
    Quota,
    QuotaKind,
    QuotaLease,
    Settlement,
)

_WINDOW_KINDS = tuple(kind.value for kind in QuotaKind if kind.window_s)
_WINDOW = timedelta(seconds=max(kind.window_s for kind in QuotaKind))
# Processes that ended are of no use to anybody after a while.
_REMEMBERED = timedelta(days=7)
# Gateways read what changed twice a second; one that could not for so long forgets everything.
_SEEN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that was ended, and how many of its calls are settled as unknown."""

    process_id: UUID
    unknown: int


async def reap_one(session: AsyncSession, now: datetime) -> Ended | None:
    """End one process that has not been heard of in time; None where there is none."""
    query = (
        select(GatewayProcess)
        .where(col(GatewayProcess.ended_at).is_(None), col(GatewayProcess.expires_at) < func.now())
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    process = (await session.scalars(query)).one_or_none()
    return None if process is None else await _end(session, process, now)


async def end_process(session: AsyncSession, process_id: UUID, now: datetime) -> Ended | None:
    """The same for one that stops by itself; None where it is ended already."""
    query = (
        select(GatewayProcess)
        .where(col(GatewayProcess.id) == process_id, col(GatewayProcess.ended_at).is_(None))
        .with_for_update()
    )
    process = (await session.scalars(query)).one_or_none()
    return None if process is None else await _end(session, process, now)


async def tidy(session: AsyncSession) -> None:
    """Take back rates of processes that ended a minute ago, and forget what is long over."""
    over = select(GatewayProcess.id).where(col(GatewayProcess.ended_at) < func.now() - _WINDOW)
    await _take_back(session, col(QuotaLease.process_id).in_(over))
    await session.execute(delete(KeptAnswer).where(col(KeptAnswer.expires_at) < func.now()))
    seen = col(AccessChange.at) < func.now() - _SEEN
    await session.execute(delete(AccessChange).where(seen))
    leases = select(QuotaLease.process_id)
    await session.execute(
        delete(GatewayProcess).where(
            col(GatewayProcess.ended_at) < func.now() - _REMEMBERED,
            col(GatewayProcess.id).not_in(leases),
        )
    )


async def _end(session: AsyncSession, process: GatewayProcess, now: datetime) -> Ended:
    lasting = select(Quota.id).where(col(Quota.kind).not_in(_WINDOW_KINDS))
    await _take_back(
        session, col(QuotaLease.process_id) == process.id, col(QuotaLease.quota_id).in_(lasting)
    )
    unknown = await _settle_open_calls(session, process.id, now)
    await session.execute(
        delete(KeptAnswer).where(
            col(KeptAnswer.process_id) == process.id, col(KeptAnswer.status).is_(None)
        )
    )
    # By the database's clock, as all that is compared with it.
    await session.execute(
        update(GatewayProcess)
        .where(col(GatewayProcess.id) == process.id)
        .values(ended_at=func.now())
    )
    return Ended(process.id, unknown)


async def _take_back(session: AsyncSession, *which: object) -> None:
    found = select(QuotaLease.quota_id).where(*which)  # type: ignore[arg-type]
    query = select(Quota).where(col(Quota.id).in_(found)).order_by(col(Quota.id)).with_for_update()
    quotas = {quota.id: quota for quota in await session.scalars(query)}
    for lease in await session.scalars(select(QuotaLease).where(*which)):  # type: ignore[arg-type]
        quota = quotas[lease.quota_id]
        quota.used += lease.used - lease.folded
        quota.leased -= lease.borrowed - lease.folded
        await session.delete(lease)
    await session.flush()


async def _settle_open_calls(session: AsyncSession, process_id: UUID, now: datetime) -> int:
    query = select(Intent).where(col(Intent.process_id) == process_id)
    intents = (await session.scalars(query)).all()
    if intents:
        await append_usage(session, [_unknown(intent, now) for intent in intents])
        await session.execute(delete(Intent).where(col(Intent.process_id) == process_id))
    return len(intents)


def _unknown(intent: Intent, now: datetime) -> UsageRecord:
    return UsageRecord(
        request_id=intent.request_id,
        account_id=intent.account_id,
        key_id=intent.key_id,
        operation=intent.operation,
        model=intent.model,
        streamed=intent.streamed,
        settlement=Settlement.UNKNOWN,
        status=500,
        error_code="gateway_process_ended",
        quantities=NOTHING,
        cost_nano=0,
        currency=intent.currency,
        started_at=intent.started_at,
        duration_us=max(0, round((now - intent.started_at).total_seconds() * 1e6)),
        first_chunk_us=None,
        parent_id=intent.parent_id,
    )
