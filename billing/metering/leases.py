"""Leases: what each gateway process has of each quota, exact across processes and hosts.

A process borrows units of a quota and then gives them out by itself. Every change locks the
quota's row, so the sum of what all processes have and of what is used never passes the limit.
What a process has is known by absolute counts of its own, so a change whose commit went unheard
shows at the next one.

Owns the processes' rows, borrowing, giving back, and taking back what the dead held.
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

# Of what is free, one process takes at most this part ahead of need; so a quota that is near its
# limit is lent call by call, and little lies idle elsewhere.
_SHARE = 32
_NO_LIMIT = 10**18


@dataclass(frozen=True, slots=True)
class Wish:
    """A change of one lease.

    `surplus` units go back first. `needs` are the units of calls that wait, each as (all that it
    can use, the least that it can do with); `extra` is wanted ahead of need. With `end` the lease
    is over: all that is not used goes back, and nothing of it may be held.
    """

    surplus: int = 0
    needs: tuple[tuple[int, int], ...] = ()
    extra: int = 0
    end: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A quota as all see it.

    `spent` counts settled calls of all processes, `borrowed` is what this process has taken in
    all, `elsewhere` what other processes have and their settled calls have not used. `used` is the
    part of `borrowed` that this process's settled calls have used, as the database knows it.
    """

    amount: int | None
    spent: int
    borrowed: int
    elsewhere: int
    recalls: int
    used: int


class _Counted(NamedTuple):
    """Of one quota: what all processes have used and is not folded, and what this one has used."""

    unfolded: int
    used: int


_NOTHING_COUNTED = _Counted(0, 0)


