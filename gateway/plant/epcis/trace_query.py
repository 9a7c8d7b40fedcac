"""Load the events that a trace needs: one recursive query for the items, one for their events."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.epcis.events import EventType, ItemReference, Role
from gateway.plant.epcis.gs1_keys import digital_link
from gateway.plant.epcis.trace import MAX_ITEMS, Direction, Trace, TraceEvent, trace

# An event counts unless an error declaration with its id exists.
_EVENTS = """
with recursive reached(item) as (
    select cast(:start as text)
  union
    select other.item
    from reached
    join plant_event_item as near on near.account_id = :account and near.item = reached.item
      and near.link = :near and near.link <> ''
    join plant_event_item as other on other.account_id = :account
      and other.group_id = near.group_id and other.link = :far
), bounded as (select item from reached limit :most),
events as (
    select distinct named.event
    from bounded
    join plant_event_item as named on named.account_id = :account and named.item = bounded.item
)
select event.event_id, event.type, event.event_time, event.action, event.biz_step,
  event.disposition, event.group_id, event.request_id,
  array_agg(item.role order by item.position), array_agg(item.item order by item.position),
  array_agg(item.is_class order by item.position)
from events
join plant_event as event on event.id = events.event and event.account_id = :account
join plant_event_item as item on item.event = event.id
where not event.is_declaration and not exists (
  select from plant_event as wrong where wrong.account_id = :account
    and wrong.event_id = event.event_id and wrong.is_declaration
)
group by event.id
"""


async def trace_item(
    session: AsyncSession, account_id: UUID, item: str, direction: Direction
) -> Trace:
    """Trace an item of the account over its events."""
    start = digital_link(item)
    upstream = direction is Direction.UPSTREAM
    values = {
        "start": start,
        "account": account_id,
        "near": "out" if upstream else "in",
        "far": "in" if upstream else "out",
        "most": MAX_ITEMS,
    }
    rows = await session.execute(text(_EVENTS), values)
    return trace(start, direction, list(_trace_events(rows)))


def _trace_events(rows: Iterable[Sequence[Any]]) -> Iterable[TraceEvent]:
    """Yield the events of the rows."""
    for event_id, kind, time, action, step, disposition, group, request_id, *lists in rows:
        named = tuple(
            ItemReference(Role(role), epc, is_class)
            for role, epc, is_class in zip(*lists, strict=True)
        )
        place = event_id, EventType(kind), time, action, named, step, disposition
        yield TraceEvent(*place, group, request_id)
