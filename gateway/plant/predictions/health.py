"""The health of assets, from the newest verdict of each model on each asset, with all its parts.

A verdict counts for VERDICT_DAYS. `yes` of any model means attention, `uncertain` means watch, `no`
means good; figures and classes alone say nothing about health. An asset is only as healthy as its
worst part.

Kept in memory: a view reads only the verdicts since the view before, and the hierarchy if the plant
model has changed.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.limits import MAX_DEPTH
from gateway.plant.store.revisions import read_revision
from gateway.tables.plant import PlantAsset
from models.findings import Verdict

VERDICT_DAYS = 7
# How long a transaction may be open that stores a verdict, and clocks of gateways may differ.
OVERLAP = timedelta(minutes=2)
# Accounts whose health is kept: about 2 MB each for 5,000 assets with verdicts.
_CAPACITY = 16


class Health(StrEnum):
    """How an asset is, the worst first."""

    ATTENTION = "attention"
    WATCH = "watch"
    GOOD = "good"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class AssetHealth:
    """The health of an asset by its own verdicts, and with its parts; `alarms` are the assets
    in attention among both."""

    own: Health = Health.UNKNOWN
    whole: Health = Health.UNKNOWN
    alarms: int = 0


UNKNOWN_HEALTH = AssetHealth()
_LEVELS = (Health.UNKNOWN, Health.GOOD, Health.WATCH, Health.ATTENTION)
_ATTENTION = len(_LEVELS) - 1
_SELECT = text("""
    select distinct on (asset_id, model) asset_id, model, id, created_at,
           case finding ->> 'verdict' when :yes then 3 when :uncertain then 2 when :no then 1
           else 0 end as level
    from plant_verdict where account_id = :account_id and created_at >= :since
    order by asset_id, model, id desc
""")


@dataclass(frozen=True, slots=True)
class NewestVerdict:
    """The newest verdict of a model on an asset: its id, when it was stored, and its level."""

    id: UUID
    created_at: datetime
    level: int


Newest = Mapping[tuple[UUID, str], NewestVerdict]
"""By the id of the asset and the model."""
Healths = Mapping[UUID, AssetHealth]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is kept of an account: read until `read_at`, at a revision of its plant model."""

    revision: int
    read_at: datetime
    parents: Mapping[UUID, UUID | None]
    newest: Newest
    healths: Healths


class PlantHealth:
    """Health of the accounts whose pages were shown last. Bound to one event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, _Known] = OrderedDict()

    async def of_account(self, session: AsyncSession, account_id: UUID, now: datetime) -> Healths:
        """Return the health of an account's assets that have verdicts, or parts with some."""
        known = await _read(session, account_id, now, self._known.get(account_id))
        self._known[account_id] = known
        self._known.move_to_end(account_id)
        while len(self._known) > _CAPACITY:
            self._known.popitem(last=False)
        return known.healths


async def _read(
    session: AsyncSession, account_id: UUID, now: datetime, known: _Known | None
) -> _Known:
    """Return the health of an account, from what is known and what has changed since."""
    revision = await read_revision(session, account_id)
    since = now - timedelta(days=VERDICT_DAYS)
    first = since if known is None else max(since, known.read_at - OVERLAP)
    found = await _read_newest(session, account_id, first)
    before = {} if known is None else known.newest
    newest = merge_newest(before, found, since)
    if known is not None and known.revision == revision:
        parents, healths = known.parents, known.healths
        if newest is before:
            return _Known(revision, now, parents, newest, healths)
    else:
        parents = await _read_parents(session, account_id)
    return _Known(revision, now, parents, newest, roll_up(newest, parents))


def merge_newest(known: Newest, found: Newest, since: datetime) -> Newest:
    """Return the newest verdicts without those before `since`; `known` itself if nothing changed.

    A verdict that is too old leaves its place empty: those before it are older still.
    """
    added = {key: one for key, one in found.items() if key not in known or one.id > known[key].id}
    is_expired = any(one.created_at < since for one in known.values())
    if not added and not is_expired:
        return known
    return {key: one for key, one in {**known, **added}.items() if one.created_at >= since}


def roll_up(newest: Newest, parents: Mapping[UUID, UUID | None]) -> Healths:
    """Return the health of assets with their parts; `parents` has the active assets."""
    own: dict[UUID, int] = {}
    for (asset_id, _), one in newest.items():
        own[asset_id] = max(own.get(asset_id, 0), one.level)
    own = {asset_id: level for asset_id, level in own.items() if level}
    whole: dict[UUID, int] = {}
    alarms: dict[UUID, int] = {}
    for asset_id, level in own.items():
        at: UUID | None = asset_id
        for _ in range(MAX_DEPTH + 1):
            if at is None or (level != _ATTENTION and whole.get(at, 0) >= level):
                break  # the assets above are as bad already
            whole[at] = max(whole.get(at, 0), level)
            if level == _ATTENTION:
                alarms[at] = alarms.get(at, 0) + 1
            at = parents.get(at)
    return {
        asset_id: _health(own.get(asset_id, 0), level, alarms.get(asset_id, 0))
        for asset_id, level in whole.items()
    }


@lru_cache(maxsize=1_000)
def _health(own: int, whole: int, alarms: int) -> AssetHealth:
    """Return the health of levels; most assets share few values."""
    return AssetHealth(_LEVELS[own], _LEVELS[whole], alarms)


async def _read_newest(session: AsyncSession, account_id: UUID, since: datetime) -> Newest:
    """Return the newest verdicts of each model on each asset since an instant."""
    parameters: dict[str, Any] = {
        "account_id": account_id,
        "since": since,
        "yes": Verdict.YES.value,
        "no": Verdict.NO.value,
        "uncertain": Verdict.UNCERTAIN.value,
    }
    rows: Sequence[Any] = (await session.execute(_SELECT, parameters)).all()
    return {
        (row.asset_id, row.model): NewestVerdict(row.id, row.created_at, row.level) for row in rows
    }


async def _read_parents(session: AsyncSession, account_id: UUID) -> Mapping[UUID, UUID | None]:
    """Return the asset above each active asset."""
    query = select(PlantAsset.id, PlantAsset.parent_id).where(
        col(PlantAsset.account_id) == account_id, col(PlantAsset.retired_at).is_(None)
    )
    return {asset_id: parent_id for asset_id, parent_id in (await session.execute(query)).all()}
