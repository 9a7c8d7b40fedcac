"""Read what is recorded of an asset's failures: outcomes, signed events, reports, work orders."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.predictions.alarms import Period
from billing.outcomes.predictions.events import OUTCOME_PREFIX, list_happened
from billing.outcomes.predictions.score_query import ScoreRequest, list_denied
from gateway.agents.savings.values import Event, EvidenceSource
from gateway.plant.assets.ids import ENTITY
from gateway.tables.plant import PlantAsset
from infra import ids

# Work orders of the asset and its parts that found a failure mode; those of agents are no evidence.
_WORK_ORDERS = text("""
    with recursive part(id, depth) as (
        select id, 0 from plant_asset where id = :asset_id and account_id = :account_id
        union all
        select child.id, part.depth + 1 from plant_asset child
        join part on child.parent_id = part.id
        where child.account_id = :account_id and part.depth < 8
    )
    select distinct entity.id, entity.properties -> 'date' ->> 'value' as happened
    from part
    join plant_relation about on about.object_id = part.id and about.account_id = :account_id
      and about.subject_kind = 'work_order' and about.predicate in ('on', 'concerns')
      and about.valid_to is null
    join plant_entity entity on entity.id = about.subject_id and entity.account_id = :account_id
      and entity.retired_at is null and entity.source <> 'model'
    where entity.properties -> 'date' ->> 'value' is not null and exists (
        select 1 from plant_relation found where found.subject_id = entity.id
          and found.account_id = :account_id and found.predicate = 'found'
          and found.valid_to is null)
""")


async def list_failures(
    session: AsyncSession, asset: PlantAsset, event: str, since: datetime, until: datetime
) -> list[Event]:
    """Return the recorded failures of an asset in a time range; without `event` work orders."""
    found = await _list_work_orders(session, asset.account_id, asset.id)
    if event:
        happened = await list_happened(session, asset.account_id, event, since, until)
        found += [
            Event(one.id, one.happened_at, _source(one.id))
            for one in happened
            if one.subject == asset.code
        ]
    return [one for one in found if since <= one.at < until]


async def list_denials(
    session: AsyncSession, asset: PlantAsset, event: str, since: datetime, until: datetime
) -> list[datetime]:
    """Return the times of predicted events that did not come."""
    if not event:
        return []
    wanted = ScoreRequest(event, Period(since, until), asset.code)
    found = await list_denied(session, asset.account_id, wanted)
    return [one.happened_at for one in found]


async def _list_work_orders(session: AsyncSession, account_id: UUID, asset_id: UUID) -> list[Event]:
    """Return the work orders with a failure mode that have a date."""
    place = {"account_id": account_id, "asset_id": asset_id}
    rows = (await session.execute(_WORK_ORDERS, place)).all()
    dated = [(row.id, _instant(row.happened)) for row in rows]
    return [
        Event(ids.format_id(ENTITY, identity), at, EvidenceSource.WORK_ORDER)
        for identity, at in dated
        if at is not None
    ]


def _instant(date: str) -> datetime | None:
    """Return the time of a date: its start in UTC if it has no time of day. None if unreadable."""
    try:
        at = datetime.fromisoformat(date)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _source(name: str) -> EvidenceSource:
    """Return who stated an event of the ledger, by the prefix of its id."""
    is_outcome = ids.parse_id(OUTCOME_PREFIX, name) is not None
    return EvidenceSource.OUTCOME if is_outcome else EvidenceSource.EVENT
