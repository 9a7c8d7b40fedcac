"""Incidents for operators: the list, the form to open one, and the updates of each."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import parse_id_or_404, platform_zone
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.incidents.fields import (
    IncidentInvalid,
    IncidentResolved,
    LocalText,
    NewIncident,
    NewUpdate,
)
from gateway.incidents.store import (
    find_incident,
    list_open_incidents,
    list_recent_incidents,
    load_updates,
)
from gateway.incidents.views import INCIDENT_ID_PREFIX
from gateway.operations.incidents import open_platform_incident, update_platform_incident
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_URL = "/dashboard/platform/incidents"
_OPENING = ("title_en", "title_zh", "text_en", "text_zh", "impact", "models")
_UPDATING = ("status", "text_en", "text_zh")
_PRESERVED = PreservedFields(_URL, _OPENING)
_PRESERVED_UPDATE = PreservedFields(f"{_URL}/{{incident}}", _UPDATING)


class PlatformIncidentPages(Controller):
    """Handlers of `/dashboard/platform/incidents`."""

    path = "/platform/incidents"
    opt = {"permission": Permission.WATCH}  # noqa: RUF012  # declared by Litestar

    @get("/", name="platform:incidents")
    async def list_all(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show open and recent incidents, and to operators the form to open one."""
        return await _render_list(page, database, clock, restored_form(page))

    @post("/", permission=Permission.OPERATE, keeps=_PRESERVED)
    async def open_new(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Open an incident and notify subscribed accounts."""
        fields = {**dict.fromkeys(_OPENING, ""), **await read_form_fields(request)}
        new = NewIncident(
            LocalText(fields["title_en"], fields["title_zh"]),
            LocalText(fields["text_en"], fields["text_zh"]),
            fields["impact"],
            fields["models"].split(","),
        )
        try:
            async with database.transaction() as session:
                row = await open_platform_incident(session, clock, page.actor, new)
        except IncidentInvalid as error:
            form = with_errors(page, fields, error)
            return await _render_list(page, database, clock, form, UNPROCESSABLE)
        return page.redirect(f"{_URL}/{ids.format_id(INCIDENT_ID_PREFIX, row.id)}")

    @get("/{incident:str}", name="platform:incident")
    async def show(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        incident: FromPath[str],
    ) -> Response[str]:
        """Show an incident with its updates."""
        return await _render_one(page, database, incident, restored_form(page))

    @post("/{incident:str}", permission=Permission.OPERATE, keeps=_PRESERVED_UPDATE)
    async def update(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        incident: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Add an update, or resolve the incident."""
        parse_id_or_404(INCIDENT_ID_PREFIX, incident)
        fields = {**dict.fromkeys(_UPDATING, ""), **await read_form_fields(request)}
        new = NewUpdate(fields["status"], LocalText(fields["text_en"], fields["text_zh"]))
        try:
            async with database.transaction() as session:
                place = (session, clock, page.actor, incident)
                await update_platform_incident(*place, new)
        except (IncidentInvalid, IncidentResolved) as error:
            form = with_errors(page, fields, error)
            return await _render_one(page, database, incident, form, UNPROCESSABLE)
        return page.redirect(f"{_URL}/{incident}")


async def _render_list(
    page: PageRequest, database: Database, clock: Clock, form: FormState, status: int = 200
) -> Response[str]:
    """Render the list with the form."""
    async with database.transaction() as session:
        current = await list_open_incidents(session)
        recent = await list_recent_incidents(session, clock.now())
    return page.render(
        "platform/incidents.html",
        status=status,
        current=current,
        recent=recent,
        form=form,
        operates=page.viewer.has_permission(Permission.OPERATE),
        zone=platform_zone(),
    )


async def _render_one(
    page: PageRequest, database: Database, incident: str, form: FormState, status: int = 200
) -> Response[str]:
    """Render an incident with the form for an update."""
    parse_id_or_404(INCIDENT_ID_PREFIX, incident)
    async with database.transaction() as session:
        row = await find_incident(session, incident)
        updates = (await load_updates(session, [row]))[row.id]
    return page.render(
        "platform/incident.html",
        status=status,
        row=row,
        updates=updates,
        form=form,
        operates=page.viewer.has_permission(Permission.OPERATE),
        zone=platform_zone(),
    )
