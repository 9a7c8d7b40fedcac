"""`/v1/organization/projects` with the official client and over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI

from infra import ids
from tests.support import builders
from tests.support.builders import Gateway, customer
from tests.support.gateway.customers import client as openai_client
from tests.support.gateway.errors import error_of

_PATH = "/v1/organization/projects"


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with openai_client(gateway.url, gateway.key.secret) as opened:
        client = opened.with_options(admin_api_key=gateway.key.secret)
        yield client


async def created(gateway: Gateway, name: str = "Line 3", **body: Any) -> dict[str, Any]:
    answer = await gateway.http.post(_PATH, json={"name": name, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def call(gateway: Gateway, secret: str) -> Any:
    headers = {"authorization": f"Bearer {secret}"}
    async with builders.client(gateway.url, headers) as http:
        body = {"model": builders.CHAT, "messages": [{"role": "user", "content": "a"}]}
        return await http.post("/v1/chat/completions", json={**body, "max_tokens": 2})


async def test_official_client_manages_projects(client: AsyncOpenAI, gateway: Gateway) -> None:
    projects = client.admin.organization.projects
    made = await projects.create(name=" 涂装车间 ")
    assert (made.name, made.status, made.object) == ("涂装车间", "active", "organization.project")
    page = await projects.list()
    assert [one.id for one in page.data] == [
        ids.format_id("proj", gateway.account.id),
        made.id,
    ]
    renamed = await projects.update(made.id, name="Paint shop")
    assert renamed.name == "Paint shop"
    account = await projects.service_accounts.create(made.id, name="PLC 7")
    assert account.api_key is not None
    assert account.id.startswith("svc_acct_")
    assert (await call(gateway, account.api_key.value)).status_code == 200
    keys = await projects.api_keys.list(made.id)
    assert [key.name for key in keys.data] == ["PLC 7"]
    row = await gateway.row()
    assert row["project_id"] == made.id
    deleted = await projects.service_accounts.delete(account.id, project_id=made.id)
    assert deleted.deleted
    await gateway.caught_up()
    refused = await call(gateway, account.api_key.value)
    assert (refused.status_code, error_of(refused)["code"]) == (401, "api_key_revoked")
    archived = await projects.archive(made.id)
    assert (archived.status, archived.archived_at is not None) == ("archived", True)
    assert [one.id for one in (await projects.list()).data] == [
        ids.format_id("proj", gateway.account.id)
    ]


async def test_budget_is_set_shown_and_removed(gateway: Gateway) -> None:
    budget = {"daily": "12.5", "total": "100", "alert_percentages": [80, 50, 80]}
    made = await created(gateway, budget=budget)
    assert made["budget"]["daily"]["limit"] == "12.500000000"
    assert made["budget"]["daily"]["spent"] == "0.000000000"
    assert made["budget"]["monthly"] is None
    assert made["budget"]["total"]["resets_at"] is None
    assert made["budget"]["alert_percentages"] == [50, 80]
    address = f"{_PATH}/{made['id']}"
    changed = await gateway.http.post(address, json={"budget": {"daily": None, "monthly": "0"}})
    shown = changed.json()["budget"]
    assert (shown["daily"], shown["monthly"]["limit"]) == (None, "0.000000000")
    assert shown["total"]["limit"] == "100.000000000"
    assert (await gateway.http.get(address)).json() == changed.json()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "  "}, 400, "project_name_invalid"),
        ({"name": "x" * 101}, 400, "project_name_invalid"),
        ({"name": "line 3"}, 409, "project_name_taken"),
        ({"name": "B", "budget": {"daily": "-1"}}, 400, "budget_invalid"),
        ({"name": "B", "budget": {"daily": "many"}}, 400, "budget_invalid"),
        ({"name": "B", "budget": {"total": "2000000000"}}, 400, "limit_invalid"),
        ({"name": "B", "budget": {"alert_percentages": [0]}}, 400, "budget_invalid"),
        ({"name": "B", "budget": {"weekly": "1"}}, 400, None),
        ({"name": 7}, 400, None),
    ],
)
async def test_invalid_project_is_refused_and_nothing_is_created(
    gateway: Gateway, body: dict[str, Any], status: int, code: str | None
) -> None:
    await created(gateway)
    answer = await gateway.http.post(_PATH, json=body)
    assert answer.status_code == status
    assert code is None or error_of(answer)["code"] == code
    listed = (await gateway.http.get(_PATH)).json()["data"]
    assert [one["name"] for one in listed] == ["Default project", "Line 3"]


async def test_unknown_foreign_archived_and_default_projects(gateway: Gateway) -> None:
    made = await created(gateway)
    default = ids.format_id("proj", gateway.account.id)
    other, key = await customer(gateway.parts.database, gateway.parts.settings, "Bolt")
    refused = await gateway.http.post(f"{_PATH}/{default}/archive")
    assert (refused.status_code, error_of(refused)["code"]) == (409, "default_project")
    for project in ("proj_x", ids.format_id("proj", ids.new_id()), made["id"].replace("proj", "p")):
        answer = await gateway.http.get(f"{_PATH}/{project}")
        assert (answer.status_code, error_of(answer)["code"]) == (404, "project_not_found")
    headers = {"authorization": f"Bearer {key.secret}"}
    async with builders.client(gateway.url, headers) as http:
        for path in ("", "/users", "/service_accounts", "/api_keys"):
            answer = await http.get(f"{_PATH}/{made['id']}{path}")
            assert (answer.status_code, error_of(answer)["code"]) == (404, "project_not_found")
        moved = await http.post(
            f"{_PATH}/{ids.format_id('proj', other.id)}/api_keys",
            json={"id": ids.format_id("key", gateway.key.row.id)},
        )
        assert (moved.status_code, error_of(moved)["code"]) == (404, "key_not_found")
    for _ in range(2):
        assert (await gateway.http.post(f"{_PATH}/{made['id']}/archive")).status_code == 200
    for path, body in (
        ("", {"name": "C"}),
        ("", {"budget": {"daily": "1"}}),
        ("/service_accounts", {"name": "C"}),
        ("/api_keys", {"name": "C"}),
        ("/users", {"email": "a@example.com", "role": "member"}),
    ):
        answer = await gateway.http.post(f"{_PATH}/{made['id']}{path}", json=body)
        assert (answer.status_code, error_of(answer)["code"]) == (409, "project_not_active")
    # The name of an archived project can be used again.
    assert (await created(gateway))["id"] != made["id"]


async def test_key_of_a_project_cannot_manage_projects(gateway: Gateway) -> None:
    made = await created(gateway)
    address = f"{_PATH}/{made['id']}/api_keys"
    key = (await gateway.http.post(address, json={"name": "line"})).json()
    headers = {"authorization": f"Bearer {key['value']}"}
    async with builders.client(gateway.url, headers) as http:
        answer = await http.post(f"{_PATH}/{made['id']}", json={"budget": {"daily": "9"}})
    assert answer.status_code == 403
    assert error_of(answer)["code"] == "project_change_not_allowed"
    shown = (await gateway.http.get(f"{address}/{key['id']}")).json()
    assert shown["redacted_value"].startswith("maas_")
    assert "value" not in shown
    assert (await gateway.http.delete(f"{address}/{key['id']}")).json()["deleted"]
    default = ids.format_id("proj", gateway.account.id)
    answer = await gateway.http.delete(f"{_PATH}/{default}/api_keys/{key['id']}")
    assert (answer.status_code, error_of(answer)["code"]) == (404, "key_not_found")


async def test_key_of_a_service_account_cannot_be_moved(gateway: Gateway) -> None:
    made = await created(gateway)
    account = (
        await gateway.http.post(f"{_PATH}/{made['id']}/service_accounts", json={"name": "PLC"})
    ).json()
    again = await gateway.http.post(f"{_PATH}/{made['id']}/service_accounts", json={"name": "plc"})
    assert (again.status_code, error_of(again)["code"]) == (409, "project_name_taken")
    default = ids.format_id("proj", gateway.account.id)
    answer = await gateway.http.post(
        f"{_PATH}/{default}/api_keys", json={"id": account["api_key"]["id"]}
    )
    assert (answer.status_code, error_of(answer)["code"]) == (409, "service_account_key")
    shown = (await gateway.http.get(f"{_PATH}/{made['id']}/service_accounts")).json()
    assert [one["id"] for one in shown["data"]] == [account["id"]]
    for wrong in ("svc_acct_x", ids.format_id("svc_acct", ids.new_id())):
        address = f"{_PATH}/{made['id']}/service_accounts/{wrong}"
        answer = await gateway.http.delete(address)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "service_account_not_found")
