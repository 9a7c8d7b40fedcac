"""Holds: money that a long job reserves before it starts, in the quotas that limit its calls.

    open (the whole worst case) -> charged by usage rows, call by call -> end (the rest is returned)

Units of prepaid packs are held too, as many as the job can use (pack_holds.py). They pay first, and
if they pay for all that the job can use, it holds no money.

A hold is the owner of quota leases, like a gateway process (billing/metering/leases.py), and its
row in `gateway_process` has no pid. So all limits, sums and checks of leases apply to it. It
survives gateway processes: whichever process runs the job draws on it. If nobody ends it, the
reaper returns its money after its lifetime.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.leases import LeaseChange, QuotaSnapshot, change_leases
from billing.metering.pack_holds import PackDemand, hold_pack_units
from billing.metering.process_reaper import end_process
from billing.metering.quotas import QuotaRef
from billing.tables import GatewayProcess, Quota, QuotaKind, QuotaLease

_HOST, _NO_PID = "hold", 0
# A hold caches no keys, so no change of keys has to wait for it.
_EVERY_EPOCH = 2**62


@dataclass(frozen=True, slots=True)
class HeldUnits:
    """The units of one quota that a hold reserved, and those of them that its calls have used."""

    borrowed: int
    used: int
    is_money: bool = True


class HoldRefused(Exception):
    """A quota does not cover a hold of `units`; `snapshot` is the state of the quota."""

    def __init__(self, quota: QuotaRef, snapshot: QuotaSnapshot, units: int) -> None:
        super().__init__(quota, snapshot, units)
        self.quota = quota
        self.snapshot = snapshot
        self.units = units

    @property
    def can_wait(self) -> bool:
        """Whether units that processes have leased, and may not need, would suffice."""
        amount = self.snapshot.amount or 0
        return amount - self.snapshot.consumed >= self.units


async def open_hold(
    session: AsyncSession,
    hold_id: UUID,
    quotas: Iterable[QuotaRef],
    units: int,
    lifetime: timedelta,
    packs: PackDemand | None = None,
) -> int:
    """Reserve so many nano-units in each money quota among `quotas`, all or nothing.

    Before that, reserves the units of packs that the job can use. Returns the nano-units reserved:
    0 if the packs pay for the job, whatever it uses. Raises HoldRefused, after which the
    transaction must be rolled back.
    """
    now = func.now()
    row = {"id": hold_id, "host": _HOST, "pid": _NO_PID, "seen_epoch": _EVERY_EPOCH}
    times = {"started_at": now, "expires_at": now + lifetime}
    await session.execute(insert(GatewayProcess).values(**row, **times))
    if packs is not None and await hold_pack_units(session, hold_id, packs):
        units = 0
    await _borrow(session, hold_id, money_quotas(quotas), units)
    return units


async def move_hold(
    session: AsyncSession,
    hold_id: UUID,
    quotas: Iterable[QuotaRef],
    pack_ids: Collection[str] = (),
) -> Mapping[str, HeldUnits]:
    """Return a hold's units by quota, after moving them to the quotas that apply to calls now.

    The quotas of a key change with the calendar month: what is left of the hold is then reserved
    in the budget of the new month, and returned to the old one. Units of packs are returned unless
    they are of `pack_ids`, the packs that calls may use now. Raises HoldRefused.
    """
    held, current = await read_hold(session, hold_id), money_quotas(quotas)
    missing = [quota for quota in current if quota.id not in held]
    outdated = held.keys() - {quota.id for quota in current} - set(pack_ids)
    if not missing and not outdated:
        return held
    money = (units for units in held.values() if units.is_money)
    left = max((units.borrowed - units.used for units in money), default=0)
    await _borrow(session, hold_id, missing, left)
    if outdated:
        closed = {quota_id: LeaseChange(close=True) for quota_id in outdated}
        await change_leases(session, hold_id, closed)
    return await read_hold(session, hold_id)


async def read_hold(session: AsyncSession, hold_id: UUID) -> dict[str, HeldUnits]:
    """Return a hold's units by quota id; none if it has ended."""
    query = select(QuotaLease.quota_id, QuotaLease.borrowed, QuotaLease.used, Quota.kind)
    query = query.join(Quota, col(Quota.id) == col(QuotaLease.quota_id))
    rows = (await session.execute(query.where(col(QuotaLease.process_id) == hold_id))).all()
    return {
        str(quota_id): HeldUnits(borrowed, used, QuotaKind(kind).money)
        for quota_id, borrowed, used, kind in rows
    }


async def read_spent(session: AsyncSession, hold_id: UUID) -> int | None:
    """Return what the hold's calls have cost so far, in nano-units. Returns None if it has ended.

    Read from the lease of the account's credit, which every call is charged to.
    """
    query = (
        select(QuotaLease.used)
        .join(Quota, col(Quota.id) == col(QuotaLease.quota_id))
        .where(col(QuotaLease.process_id) == hold_id, col(Quota.kind) == QuotaKind.CREDIT.value)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def end_hold(session: AsyncSession, hold_id: UUID, now: datetime) -> None:
    """Return what is left of a hold to its quotas; does nothing if it has ended."""
    await end_process(session, hold_id, now)


def money_quotas(quotas: Iterable[QuotaRef]) -> list[QuotaRef]:
    """Return the quotas that count money, which a hold reserves."""
    return [quota for quota in quotas if quota.kind.money]


async def _borrow(
    session: AsyncSession, hold_id: UUID, quotas: Sequence[QuotaRef], units: int
) -> None:
    """Borrow exactly so many units of each quota. Raises HoldRefused."""
    if not quotas:
        return
    changes = {quota.id: LeaseChange(needs=((units, units),)) for quota in quotas}
    snapshots = await change_leases(session, hold_id, changes)
    for quota in quotas:
        if snapshots[quota.id].borrowed < units:
            raise HoldRefused(quota, snapshots[quota.id], units)
