"""Quota leases: units of a quota borrowed by a gateway process, exact across processes and hosts.

A process borrows units and grants them to calls locally. Every change locks the quota's row, so
used and leased units together never exceed the limit. Snapshots report absolute counts of the
process, so a change whose commit result was lost becomes visible with the next one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import GatewayProcess, Quota, QuotaKind, QuotaLease
from infra.database.direct import DirectConnection
from infra.frozen import frozen_dataclass

# A process prefetches at most 1/32 of the free units. So a quota near its limit is lent call by
# call, and few units lie idle in other processes.
_PREFETCH_DIVISOR = 32
_NO_LIMIT = 10**18


@dataclass(frozen=True, slots=True)
class LeaseChange:
    """A requested change of one lease.

    First, `returned_units` unused units go back to the quota. `needs` are the demands of waiting
    calls, each as (maximum, minimum) units; `prefetch_units` are borrowed ahead of need. `close`
    ends the lease: all unused units are returned, so no running call may hold any.
    """

    returned_units: int = 0
    needs: tuple[tuple[int, int], ...] = ()
    prefetch_units: int = 0
    close: bool = False


@frozen_dataclass(frozen=True, slots=True)
class QuotaSnapshot:
    """The state of a quota, read by one process.

    `consumed` are units used by settled calls of all processes. `borrowed` are all units that this
    process ever borrowed with this lease, `used` the part of them used by its settled calls.
    `leased_elsewhere` are unused units leased by other processes. `recalls` counts the requests to
    return unused leases.
    """

    amount: int | None
    consumed: int
    borrowed: int
    leased_elsewhere: int
    recalls: int
    used: int


class _LeaseUsage(NamedTuple):
    """The used units of one quota's leases.

    `unfolded` are units of all processes that are not yet added to the quota's own count, `used`
    the units used by one process.
    """

    unfolded: int
    used: int


_NO_USAGE = _LeaseUsage(0, 0)


def units_to_lend(free: int, change: LeaseChange) -> int:
    """Return how many of the free units to lend for a lease change.

    Calls get their maximum in order. A call whose maximum does not fit gets all remaining units if
    its minimum fits. Units that no call can use stay with the quota for other processes.
    """
    remaining = max(free, 0)
    for maximum, minimum in change.needs:
        if maximum <= remaining:
            remaining -= maximum
        elif minimum <= remaining:
            remaining = 0
    return max(free, 0) - remaining + min(change.prefetch_units, remaining // _PREFETCH_DIVISOR)


async def register_process(
    session: AsyncSession, process_id: UUID, host: str, pid: int, ttl_s: float
) -> None:
    """Register a gateway process, alive for `ttl_s` seconds from now by the database's clock.

    Idempotent, because a commit whose result was lost is retried.
    """
    now = func.now()
    ttl = timedelta(seconds=ttl_s)
    await session.execute(
        insert(GatewayProcess)
        .values(id=process_id, host=host, pid=pid, started_at=now, expires_at=now + ttl)
        .on_conflict_do_nothing()
    )


_RENEW = """
    with renewed as (
        update gateway_process set expires_at = now() + make_interval(secs => %(ttl)s)
        where id = %(process)s and ended_at is null returning id
    )
    select exists(select from renewed), exists(
        select from gateway_process
        where id <> %(process)s and ended_at is null and expires_at < now()
    )
"""


async def renew_process(
    connection: DirectConnection, process_id: UUID, ttl_s: float
) -> tuple[bool, bool]:
    """Extend the registration of a process by `ttl_s` seconds from now.

    Returns (renewed, whether another process has expired). Not renewed means that the process has
    been marked as ended and its leases were returned.
    """
    rows = await connection.statement(_RENEW, {"process": process_id, "ttl": ttl_s})
    return bool(rows[0][0]), bool(rows[0][1])


async def change_leases(
    session: AsyncSession, process_id: UUID, changes: Mapping[str, LeaseChange]
) -> dict[str, QuotaSnapshot]:
    """Apply lease changes of a process, by quota id; return the quotas' new snapshots by id.

    Raises ProcessEnded if the process has been marked as ended and may not hold leases.
    """
    await _require_alive(session, process_id)
    quota_ids = [UUID(quota_id) for quota_id in changes]
    quotas = await _lock_quotas(session, quota_ids)
    leases = await _find_leases(session, process_id, quota_ids)
    lease_usage = await _sum_lease_usage(session, quota_ids, process_id)
    snapshots: dict[str, QuotaSnapshot] = {}
    for quota in quotas:
        lease = leases.get(quota.id) or QuotaLease(
            process_id=process_id, quota_id=quota.id, borrowed=0, used=0, folded=0
        )
        change = changes[str(quota.id)]
        snapshots[str(quota.id)] = _apply_change(
            quota, lease, change, lease_usage.get(quota.id, _NO_USAGE)
        )
        if not change.close:
            session.add(lease)
        elif quota.id in leases:
            await session.delete(lease)
    await session.flush()
    return snapshots


_SELECT_SNAPSHOTS = """
    select q.id::text, q.amount,
           (q.used + l.unfolded)::bigint, l.own_borrowed::bigint,
           (q.leased - l.own_leased - l.others_unfolded)::bigint,
           q.recalls, l.own_used::bigint
    from quota q cross join lateral (
        select coalesce(sum(used - folded), 0) as unfolded,
               coalesce(sum(borrowed) filter (where process_id = %(process)s), 0) as own_borrowed,
               coalesce(sum(borrowed - folded) filter (where process_id = %(process)s), 0)
                   as own_leased,
               coalesce(sum(used - folded) filter (where process_id <> %(process)s), 0)
                   as others_unfolded,
               coalesce(sum(used) filter (where process_id = %(process)s), 0) as own_used
        from quota_lease where quota_id = q.id
    ) l
    where q.id = any(%(quotas)s::uuid[])
