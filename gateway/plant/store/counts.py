"""Numbers of parts and points of each asset, with its parts, by mapping status.

Computed from the whole model of an account, and cached until the model changes.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.values import MappingStatus
from gateway.plant.store.revisions import read_revision
from gateway.tables.plant import PlantAsset, PlantPoint

# Accounts whose counts are kept: about 1 MB each for 5,000 assets.
_CAPACITY = 16


@dataclass(slots=True)
class AssetCounts:
    """The direct parts of an asset, and the points of it and all its parts by mapping status."""

    parts: int = 0
    points: int = 0
    confirmed: int = 0
    proposed: int = 0

    @property
    def unmapped(self) -> int:
        """The number of points without a concept."""
        return self.points - self.confirmed - self.proposed

    def add_points(self, status: str, count: int) -> None:
        """Add points of a mapping status."""
        self.points += count
        if status == MappingStatus.CONFIRMED:
            self.confirmed += count
        elif status == MappingStatus.PROPOSED:
            self.proposed += count

    def add(self, part: "AssetCounts") -> None:
        """Add the points of a part."""
        self.points += part.points
        self.confirmed += part.confirmed
        self.proposed += part.proposed


Counts = Mapping[UUID | None, AssetCounts]
"""By the id of an asset; None stands for the whole plant, with points without an asset."""


class PlantCounts:
    """Counts of the accounts whose pages were shown last. Bound to one event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, tuple[int, Counts]] = OrderedDict()

    async def of_account(self, session: AsyncSession, account_id: UUID) -> Counts:
        """Return the counts of an account's active assets at its current revision."""
        revision = await read_revision(session, account_id)
        known = self._known.get(account_id)
        if known is None or known[0] != revision:
            known = (revision, await _load(session, account_id))
            self._known[account_id] = known
        self._known.move_to_end(account_id)
        while len(self._known) > _CAPACITY:
            self._known.popitem(last=False)
        return known[1]


async def _load(session: AsyncSession, account_id: UUID) -> Counts:
    """Compute the counts of an account."""
    assets = select(PlantAsset.id, PlantAsset.parent_id).where(
        col(PlantAsset.account_id) == account_id, col(PlantAsset.retired_at).is_(None)
    )
    points = (
        select(PlantPoint.asset_id, PlantPoint.mapping_status, func.count())
        .where(col(PlantPoint.account_id) == account_id, col(PlantPoint.retired_at).is_(None))
        .group_by(col(PlantPoint.asset_id), col(PlantPoint.mapping_status))
    )
    parents = {asset: parent for asset, parent in (await session.execute(assets)).all()}
    found = [(asset, status, count) for asset, status, count in await session.execute(points)]
    return sum_up(parents, found)


def sum_up(
    parents: Mapping[UUID, UUID | None], points: Iterable[tuple[UUID | None, str, int]]
) -> Counts:
    """Return the counts of a forest of assets from those of single assets."""
    counts: dict[UUID | None, AssetCounts] = {asset: AssetCounts() for asset in (None, *parents)}
    for asset, status, count in points:
        counts[asset if asset in parents else None].add_points(status, count)
    for parent in parents.values():
        counts[parent].parts += 1
    pending = {asset: counts[asset].parts for asset in parents}
    ready = [asset for asset, parts in pending.items() if not parts]
    while ready:
        asset = ready.pop()
        parent = parents[asset]
        counts[parent].add(counts[asset])
        if parent is not None:
            pending[parent] -= 1
            if not pending[parent]:
                ready.append(parent)
    return counts
