"""The public status as JSON in the shape of Statuspage's API (`summary.json`, `incidents.json`).

Tools that watch a Statuspage read it unchanged. Times are UTC. Pure.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.incidents.board import StatusSnapshot
from gateway.incidents.fields import Impact, IncidentStatus
from gateway.incidents.views import INCIDENT_ID_PREFIX, UPDATE_ID_PREFIX
from gateway.tables import Incident, IncidentUpdate
from infra import ids

_PLATFORM = "platform"
# From the least to the worst; Statuspage calls planned work `maintenance` too.
_SEVERITY = (Impact.MAINTENANCE, Impact.MINOR, Impact.MAJOR, Impact.CRITICAL)
_COMPONENT_STATUS = {
    None: "operational",
    Impact.MAINTENANCE: "under_maintenance",
    Impact.MINOR: "degraded_performance",
    Impact.MAJOR: "partial_outage",
    Impact.CRITICAL: "major_outage",
}


def worst_impact(incidents: Sequence[Incident]) -> Impact | None:
    """Return the worst impact of open incidents, None if there are none."""
    return max((Impact(row.impact) for row in incidents), key=_SEVERITY.index, default=None)


def summary_json(
    snapshot: StatusSnapshot, now: datetime, language: str, description: str
) -> dict[str, Any]:
    """Return the state of the service, its components and open incidents.

    `components` are the platform and the models that open incidents name. `description` is the
    translated text of the state.
    """
    impact = worst_impact(snapshot.current)
    shown = [_incident_json(row, snapshot, language) for row in snapshot.current]
    planned = [one for one in shown if one["impact"] == Impact.MAINTENANCE]
    return {
        "page": page_json(snapshot, now),
        "status": {"indicator": impact or "none", "description": description},
        "components": _components(snapshot.current),
        "incidents": [one for one in shown if one["impact"] != Impact.MAINTENANCE],
        "scheduled_maintenances": planned,
    }


def incidents_json(snapshot: StatusSnapshot, now: datetime, language: str) -> dict[str, Any]:
    """Return open incidents and those resolved in the last 14 days, open ones first."""
    rows = [*snapshot.current, *snapshot.recent]
    return {
        "page": page_json(snapshot, now),
        "incidents": [_incident_json(row, snapshot, language) for row in rows],
    }


def page_json(snapshot: StatusSnapshot, now: datetime) -> dict[str, Any]:
    """Return the page object: `updated_at` is the time of the newest update, now without one."""
    times = [one.created_at for found in snapshot.updates.values() for one in found]
    return {
        "id": _PLATFORM,
        "name": "MaaS",
        "url": "/status",
        "time_zone": "Etc/UTC",
        "updated_at": max(times, default=now).isoformat(),
    }


def _components(current: Sequence[Incident]) -> list[dict[str, Any]]:
    """Return the platform and each model that an open incident names, with their states."""
    of_all = [row for row in current if not row.models]
    models = sorted({model for row in current for model in row.models})
    by_name = {_PLATFORM: of_all} | {
        model: [row for row in current if model in row.models or not row.models] for model in models
    }
    return [
        {
            "id": name,
            "name": name,
            "status": _COMPONENT_STATUS[worst_impact(rows)],
            "position": position,
        }
        for position, (name, rows) in enumerate(by_name.items(), start=1)
    ]


def _incident_json(row: Incident, snapshot: StatusSnapshot, language: str) -> dict[str, Any]:
    """Return an incident with its updates, newest first."""
    name, updates = ids.format_id(INCIDENT_ID_PREFIX, row.id), snapshot.updates[row.id]
    monitoring = [one for one in updates if one.status == IncidentStatus.MONITORING]
    return {
        "id": name,
        "name": row.title_in(language),
        "status": row.status,
        "impact": row.impact,
        "shortlink": f"/status#{name}",
        "started_at": row.started_at.isoformat(),
        "created_at": row.created_at.isoformat(),
        "updated_at": max(one.created_at for one in updates).isoformat(),
        "monitoring_at": monitoring[-1].created_at.isoformat() if monitoring else None,
        "resolved_at": None if row.resolved_at is None else row.resolved_at.isoformat(),
        "components": [{"id": model, "name": model} for model in row.models],
        "incident_updates": [_update_json(name, one, language) for one in updates],
    }


def _update_json(incident: str, row: IncidentUpdate, language: str) -> dict[str, Any]:
    """Return an update of an incident."""
    return {
        "id": ids.format_id(UPDATE_ID_PREFIX, row.id),
        "incident_id": incident,
        "status": row.status,
        "body": row.text_in(language),
        "created_at": row.created_at.isoformat(),
        "updated_at": row.created_at.isoformat(),
        "display_at": row.created_at.isoformat(),
    }
