"""`maas incidents`: open, update and resolve incidents of the platform."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.results import Record, Table
from gateway.cli.runner import command
from gateway.identity.audit_log import CLI_ACTOR
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
from infra.clock import Clock

incidents_app = typer.Typer(no_args_is_help=True)
IncidentId = Annotated[str, typer.Argument(help="Incident ID (incident_…).")]
English = Annotated[str, typer.Option("--text-en", help="Text for customers in English.")]
Chinese = Annotated[str, typer.Option("--text-zh", help="Text for customers in Chinese.")]
_COLUMNS = ("id", "status", "impact", "title", "models", "started_at", "resolved_at")


@incidents_app.command("open")
@command
async def incidents_open(
    session: AsyncSession,
    clock: Clock,
    title_en: Annotated[str, typer.Option(help="Title in English.")] = "",
    title_zh: Annotated[str, typer.Option(help="Title in Chinese.")] = "",
    text_en: English = "",
    text_zh: Chinese = "",
    impact: Annotated[str, typer.Option(help="minor, major, critical or maintenance.")] = "minor",
    model: Annotated[
        list[str] | None, typer.Option(help="Affected model; repeat for several. Default: all.")
    ] = None,
) -> Record:
    """Open an incident and notify subscribed accounts.

    A text in one language is shown in both.
    """
    title, text = LocalText(title_en, title_zh), LocalText(text_en, text_zh)
    new = NewIncident(title, text, impact, tuple(model or ()))
    row = await open_platform_incident(session, clock, CLI_ACTOR, new)
    return Record("Incident opened.", await _json(session, row))


@incidents_app.command("update")
@command
async def incidents_update(
    session: AsyncSession,
    clock: Clock,
    incident: IncidentId,
    status: Annotated[
        str, typer.Argument(help="investigating, identified, monitoring or resolved.")
    ],
    text_en: English = "",
    text_zh: Chinese = "",
) -> Record:
    """Add an update to an incident; `resolved` ends it."""
    new = NewUpdate(status, LocalText(text_en, text_zh))
    row = await update_platform_incident(session, clock, CLI_ACTOR, incident, new)
    return Record("Incident updated.", await _json(session, row))


@incidents_app.command("list")
@command
async def incidents_list(session: AsyncSession, clock: Clock) -> Table:
    """List open incidents and those resolved in the last 14 days."""
    resolved = await list_recent_incidents(session, clock.now())
    rows: Sequence[Incident] = [*await list_open_incidents(session), *resolved]
    return Table([_table_row(incident_json(row, ())) for row in rows], _COLUMNS)


@incidents_app.command("show")
@command
async def incidents_show(session: AsyncSession, incident: IncidentId) -> Record:
    """Show an incident with its updates."""
    return Record("Incident:", await _json(session, await find_incident(session, incident)))


async def _json(session: AsyncSession, row: Incident) -> dict[str, Any]:
    """Return an incident with its updates as JSON."""
    return incident_json(row, (await load_updates(session, [row]))[row.id])


def _table_row(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an incident's fields for a table: title and models as text."""
    models = ", ".join(fields["models"]) or "all"
    return {**fields, "title": fields["title"]["en"], "models": models}
