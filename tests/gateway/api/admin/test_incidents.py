"""Incidents through the Admin API: opened, updated, resolved and listed; errors name the field."""

from typing import Any

import httpx

from gateway.identity.audit_log import list_all_entries
from tests.support.builders import Gateway
from tests.support.gateway.admin_keys import admin_client, issue

URL = "/v1/admin/incidents"
NEW = {"title": {"zh": "响应变慢"}, "text": {"en": "We are looking."}, "impact": "major"}


async def error(admin: httpx.AsyncClient, path: str, **body: Any) -> tuple[int, str, str]:
    response = await admin.post(path, json=body)
    found = response.json()["error"]
    return response.status_code, found["code"], found["param"]


async def test_incident_is_opened_once_updated_resolved_and_listed(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    once = {"idempotency-key": "incident-1"}
    opened = await admin.post(URL, json=NEW, headers=once)
    assert (opened.status_code, opened.json()["status"]) == (201, "investigating")
    assert (await admin.post(URL, json=NEW, headers=once)).json() == opened.json()
    one = f"{URL}/{opened.json()['id']}"
    update = {"status": "resolved", "text": {"en": "Fixed."}}
    resolved = (await admin.post(f"{one}/updates", json=update)).json()
    assert resolved["resolved_at"] is not None
    assert [each["text"]["zh"] for each in resolved["updates"]] == ["Fixed.", "We are looking."]
    assert (await admin.get(URL)).json()["data"] == [resolved]
    assert (await admin.get(one)).json() == resolved
    assert await error(admin, f"{one}/updates", **update) == (409, "incident_resolved", None)
    async with gateway.parts.database.transaction() as session:
        entries = await list_all_entries(session, limit=10)
    assert {"incident.opened", "incident.resolved"} <= {entry.action for entry in entries}


async def test_invalid_input_is_refused_with_its_field(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    assert await error(admin, URL, title={}, text={"en": "x"}) == (400, "incident_invalid", "title")
    wrong = {**NEW, "impact": "huge"}
    assert await error(admin, URL, **wrong) == (400, "incident_invalid", "impact")
    late = {**NEW, "started_at": "2999-01-01T00:00:00Z"}
    assert await error(admin, URL, **late) == (400, "incident_invalid", "started_at")
    update = {"status": "resolved", "text": {"en": "x"}}
    for name in ("incident_x", f"incident_{'0' * 32}"):
        found = await error(admin, f"{URL}/{name}/updates", **update)
        assert found == (404, "incident_not_found", "incident")
    reading = await issue(gateway, "reports:read")
    async with admin_client(gateway, reading.secret) as http:
        assert (await error(http, URL, **NEW))[:2] == (403, "admin_scope_missing")
