"""Reaper of ended gateway processes: settles their open calls and returns their leases.

Open calls are settled as unknown, which is not billed. Unused leases are returned at once, except
those of rate limits, which are returned when their time window has passed. One transaction does
this and marks the process as ended, so that it happens once, and a process that was only slow can
write nothing afterwards (billing/metering/usage_log.py).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.usage import UsageRecord, insert_usage
from billing.rating.quantities import NO_USAGE
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
_MAX_WINDOW = timedelta(seconds=max(kind.window_s for kind in QuotaKind))
ENDED_PROCESSES = select(col(GatewayProcess.id)).where(col(GatewayProcess.ended_at).is_not(None))
"""Selects the ids of processes that have ended: what they held is free."""
_PROCESS_ENDED = "gateway_process_ended"
# Rows of ended processes are deleted after this time.
_PROCESS_RETENTION = timedelta(days=7)
# Gateways poll access changes twice a second; one that missed changes clears its whole cache.
_ACCESS_CHANGE_RETENTION = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ReapedProcess:
    """A process that was marked as ended, with the number of its calls settled as unknown."""

    process_id: UUID
    unknown_calls: int


async def reap_expired_process(session: AsyncSession, now: datetime) -> ReapedProcess | None:
    """Mark one expired process as ended and clean up after it; None if no process has expired."""
    query = (
        select(GatewayProcess)
        .where(col(GatewayProcess.ended_at).is_(None), col(GatewayProcess.expires_at) < func.now())
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    process = (await session.scalars(query)).one_or_none()
    return None if process is None else await _reap(session, process, now)


async def end_process(
    session: AsyncSession, process_id: UUID, now: datetime
) -> ReapedProcess | None:
    """Mark a stopping process as ended and clean up after it; None if it was ended already."""
    query = (
        select(GatewayProcess)
        .where(col(GatewayProcess.id) == process_id, col(GatewayProcess.ended_at).is_(None))
        .with_for_update()
    )
    process = (await session.scalars(query)).one_or_none()
    return None if process is None else await _reap(session, process, now)


async def settle_replaced_call(
    session: AsyncSession, account_id: UUID, request_id: UUID, now: datetime, error_code: str
) -> None:
    """Settle an account's call as unknown if it is still open, because another one replaces it.

    The process that made it may be alive and about to write its usage row. The row that is inserted
    first counts: a later one is neither stored nor charged (billing/metering/usage_log.py).
    """
    query = select(Intent).where(
        col(Intent.request_id) == request_id, col(Intent.account_id) == account_id
    )
    intent = (await session.scalars(query)).one_or_none()
    if intent is None:
        return
    # The usage row before the intent, as the usage writer does, so that locks never form a cycle.
    await insert_usage(session, [_unknown_usage_record(intent, now, error_code)])
    await session.execute(delete(Intent).where(col(Intent.request_id) == request_id))


async def delete_expired_rows(session: AsyncSession) -> None:
    """Free leases of long-ended processes; delete expired responses, changes and processes."""
    ended = select(GatewayProcess.id).where(col(GatewayProcess.ended_at) < func.now() - _MAX_WINDOW)
    await _return_leases(session, col(QuotaLease.process_id).in_(ended))
    await session.execute(delete(KeptAnswer).where(col(KeptAnswer.expires_at) < func.now()))
    outdated = col(AccessChange.at) < func.now() - _ACCESS_CHANGE_RETENTION
    await session.execute(delete(AccessChange).where(outdated))
    leases = select(QuotaLease.process_id)
    await session.execute(
        delete(GatewayProcess).where(
            col(GatewayProcess.ended_at) < func.now() - _PROCESS_RETENTION,
            col(GatewayProcess.id).not_in(leases),
        )
    )


async def _reap(session: AsyncSession, process: GatewayProcess, now: datetime) -> ReapedProcess:
    """Return leases, settle open calls, release idempotency keys and mark the process as ended."""
    without_window = select(Quota.id).where(col(Quota.kind).not_in(_WINDOW_KINDS))
    await _return_leases(
        session,
        col(QuotaLease.process_id) == process.id,
        col(QuotaLease.quota_id).in_(without_window),
    )
    unknown = await _settle_open_calls(session, process.id, now)
    await session.execute(
        delete(KeptAnswer).where(
            col(KeptAnswer.process_id) == process.id, col(KeptAnswer.status).is_(None)
        )
    )
    # The database's clock, as for all times that this one is compared with.
    await session.execute(
        update(GatewayProcess)
        .where(col(GatewayProcess.id) == process.id)
        .values(ended_at=func.now())
    )
    return ReapedProcess(process.id, unknown)


async def _return_leases(session: AsyncSession, *conditions: object) -> None:
    """Delete leases that match the SQL conditions; count used units in quotas, free the rest."""
    leased = select(QuotaLease.quota_id).where(*conditions)  # type: ignore[arg-type]
    query = select(Quota).where(col(Quota.id).in_(leased)).order_by(col(Quota.id)).with_for_update()
    quotas = {quota.id: quota for quota in await session.scalars(query)}
    if not quotas:
        return
    leases = select(QuotaLease).where(*conditions)  # type: ignore[arg-type]
    for lease in await session.scalars(leases):
        quota = quotas[lease.quota_id]
        quota.used += lease.used - lease.folded
        quota.leased -= lease.borrowed - lease.folded
        await session.delete(lease)
    await session.flush()


async def _settle_open_calls(session: AsyncSession, process_id: UUID, now: datetime) -> int:
    """Write unknown usage for all open calls of a process; return their number."""
    query = select(Intent).where(col(Intent.process_id) == process_id)
    intents = (await session.scalars(query)).all()
    if intents:
        records = [_unknown_usage_record(intent, now, _PROCESS_ENDED) for intent in intents]
        await insert_usage(session, records)
        await session.execute(delete(Intent).where(col(Intent.process_id) == process_id))
    return len(intents)


def _unknown_usage_record(intent: Intent, now: datetime, error_code: str) -> UsageRecord:
    """Return the usage record of an open call whose end is unknown: no usage, no cost."""
    return UsageRecord(
        request_id=intent.request_id,
        account_id=intent.account_id,
        key_id=intent.key_id,
        operation=intent.operation,
        model=intent.model,
        streamed=intent.streamed,
        settlement=Settlement.UNKNOWN,
        status=500,
        error_code=error_code,
        quantities=NO_USAGE,
        cost_nano=0,
        currency=intent.currency,
        started_at=intent.started_at,
        duration_us=max(0, round((now - intent.started_at).total_seconds() * 1e6)),
        first_chunk_us=None,
        parent_id=intent.parent_id,
        project_id=intent.project_id,
    )