def grant(free: int, wish: Wish) -> int:
    """How many units of those free to lend.

    Calls get all they can use, in their order; the first that cannot may have what is left, if
    that is enough for it. What is of use to none stays with the quota, for other processes.
    """
    left = max(free, 0)
    for most, least in wish.needs:
        if most <= left:
            left -= most
        elif least <= left:
            left = 0
    return max(free, 0) - left + min(wish.extra, left // _SHARE)


async def register(
    session: AsyncSession, process_id: UUID, host: str, pid: int, ttl_s: float
) -> None:
    """Make a process known; it is alive for `ttl_s` from now, by the database's clock.

    Twice is once: a commit whose answer was lost is tried again.
    """
    now = func.now()
    ttl = timedelta(seconds=ttl_s)
    await session.execute(
        insert(GatewayProcess)
        .values(id=process_id, host=host, pid=pid, started_at=now, expires_at=now + ttl)
        .on_conflict_do_nothing()
    )


_RENEW = """
    with mine as (
        update gateway_process set expires_at = now() + make_interval(secs => %(ttl)s)
        where id = %(process)s and ended_at is null returning id
    )
    select exists(select from mine), exists(
        select from gateway_process
        where id <> %(process)s and ended_at is null and expires_at < now()
    )
"""


async def renew(connection: DirectConnection, process_id: UUID, ttl_s: float) -> tuple[bool, bool]:
    """Stay alive. Gives whether that was in time, and whether some other process was not.

    Where it was too late, what was held has been taken back.
    """
    rows = await connection.statement(_RENEW, {"process": process_id, "ttl": ttl_s})
    return bool(rows[0][0]), bool(rows[0][1])


async def change_leases(
    session: AsyncSession, process_id: UUID, wishes: Mapping[str, Wish]
) -> dict[str, Standing]:
    """Lend and take back; gives how each quota stands afterwards.

    Raises ProcessEnded where the process is taken for dead: then it may have nothing.
    """
    await _require_alive(session, process_id)
    quota_ids = [UUID(quota_id) for quota_id in wishes]
    quotas = await _lock(session, quota_ids)
    leases = await _leases(session, process_id, quota_ids)
    counted = await _counted(session, quota_ids, process_id)
    standings: dict[str, Standing] = {}
    for quota in quotas:
        lease = leases.get(quota.id) or QuotaLease(
            process_id=process_id, quota_id=quota.id, borrowed=0, used=0, folded=0
        )
        wish = wishes[str(quota.id)]
        standings[str(quota.id)] = _change(
            quota, lease, wish, counted.get(quota.id, _NOTHING_COUNTED)
        )
        if not wish.end:
            session.add(lease)
        elif quota.id in leases:
            await session.delete(lease)
    await session.flush()
    return standings


_STANDINGS = """
    select q.id::text, q.amount,
           (q.used + l.unfolded)::bigint, l.mine::bigint, (q.leased - l.with_us - l.theirs)::bigint,
           q.recalls, l.used_here::bigint
    from quota q cross join lateral (
        select coalesce(sum(used - folded), 0) as unfolded,
               coalesce(sum(borrowed) filter (where process_id = %(process)s), 0) as mine,
               coalesce(sum(borrowed - folded) filter (where process_id = %(process)s), 0)
                   as with_us,
               coalesce(sum(used - folded) filter (where process_id <> %(process)s), 0) as theirs,
               coalesce(sum(used) filter (where process_id = %(process)s), 0) as used_here
        from quota_lease where quota_id = q.id
    ) l
    where q.id = any(%(quotas)s::uuid[])
"""


async def read_standings(
    connection: DirectConnection, process_id: UUID, quotas: Sequence[str]
) -> dict[str, Standing]:
    """How quotas stand, without locking them. Often asked, so in one cheap statement."""
    values = {"process": process_id, "quotas": list(quotas)}
    rows = await connection.statement(_STANDINGS, values)
    return {quota_id: Standing(*standing) for quota_id, *standing in rows}


async def credit_left(session: AsyncSession, account_id: UUID) -> int | None:
    """What an account may still spend, in nano-units, running calls not counted; None: all."""
    query = select(Quota).where(
        col(Quota.account_id) == account_id, col(Quota.kind) == QuotaKind.CREDIT.value
    )
    quota = (await session.scalars(query)).one_or_none()
    if quota is None or quota.amount is None:
        return None
    counted = await _counted(session, [quota.id])
    return quota.amount - quota.used - counted.get(quota.id, _NOTHING_COUNTED).unfolded


async def recall(session: AsyncSession, quota_ids: Sequence[str]) -> None:
    """Ask all processes to give back what they do not need of these quotas."""
    for quota_id in sorted(quota_ids):
        await session.execute(
            update(Quota)
            .where(col(Quota.id) == UUID(quota_id))
            .values(recalls=col(Quota.recalls) + 1)
        )


class ProcessEnded(Exception):
    """The process was taken for dead; what it held has been given to others."""


async def _require_alive(session: AsyncSession, process_id: UUID) -> None:
    alive = (
        select(GatewayProcess.id)
        .where(col(GatewayProcess.id) == process_id, col(GatewayProcess.ended_at).is_(None))
        .with_for_update(key_share=True, read=True)
    )
    if (await session.execute(alive)).scalar_one_or_none() is None:
        raise ProcessEnded


async def _lock(session: AsyncSession, quota_ids: Sequence[UUID]) -> list[Quota]:
    # In the order of ids, as everywhere: two processes that want the same two never wait in a ring.
    query = (
        select(Quota).where(col(Quota.id).in_(quota_ids)).order_by(col(Quota.id)).with_for_update()
    )
    return list((await session.scalars(query)).all())


async def _leases(
    session: AsyncSession, process_id: UUID, quota_ids: Sequence[UUID]
) -> dict[UUID, QuotaLease]:
    query = select(QuotaLease).where(
        col(QuotaLease.process_id) == process_id, col(QuotaLease.quota_id).in_(quota_ids)
    )
    return {lease.quota_id: lease for lease in await session.scalars(query)}


async def _counted(
    session: AsyncSession, quota_ids: Sequence[UUID], process_id: UUID | None = None
) -> dict[UUID, _Counted]:
    """What processes have used of quotas. One statement, as calls are recorded meanwhile: one that
    `unfolded` has and `used` has not would look like another process's, and count twice there."""
    unfolded = func.sum(QuotaLease.used - QuotaLease.folded)
    own = func.sum(QuotaLease.used).filter(col(QuotaLease.process_id) == process_id)
    query = (
        select(QuotaLease.quota_id, unfolded, func.coalesce(own, 0))
        .where(col(QuotaLease.quota_id).in_(quota_ids))
        .group_by(col(QuotaLease.quota_id))
    )
    rows = (await session.execute(query)).all()
    return {quota_id: _Counted(int(total), int(mine)) for quota_id, total, mine in rows}


def _change(quota: Quota, lease: QuotaLease, wish: Wish, counted: _Counted) -> Standing:
    fold = lease.used - lease.folded
    quota.used += fold
    quota.leased -= fold
    lease.folded = lease.used
    # What was borrowed and is used cannot come back, whatever the wish.
    unused = lease.borrowed - lease.used
    back = unused if wish.end else min(wish.surplus, unused)
    moved = grant(_free(quota) + back, wish) - back
    quota.leased += moved
    lease.borrowed += moved
    return _standing(quota, lease, _Counted(counted.unfolded - fold, counted.used))


def _free(quota: Quota) -> int:
    return _NO_LIMIT if quota.amount is None else quota.amount - quota.used - quota.leased


def _standing(quota: Quota, lease: QuotaLease, counted: _Counted) -> Standing:
    theirs = counted.unfolded - (counted.used - lease.folded)
    return Standing(
        amount=quota.amount,
        spent=quota.used + counted.unfolded,
        borrowed=lease.borrowed,
        elsewhere=quota.leased - (lease.borrowed - lease.folded) - theirs,
        recalls=quota.recalls,
        used=counted.used,
    )
