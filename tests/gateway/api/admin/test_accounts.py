"""Accounts, keys, limits and wallets through the Admin API."""

from typing import Any

import httpx
import pytest

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from gateway.identity.audit_log import list_account_entries
from infra import ids
from tests.support.builders import Gateway
from tests.support.gateway.admin_keys import admin_client

ACCOUNTS = "/v1/admin/accounts"


def error(response: httpx.Response) -> tuple[int, str, Any]:
    body = response.json()["error"]
    return response.status_code, body["code"], body["param"]


@pytest.fixture
def account(gateway: Gateway) -> str:
    return f"{ACCOUNTS}/{ids.format_id(ACCOUNT_ID_PREFIX, gateway.account.id)}"


async def test_created_account_is_listed_and_can_call_with_its_key(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    created = await admin.post(ACCOUNTS, json={"name": "Beta 机械", "currency": "cny"})
    assert created.status_code == 200, created.text
    account = created.json()
    first = (await admin.get(ACCOUNTS, params={"limit": 1})).json()
    assert [one["id"] for one in first["data"]] == [account["id"]]
    rest = await admin.get(ACCOUNTS, params={"limit": 1, "after": account["id"]})
    assert [one["name"] for one in rest.json()["data"]] == [gateway.account.name]
    assert (first["has_more"], rest.json()["has_more"]) == (True, False)
    key = (await admin.post(f"{ACCOUNTS}/{account['id']}/keys", json={"name": "line 3"})).json()
    async with admin_client(gateway, key["secret"]) as http:
        assert (await http.get("/v1/usage")).status_code == 200
    revoked = await admin.delete(f"{ACCOUNTS}/{account['id']}/keys/{key['id']}")
    assert revoked.json()["revoked_at"] is not None


async def test_repeated_idempotency_key_creates_one_account(admin: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "one"}
    body = {"name": "Gamma"}
    first = await admin.post(ACCOUNTS, json=body, headers=headers)
    again = await admin.post(ACCOUNTS, json=body, headers=headers)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    other = await admin.post(ACCOUNTS, json={"name": "Delta"}, headers=headers)
    assert error(other) == (422, "idempotency_key_reused", "Idempotency-Key")
    taken = await admin.post(ACCOUNTS, json=body)
    assert error(taken)[:2] == (409, "account_name_taken")


async def test_settings_of_account_change_and_are_audited(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    body = {"tax_rate": "6", "name": "Acme GmbH", "collection": "manual"}
    changed = await admin.post(account, json=body)
    billing = changed.json()["billing"]
    assert (billing["tax_rate"], billing["name"]) == ("6", "Acme GmbH")
    assert (await admin.get(account)).json() == changed.json()
    async with gateway.parts.database.transaction() as session:
        (entry, *_) = await list_account_entries(session, gateway.account.id)
    assert entry.action == "account.profile_changed"
    assert entry.details["request"] == changed.headers["x-request-id"]
    assert entry.details["key"].startswith("admk_")
    assert entry.address == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("", {"tax_rate": "x"}, (400, "billing_profile_invalid", "tax_ppm")),
        ("", {"seller": "NOBODY"}, (404, "legal_entity_not_found", "code")),
        ("", {"unknown": 1}, (400, "invalid_value", "unknown")),
        ("/suspend", {"reason": "x"}, (400, "reason_missing", "reason")),
        ("/limits", {"requests": "many"}, (400, "limit_invalid", "requests")),
        ("/wallet/grants", {"amount": "-1", "reference": "r"}, (400, "top_up_invalid", "amount")),
        ("/keys", {"networks": ["here"]}, (400, "networks_unreadable", "networks")),
        ("/keys/key_1/rotate", {"overlap_hours": -1}, (400, "invalid_value", "overlap_hours")),
    ],
)
async def test_invalid_change_is_refused_and_names_the_field(
    admin: httpx.AsyncClient, account: str, path: str, body: Any, expected: tuple[int, str, Any]
) -> None:
    assert error(await admin.post(account + path, json=body)) == expected


async def test_suspended_account_is_refused_until_it_is_resumed(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    reason = {"reason": "contract ended"}
    assert (await admin.post(f"{account}/suspend", json=reason)).json()["status"] == "suspended"
    await gateway.until(429)
    assert (await admin.post(f"{account}/resume", json=reason)).json()["status"] == "active"
    await gateway.until(200)


async def test_limits_and_wallet_change_what_is_available(
    admin: httpx.AsyncClient, account: str
) -> None:
    limits = (
        await admin.post(f"{account}/limits", json={"credit_limit": "5", "requests": 7})
    ).json()
    by_kind = {row["kind"]: row["limit"] for row in limits["limits"] if row["key"] is None}
    assert (limits["available"]["amount"], by_kind["requests_per_minute"]) == ("5.000000000", 7)
    grant = {"amount": "50.00", "reference": "transfer 1"}
    first = (await admin.post(f"{account}/wallet/grants", json=grant)).json()
    assert (await admin.post(f"{account}/wallet/grants", json=grant)).json() == first
    assert (await admin.get(f"{account}/wallet")).json()["balance"] == "50.00"
    (key,) = (await admin.get(f"{account}/keys")).json()["data"]
    body = {"monthly_budget": "2", "daily_budget": "1.5", "total_budget": "9", "streams": "none"}
    await admin.post(f"{account}/keys/{key['id']}/limits", json=body)
    await admin.post(f"{account}/keys/{key['id']}/limits", json={"total_budget": "none"})
    rows = (await admin.get(f"{account}/limits")).json()["limits"]
    budgets = {(row["of"], row["limit"]) for row in rows if row["kind"] == "budget"}
    assert budgets == {(None, "2.000000000"), ("day", "1.500000000"), ("total", None)}
    for wrong in ("-1", "x"):
        refused = await admin.post(
            f"{account}/keys/{key['id']}/limits", json={"daily_budget": wrong}
        )
        assert error(refused)[:2] == (400, "limit_invalid")


async def test_key_changes_its_scope_and_rotates(admin: httpx.AsyncClient, account: str) -> None:
    (key,) = (await admin.get(f"{account}/keys")).json()["data"]
    path = f"{account}/keys/{key['id']}"
    body = {"name": "press", "networks": ["10.0.0.0/8"], "service_tiers": ["flex"]}
    changed = (await admin.post(path, json=body)).json()
    assert {name: changed[name] for name in body} == body
    kept = (await admin.post(path, json={"networks": []})).json()
    assert (kept["networks"], kept["service_tiers"], kept["name"]) == (None, ["flex"], "press")
    rotated = await admin.post(f"{path}/rotate", json={"overlap_hours": 0})
    assert rotated.json()["secret"].startswith("maas_")
    assert error(await admin.post(f"{path}/rotate"))[:2] == (409, "key_not_active")


async def test_unknown_account_is_not_found(admin: httpx.AsyncClient) -> None:
    missing = ids.format_id(ACCOUNT_ID_PREFIX, ids.new_id())
    for path in ("", "/keys", "/limits", "/wallet"):
        assert error(await admin.get(f"{ACCOUNTS}/{missing}{path}"))[:2] == (
            404,
            "account_not_found",
        )
