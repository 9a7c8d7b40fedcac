"""Load the events that a trace needs: one recursive query for the items, one for their events."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.epcis.events import EventType, ItemReference, Role
from gateway.plant.epcis.gs1_keys import item_uri
from gateway.plant.epcis.trace import MAX_ITEMS, Direction, Trace, TraceEvent, trace

_ROLES = {role.value: role for role in Role}
_TYPES = {kind.value: kind for kind in EventType}
# Subqueries with `offset 0` are planned by themselves, as look-ups by index. Without, the planner
# joins in another order where it has no statistics, and reads all of an account's items in each
# step. An event counts unless an error declaration with its id exists.
_EVENTS = """
with recursive reached(item) as (
    select cast(:start as text)
  union
    select other.item
    from reached
    cross join lateral (
      select group_id from plant_event_item
      where account_id = :account and item = reached.item and link = :near and link <> '' offset 0
    ) as near
    cross join lateral (
      select item from plant_event_item
      where account_id = :account and group_id = near.group_id and link = :far offset 0
    ) as other
), bounded as (select item from reached limit :most),
events as (
    select distinct named.event
    from bounded
    cross join lateral (
      select event from plant_event_item
      where account_id = :account and item = bounded.item offset 0
    ) as named
)
select event.event_id, event.type, event.event_time, event.action, event.biz_step,
  event.disposition, event.group_id, event.request_id, named.items
from events
cross join lateral (
  select * from plant_event where id = events.event offset 0
) as event
cross join lateral (
  select string_agg(role || ' ' || item, ' ' order by position) as items
  from plant_event_item where event = events.event
) as named
where event.account_id = :account and not event.is_declaration and event.event_id not in (
  select event_id from plant_event where account_id = :account and is_declaration
)
"""


async def trace_item(
    session: AsyncSession, account_id: UUID, item: str, direction: Direction
) -> Trace:
    """Trace an item of the account over its events."""
    start = item_uri(item)
    upstream = direction is Direction.UPSTREAM
    values = {
        "start": start,
        "account": account_id,
        "near": "out" if upstream else "in",
        "far": "in" if upstream else "out",
        "most": MAX_ITEMS,
    }
    await session.execute(text("set local jit = off"))
    rows = await session.execute(text(_EVENTS), values)
    return trace(start, direction, list(_trace_events(rows)))


def _trace_events(rows: Iterable[Sequence[Any]]) -> Iterable[TraceEvent]:
    """Yield the events of the rows; their items are pairs of role and item, URIs without spaces."""
    for event_id, kind, time, action, step, disposition, group, request_id, items in rows:
        words = items.split(" ") if items else []
        pairs = zip(words[::2], words[1::2], strict=True)
        named = tuple(ItemReference(_ROLES[role], item) for role, item in pairs)
        place = event_id, _TYPES[kind], time, action, named, step, disposition
        yield TraceEvent(*place, group, request_id)
