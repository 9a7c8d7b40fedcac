"""The public status as JSON: worst impact, components, and Statuspage's fields of incidents."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.incidents.board import StatusSnapshot
from gateway.incidents.fields import Impact
from gateway.incidents.summary import incidents_json, summary_json, worst_impact
from gateway.tables import Incident, IncidentUpdate
from infra import ids

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)


def incident(impact: str, models: tuple[str, ...] = (), resolved: bool = False) -> Incident:
    return Incident(
        id=ids.new_id(),
        impact=impact,
        status="resolved" if resolved else "investigating",
        title_en="Slow answers",
        title_zh="响应变慢",
        models=list(models),
        started_at=NOW - timedelta(hours=2),
        created_at=NOW - timedelta(hours=1),
        resolved_at=NOW if resolved else None,
    )


def snapshot(current: list[Incident], recent: list[Incident] | None = None) -> StatusSnapshot:
    rows = [*current, *(recent or [])]
    updates = {
        row.id: [
            IncidentUpdate(
                id=ids.new_id(),
                incident_id=row.id,
                status=status,
                text_en=f"{status}.",
                text_zh=f"{status}。",
                created_at=NOW - timedelta(minutes=minutes),
            )
            for status, minutes in (("monitoring", 10), ("investigating", 60))
        ]
        for row in rows
    }
    return StatusSnapshot(current, recent or [], updates)


def states(current: list[Incident]) -> dict[str, str]:
    found = summary_json(snapshot(current), NOW, "en", "")["components"]
    return {one["name"]: one["status"] for one in found}


@pytest.mark.parametrize(
    ("impacts", "worst"),
    [
        ((), None),
        (("maintenance",), "maintenance"),
        (("maintenance", "minor"), "minor"),
        (("critical", "major", "minor"), "critical"),
    ],
)
def test_worst_impact_of_open_incidents_is_the_state(
    impacts: tuple[str, ...], worst: str | None
) -> None:
    found = worst_impact([incident(one) for one in impacts])
    assert found == (None if worst is None else Impact(worst))


def test_service_without_incidents_is_operational_as_of_now() -> None:
    found = summary_json(snapshot([]), NOW, "en", "fine")
    assert found["status"] == {"indicator": "none", "description": "fine"}
    assert found["page"]["updated_at"] == NOW.isoformat()
    assert (found["incidents"], found["scheduled_maintenances"]) == ([], [])
    assert states([]) == {"platform": "operational"}


def test_components_are_the_platform_and_the_named_models() -> None:
    assert states([incident("major", ("llm", "vib"))]) == {
        "platform": "operational",
        "llm": "partial_outage",
        "vib": "partial_outage",
    }
    assert states([incident("minor", ("llm",)), incident("critical")]) == {
        "platform": "major_outage",
        "llm": "major_outage",
    }


def test_maintenance_is_listed_apart_from_incidents() -> None:
    found = summary_json(snapshot([incident("maintenance"), incident("minor")]), NOW, "en", "")
    assert [one["impact"] for one in found["incidents"]] == ["minor"]
    assert [one["impact"] for one in found["scheduled_maintenances"]] == ["maintenance"]


def test_incident_has_its_texts_in_the_language_and_its_times() -> None:
    row = incident("major", ("llm",))
    (found,) = summary_json(snapshot([row]), NOW, "zh", "")["incidents"]
    name = ids.format_id("incident", row.id)
    assert (found["id"], found["name"], found["shortlink"]) == (name, "响应变慢", f"/status#{name}")
    assert found["started_at"] == "2026-05-04T06:00:00+00:00"
    assert found["updated_at"] == found["monitoring_at"] == "2026-05-04T07:50:00+00:00"
    assert found["resolved_at"] is None
    newest, oldest = found["incident_updates"]
    assert (newest["status"], oldest["body"]) == ("monitoring", "investigating。")
    assert newest["incident_id"] == name


def test_list_has_open_and_resolved_incidents() -> None:
    shown = snapshot([incident("minor")], [incident("major", resolved=True)])
    found = incidents_json(shown, NOW, "en")["incidents"]
    assert [one["status"] for one in found] == ["investigating", "resolved"]
    assert found[1]["resolved_at"] == NOW.isoformat()
