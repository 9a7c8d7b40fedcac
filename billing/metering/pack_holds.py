"""Units of prepaid packs that a hold reserves for a long job, and whether they pay for all of it.

Calls of a job take units in any order and return what they did not need. A group of packs that pay
for the same meters therefore pays for these meters, whatever the order, if it has at least as many
units as the job can use of them together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.leases import LeaseChange, change_leases
from billing.metering.packs import PackQuotaRef
from billing.metering.quotas import lock_quotas


@dataclass(frozen=True, slots=True)
class PackDemand:
    """The most that a job can use of each priced meter, and the packs that may pay for it.

    The job ends before `until`.
    """

    account_id: UUID
    packs: Sequence[PackQuotaRef]
    max_units: Mapping[str, int]
    until: datetime


async def hold_pack_units(session: AsyncSession, hold_id: UUID, demand: PackDemand) -> bool:
    """Reserve the units of packs that the job of an open hold can use.

    Returns whether they pay for all of it, whatever it uses.
    """
    # All locks first: packs and money are locked in one order, that of their ids.
    await lock_quotas(session, demand.account_id)
    paid: set[str] = set()
    for group in _group_by_meters(demand):
        meters = [meter for meter in group[0].meters if meter in demand.max_units]
        missing = needed = sum(demand.max_units[meter] for meter in meters)
        lasting = 0
        for pack in group:
            units = await _borrow(session, hold_id, pack, missing) if missing else 0
            missing -= units
            lasting += units if _lasts(pack, demand) else 0
        if lasting == needed:
            paid.update(meters)
    return all(meter in paid for meter, units in demand.max_units.items() if units)


async def _borrow(session: AsyncSession, hold_id: UUID, pack: PackQuotaRef, units: int) -> int:
    """Borrow up to so many units of a pack; return how many."""
    change = LeaseChange(needs=((units, 1),))
    return (await change_leases(session, hold_id, {pack.id: change}))[pack.id].borrowed


def _group_by_meters(demand: PackDemand) -> list[list[PackQuotaRef]]:
    """Return the packs of the demand once each, grouped by the meters that they pay for."""
    groups: dict[tuple[str, ...], list[PackQuotaRef]] = {}
    for pack in {pack.id: pack for pack in demand.packs}.values():
        groups.setdefault(pack.meters, []).append(pack)
    return list(groups.values())


def _lasts(pack: PackQuotaRef, demand: PackDemand) -> bool:
    """Return whether all calls of the job start before the pack expires."""
    return pack.expires_at is not None and pack.expires_at >= demand.until
