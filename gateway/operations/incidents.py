"""Incidents opened and updated by operators, each with its audit log entry.

Pages, CLI and Admin API call the same functions.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.incidents.fields import NewIncident, NewUpdate
from gateway.incidents.store import find_incident, open_incident, update_incident
from gateway.incidents.views import INCIDENT_ID_PREFIX
from gateway.tables import Incident
from infra import ids
from infra.clock import Clock


async def open_platform_incident(
    session: AsyncSession, clock: Clock, actor: Actor, new: NewIncident
) -> Incident:
    """Open an incident. Raises IncidentInvalid."""
    row = await open_incident(session, clock, new)
    details = {"title": row.title_en, "impact": row.impact}
    await _record(session, clock, actor, row, "incident.opened", details)
    return row


async def update_platform_incident(
    session: AsyncSession, clock: Clock, actor: Actor, name: str, new: NewUpdate
) -> Incident:
    """Add an update to an incident, by its public id; `resolved` ends it.

    Raises IncidentInvalid, IncidentNotFound, IncidentResolved.
    """
    found = await find_incident(session, name)
    row = await update_incident(session, clock, found.id, new)
    action = "incident.updated" if row.resolved_at is None else "incident.resolved"
    await _record(session, clock, actor, row, action, {"status": row.status})
    return row


async def _record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    row: Incident,
    action: str,
    details: dict[str, str],
) -> None:
    """Record a change in the audit log of the platform."""
    subject = ids.format_id(INCIDENT_ID_PREFIX, row.id)
    await record_audit_event(session, clock, actor, None, action, subject, details)
