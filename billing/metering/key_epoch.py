"""The access epoch: a counter that invalidates the key and limit caches of gateway processes.

Every transaction that changes a key or a limit must advance the epoch (see `AccessEpoch` for why
that is sufficient). Each gateway process acknowledges the epoch up to which it has applied all
changes, so that others can wait for it.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Uuid, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.tables import AccessChange, AccessEpoch, GatewayProcess
from infra.database.direct import DirectConnection

# With more changes it is cheaper to clear the whole cache than to read the changed accounts.
MAX_REPORTED_CHANGES = 1000
_CHANGES = """
select now.count, change.epoch, change.account_id
from access_epoch now left join access_change change on change.epoch > %(since)s
limit %(limit)s
"""


# Skips a locked row, which is being marked as ended: the process's poll must never wait for a lock.
_ACKNOWLEDGE = """
update gateway_process set seen_epoch = %(epoch)s
where id = (
    select id from gateway_process where id = %(process)s and ended_at is null
    for no key update skip locked
)
returning id
"""


@dataclass(frozen=True, slots=True)
class AccessChanges:
    """The current epoch and the accounts changed since an earlier epoch.

    `account_ids` is None if all accounts are affected or the changes are not known any more.
    """

    epoch: int
    account_ids: frozenset[UUID] | None


async def read_access_changes(connection: DirectConnection, since: int) -> AccessChanges:
    """Read which accounts' keys or limits changed after an epoch; one cheap statement, polled."""
    rows = await connection.statement(_CHANGES, {"since": since, "limit": MAX_REPORTED_CHANGES + 1})
    epoch = int(rows[0][0])
    changed = [account_id for _, number, account_id in rows if number is not None]
    is_complete = len(changed) == epoch - since <= MAX_REPORTED_CHANGES and None not in changed
    return AccessChanges(epoch, frozenset(changed) if is_complete else None)


async def acknowledge_epoch(connection: DirectConnection, process_id: UUID, epoch: int) -> bool:
    """Record that a process applied all changes up to `epoch`; False if it is not registered."""
    return bool(await connection.statement(_ACKNOWLEDGE, {"process": process_id, "epoch": epoch}))


async def count_processes_behind(session: AsyncSession, epoch: int) -> int:
    """Count the running gateway processes that have not acknowledged the changes up to `epoch`.

    An expired process counts until it is marked as ended (billing/metering/process_reaper.py).
    """
    query = select(func.count()).where(
        col(GatewayProcess.ended_at).is_(None),
        func.coalesce(col(GatewayProcess.seen_epoch), -1) < epoch,
    )
    return int((await session.execute(query)).scalar_one())


async def read_epoch(session: AsyncSession) -> int:
    """Return the current epoch, including changes of this transaction."""
    return int((await session.execute(select(col(AccessEpoch.count)))).scalar_one())


async def advance_epoch(session: AsyncSession, account_id: UUID | None) -> None:
    """Advance the epoch for a change of one account, or of all accounts if None.

    The epoch's row lock serializes the commits of such transactions.
    """
    advanced = (
        update(AccessEpoch)
        .values(count=col(AccessEpoch.count) + 1)
        .returning(col(AccessEpoch.count))
        .cte("advanced")
    )
    change = select(advanced.c.count, literal(account_id, Uuid()), func.now())
    names = ["epoch", "account_id", "at"]
    await session.execute(insert(AccessChange).from_select(names, change))
