"""`/v1/admin/incidents`: open, update, resolve and list incidents of the platform."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.incidents.fields import LocalText, NewIncident, NewUpdate
from gateway.incidents.store import (
    find_incident,
    list_open_incidents,
    list_recent_incidents,
    load_updates,
)
from gateway.incidents.views import incident_json
from gateway.operations.incidents import open_platform_incident, update_platform_incident
from gateway.tables import Incident


class IncidentText(msgspec.Struct):
    """A text for customers in English and Chinese; one that is missing is replaced by the other."""

    en: str = ""
    zh: str = ""


class IncidentOpening(msgspec.Struct):
    """An incident: `title`, first `text`, `impact`, affected `models` (none: all), its start.

    `impact` is `minor`, `major`, `critical` or `maintenance`.
    """

    title: IncidentText
    text: IncidentText
    impact: str = "minor"
    models: list[str] = []
    started_at: datetime | None = None


class IncidentUpdating(msgspec.Struct):
    """An update: `status` (`investigating`, `identified`, `monitoring`, `resolved`) and `text`."""

    status: str
    text: IncidentText


_URL = "/v1/admin/incidents"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _URL: IncidentOpening,
    f"{_URL}/{{incident}}/updates": IncidentUpdating,
}
_OPENING = msgspec.json.Decoder(IncidentOpening)
_UPDATING = msgspec.json.Decoder(IncidentUpdating)


class AdminIncidentRoutes(Controller):
    """Incidents of the platform."""

    path = "/incidents"

    @get(
        "/",
        summary="List open incidents and those resolved in the last 14 days",
        admin_scope=AdminScope.INCIDENTS_WRITE,
    )
    async def incidents(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return the incidents with their updates, open ones first."""

        async def load(session: AsyncSession) -> list[dict[str, Any]]:
            """Return the incidents as JSON."""
            resolved = await list_recent_incidents(session, admin.clock.now())
            return await _render(session, [*await list_open_incidents(session), *resolved])

        return {"object": "list", "data": await admin.read(load), "has_more": False}

    @get(
        "/{incident:str}",
        summary="Retrieve an incident",
        admin_scope=AdminScope.INCIDENTS_WRITE,
    )
    async def incident(
        self, admin: NamedDependency[AdminRequest], incident: FromPath[str]
    ) -> dict[str, Any]:
        """Return an incident with its updates, newest first."""

        async def load(session: AsyncSession) -> dict[str, Any]:
            """Return the incident as JSON."""
            return (await _render(session, [await find_incident(session, incident)]))[0]

        return await admin.read(load)

    @post(
        "/",
        status_code=201,
        summary="Open an incident and notify subscribed accounts",
        admin_scope=AdminScope.INCIDENTS_WRITE,
    )
    async def open_new(self, admin_change: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Open an incident in the state `investigating`."""
        body = admin_change.decode(_OPENING)
        new = NewIncident(
            _text(body.title), _text(body.text), body.impact, body.models, body.started_at
        )

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Open the incident and return it."""
            place = (session, admin_change.clock, admin_change.actor)
            return (await _render(session, [await open_platform_incident(*place, new)]))[0]

        return await admin_change.change(apply)

    @post(
        "/{incident:str}/updates",
        status_code=200,
        summary="Add an update to an incident, or resolve it",
        admin_scope=AdminScope.INCIDENTS_WRITE,
    )
    async def update(
        self, admin_change: NamedDependency[AdminRequest], incident: FromPath[str]
    ) -> Response[bytes]:
        """Add an update; the status `resolved` ends the incident."""
        body = admin_change.decode(_UPDATING)
        new = NewUpdate(body.status, _text(body.text))

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Add the update and return the incident."""
            place = (session, admin_change.clock, admin_change.actor, incident)
            return (await _render(session, [await update_platform_incident(*place, new)]))[0]

        return await admin_change.change(apply)


def _text(body: IncidentText) -> LocalText:
    """Return a text of the body."""
    return LocalText(body.en, body.zh)


async def _render(session: AsyncSession, rows: Sequence[Incident]) -> list[dict[str, Any]]:
    """Return incidents as JSON, with their updates."""
    updates = await load_updates(session, rows)
    return [incident_json(row, updates[row.id]) for row in rows]
