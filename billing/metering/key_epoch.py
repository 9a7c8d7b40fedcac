"""The access epoch: how gateways learn that what they remember of keys and limits has changed.

Owns counting it up, whose the changes were, and reading both. Whoever changes a key or a limit
counts it up in the same transaction; see AccessEpoch for why that is enough. Each gateway process
acknowledges the count up to which it has applied all changes, so that others can wait for it.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Uuid, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.tables import AccessChange, AccessEpoch, GatewayProcess
from infra.database.direct import DirectConnection

# Of more changes it is cheaper to forget all that is remembered than to read whose they were.
MOST_TOLD = 1000
_CHANGES = """
select now.count, change.epoch, change.account_id
from access_epoch now left join access_change change on change.epoch > %(since)s
limit %(most)s
"""


# Skips a row that is being ended: the process's poll must never wait for a lock.
_ACKNOWLEDGE = """
update gateway_process set seen_epoch = %(epoch)s
where id = (
    select id from gateway_process where id = %(process)s and ended_at is null
    for no key update skip locked
)
returning id
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """The count of changes so far, and the accounts that changed since another count; None where
    it concerns everybody, or is not known any more."""

    epoch: int
    accounts: frozenset[UUID] | None


async def read_changes(connection: DirectConnection, since: int) -> Changes:
    """What changed after a count that was read before. Often asked, so one cheap statement."""
    rows = await connection.statement(_CHANGES, {"since": since, "most": MOST_TOLD + 1})
    epoch = int(rows[0][0])
    changed = [account_id for _, number, account_id in rows if number is not None]
    whole = len(changed) == epoch - since <= MOST_TOLD and None not in changed
    return Changes(epoch, frozenset(changed) if whole else None)


async def acknowledge(connection: DirectConnection, process_id: UUID, epoch: int) -> bool:
    """Record that a process has applied all changes up to `epoch`; False where the process is not
    registered (yet)."""
    return bool(await connection.statement(_ACKNOWLEDGE, {"process": process_id, "epoch": epoch}))


async def processes_behind(session: AsyncSession, epoch: int) -> int:
    """How many gateway processes have not acknowledged the changes up to `epoch`; one that is late
    counts until it is ended (billing/metering/process_reaper.py)."""
    query = select(func.count()).where(
        col(GatewayProcess.ended_at).is_(None),
        func.coalesce(col(GatewayProcess.seen_epoch), -1) < epoch,
    )
    return int((await session.execute(query)).scalar_one())


async def read_epoch(session: AsyncSession) -> int:
    """The count so far, with the changes of this transaction."""
    return int((await session.execute(select(col(AccessEpoch.count)))).scalar_one())


async def advance_epoch(session: AsyncSession, account_id: UUID | None) -> None:
    """Say that something of an account changed, or of all; transactions that do so commit one
    after another."""
    counted = (
        update(AccessEpoch)
        .values(count=col(AccessEpoch.count) + 1)
        .returning(col(AccessEpoch.count))
        .cte("counted")
    )
    change = select(counted.c.count, literal(account_id, Uuid()), func.now())
    names = ["epoch", "account_id", "at"]
    await session.execute(insert(AccessChange).from_select(names, change))
