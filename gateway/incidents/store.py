"""Open, update, find and list incidents; each update is an event of all subscribed accounts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.events.broadcast import BroadcastEvent, broadcast_event
from billing.events.texts import EventText
from gateway.incidents.fields import (
    IncidentNotFound,
    IncidentResolved,
    IncidentStatus,
    NewIncident,
    NewUpdate,
    require_impact,
    require_models,
    require_started_at,
    require_status,
    require_text,
    require_title,
)
from gateway.incidents.views import INCIDENT_ID_PREFIX, event_data
from gateway.tables import Incident, IncidentUpdate
from infra import ids
from infra.clock import Clock

STATUS_PAGE = "/status"
_SHOWN = timedelta(days=14)
_MAX_LISTED = 100
Updates = Mapping[UUID, Sequence[IncidentUpdate]]


async def open_incident(session: AsyncSession, clock: Clock, new: NewIncident) -> Incident:
    """Open an incident and notify the subscribed accounts. Raises IncidentInvalid."""
    now, title = clock.now(), require_title(new.title)
    row = Incident(
        id=ids.new_id(),
        impact=require_impact(new.impact).value,
        status=IncidentStatus.INVESTIGATING.value,
        title_en=title.en,
        title_zh=title.zh,
        models=require_models(new.models),
        started_at=require_started_at(new.started_at, now),
        created_at=now,
    )
    first = NewUpdate(row.status, require_text(new.text))
    session.add(row)
    await session.flush()
    await _add_update(session, now, row, first, "incident.opened")
    return row


async def update_incident(
    session: AsyncSession, clock: Clock, incident_id: UUID, new: NewUpdate
) -> Incident:
    """Add an update; `resolved` ends the incident. Notifies the subscribed accounts.

    Raises IncidentInvalid, IncidentNotFound, IncidentResolved.
    """
    status, text, now = require_status(new.status), require_text(new.text), clock.now()
    row = await session.get(Incident, incident_id, with_for_update=True)
    if row is None:
        raise _not_found()
    if row.resolved_at is not None:
        raise IncidentResolved("The incident is resolved. Open another one.")
    row.status = status.value
    is_resolved = status is IncidentStatus.RESOLVED
    row.resolved_at = now if is_resolved else None
    await session.flush()
    event_type = "incident.resolved" if is_resolved else "incident.updated"
    await _add_update(session, now, row, NewUpdate(status, text), event_type)
    return row


async def find_incident(session: AsyncSession, name: str) -> Incident:
    """Return an incident by its public id. Raises IncidentNotFound."""
    incident_id = ids.parse_id(INCIDENT_ID_PREFIX, name)
    row = None if incident_id is None else await session.get(Incident, incident_id)
    if row is None:
        raise _not_found()
    return row


async def list_open_incidents(session: AsyncSession) -> Sequence[Incident]:
    """List incidents that are not resolved, newest first."""
    query = select(Incident).where(col(Incident.resolved_at).is_(None))
    query = query.order_by(col(Incident.started_at).desc()).limit(_MAX_LISTED)
    return (await session.scalars(query)).all()


async def list_recent_incidents(session: AsyncSession, now: datetime) -> Sequence[Incident]:
    """List incidents that were resolved in the last 14 days, newest first."""
    query = select(Incident).where(col(Incident.resolved_at) >= now - _SHOWN)
    query = query.order_by(col(Incident.resolved_at).desc()).limit(_MAX_LISTED)
    return (await session.scalars(query)).all()


async def load_updates(session: AsyncSession, incidents: Sequence[Incident]) -> Updates:
    """Return the updates of each incident, newest first."""
    query = select(IncidentUpdate).where(
        col(IncidentUpdate.incident_id).in_([row.id for row in incidents])
    )
    found: dict[UUID, list[IncidentUpdate]] = defaultdict(list)
    for update in (await session.scalars(query.order_by(col(IncidentUpdate.id).desc()))).all():
        found[update.incident_id].append(update)
    return found


async def _add_update(
    session: AsyncSession, now: datetime, row: Incident, new: NewUpdate, event_type: str
) -> None:
    """Store an update and emit its event to all subscribed accounts."""
    update = IncidentUpdate(
        id=ids.new_id(),
        incident_id=row.id,
        status=new.status,
        text_en=new.text.en,
        text_zh=new.text.zh,
        created_at=now,
    )
    session.add(update)
    await session.flush()
    texts = {
        language: EventText(row.title_in(language), update.text_in(language))
        for language in ("en", "zh")
    }
    event = BroadcastEvent(
        event_type, f"incident:{update.id.hex}", event_data(row, update), texts, STATUS_PAGE
    )
    await broadcast_event(session, now, event)


def _not_found() -> IncidentNotFound:
    """Return the error for an unknown incident."""
    return IncidentNotFound("There is no such incident.", param="incident")