"""


async def read_quota_snapshots(
    connection: DirectConnection, process_id: UUID, quota_ids: Sequence[str]
) -> dict[str, QuotaSnapshot]:
    """Read the snapshots of quotas by id without locks, in one cheap statement: polled often."""
    values = {"process": process_id, "quotas": list(quota_ids)}
    rows = await connection.statement(_SELECT_SNAPSHOTS, values)
    return {quota_id: QuotaSnapshot(*columns) for quota_id, *columns in rows}


async def remaining_credit(session: AsyncSession, account_id: UUID) -> int | None:
    """Return the account's remaining credit in nano-units, ignoring running calls.

    Returns None if the account has no credit limit.
    """
    query = select(Quota).where(
        col(Quota.account_id) == account_id, col(Quota.kind) == QuotaKind.CREDIT.value
    )
    quota = (await session.scalars(query)).one_or_none()
    if quota is None or quota.amount is None:
        return None
    lease_usage = await _sum_lease_usage(session, [quota.id])
    return quota.amount - quota.used - lease_usage.get(quota.id, _NO_USAGE).unfolded


async def recall_leases(session: AsyncSession, quota_ids: Sequence[str]) -> None:
    """Request that all processes return their unused leases of these quotas."""
    for quota_id in sorted(quota_ids):
        await session.execute(
            update(Quota)
            .where(col(Quota.id) == UUID(quota_id))
            .values(recalls=col(Quota.recalls) + 1)
        )


class ProcessEnded(Exception):
    """The process has been marked as ended and its leases were returned to the quotas."""


async def _require_alive(session: AsyncSession, process_id: UUID) -> None:
    """Raise ProcessEnded unless the process is running; lock its row against the reaper."""
    alive = (
        select(GatewayProcess.id)
        .where(col(GatewayProcess.id) == process_id, col(GatewayProcess.ended_at).is_(None))
        .with_for_update(key_share=True, read=True)
    )
    if (await session.execute(alive)).scalar_one_or_none() is None:
        raise ProcessEnded


async def _lock_quotas(session: AsyncSession, quota_ids: Sequence[UUID]) -> list[Quota]:
    """Lock quotas for update, ordered by id."""
    # Quotas are locked in the order of their ids everywhere, which prevents deadlocks.
    query = (
        select(Quota).where(col(Quota.id).in_(quota_ids)).order_by(col(Quota.id)).with_for_update()
    )
    return list((await session.scalars(query)).all())


async def _find_leases(
    session: AsyncSession, process_id: UUID, quota_ids: Sequence[UUID]
) -> dict[UUID, QuotaLease]:
    """Return the process's leases by quota id."""
    query = select(QuotaLease).where(
        col(QuotaLease.process_id) == process_id, col(QuotaLease.quota_id).in_(quota_ids)
    )
    return {lease.quota_id: lease for lease in await session.scalars(query)}


async def _sum_lease_usage(
    session: AsyncSession, quota_ids: Sequence[UUID], process_id: UUID | None = None
) -> dict[UUID, _LeaseUsage]:
    """Sum used units of leases by quota: all not yet added to the quota, and the process's own.

    One statement reads both sums, because calls are recorded concurrently: a call that only
    `unfolded` included would be attributed to another process and counted twice.
    """
    unfolded = func.sum(QuotaLease.used - QuotaLease.folded)
    own_used = func.sum(QuotaLease.used).filter(col(QuotaLease.process_id) == process_id)
    query = (
        select(QuotaLease.quota_id, unfolded, func.coalesce(own_used, 0))
        .where(col(QuotaLease.quota_id).in_(quota_ids))
        .group_by(col(QuotaLease.quota_id))
    )
    rows = (await session.execute(query)).all()
    return {quota_id: _LeaseUsage(int(total), int(used)) for quota_id, total, used in rows}


def _apply_change(
    quota: Quota, lease: QuotaLease, change: LeaseChange, lease_usage: _LeaseUsage
) -> QuotaSnapshot:
    """Apply a change to a locked quota and its lease; return the new snapshot."""
    fold = lease.used - lease.folded
    quota.used += fold
    quota.leased -= fold
    lease.folded = lease.used
    # Used units cannot be returned, whatever was requested.
    unused = lease.borrowed - lease.used
    returned = unused if change.close else min(change.returned_units, unused)
    moved = units_to_lend(_free_units(quota) + returned, change) - returned
    quota.leased += moved
    lease.borrowed += moved
    return _snapshot(quota, lease, _LeaseUsage(lease_usage.unfolded - fold, lease_usage.used))


def _free_units(quota: Quota) -> int:
    """Return the units of a quota that are neither used nor leased."""
    return _NO_LIMIT if quota.amount is None else quota.amount - quota.used - quota.leased


def _snapshot(quota: Quota, lease: QuotaLease, lease_usage: _LeaseUsage) -> QuotaSnapshot:
    """Build the snapshot of a quota for the process that holds the lease."""
    others_unfolded = lease_usage.unfolded - (lease_usage.used - lease.folded)
    return QuotaSnapshot(
        amount=quota.amount,
        consumed=quota.used + lease_usage.unfolded,
        borrowed=lease.borrowed,
        leased_elsewhere=quota.leased - (lease.borrowed - lease.folded) - others_unfolded,
        recalls=quota.recalls,
        used=lease_usage.used,
    )
