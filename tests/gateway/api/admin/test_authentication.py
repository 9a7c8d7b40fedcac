"""Who may use the Admin API: keys, scopes, networks, throttling, rate limit."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.access.admin_keys import revoke_admin_key
from gateway.access.admin_scopes import AdminScope
from gateway.access.key_format import ADMIN_KEY_PREFIX, generate_api_key
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.admin_key_views import admin_key_json
from tests.support.billing.making import sql
from tests.support.builders import Gateway
from tests.support.gateway.admin_keys import admin_client, issue

PATH = "/v1/admin/accounts"


async def asked(gateway: Gateway, secret: str, path: str = PATH) -> tuple[int, str | None]:
    async with admin_client(gateway, secret) as http:
        response = await http.get(path)
    return response.status_code, response.json().get("error", {}).get("code")


async def test_platform_key_needs_the_scope_that_the_error_names(gateway: Gateway) -> None:
    key = await issue(gateway, AdminScope.REPORTS_READ)
    async with admin_client(gateway, key.secret) as http:
        response = await http.get(PATH)
    assert response.status_code == 403
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("admin_scope_missing", "accounts:read")
    assert "accounts:read" in error["message"]
    assert response.headers["x-request-id"].startswith("req_")


async def test_keys_of_other_kinds_are_refused(gateway: Gateway) -> None:
    assert await asked(gateway, gateway.key.secret) == (401, "admin_key_required")
    account_key = await issue(gateway, account_id=gateway.account.id)
    assert await asked(gateway, account_key.secret) == (401, "admin_key_required")
    assert await asked(gateway, generate_api_key(ADMIN_KEY_PREFIX)) == (401, "admin_key_required")


async def test_admin_keys_cannot_call_models(gateway: Gateway) -> None:
    platform = await issue(gateway)
    account = await issue(gateway, account_id=gateway.account.id)
    for key in (platform, account):
        for path in ("/v1/models", "/v1/usage"):
            assert await asked(gateway, key.secret, path) == (401, "invalid_api_key")
        async with admin_client(gateway, key.secret) as http:
            chat = await http.post("/v1/chat/completions", json={"model": "m", "messages": []})
        assert chat.status_code == 401


async def test_revoked_expired_and_foreign_network_keys_are_refused(gateway: Gateway) -> None:
    revoked = await issue(gateway)
    public_id = admin_key_json(revoked.row)["id"]
    async with gateway.parts.database.transaction() as session:
        await revoke_admin_key(session, gateway.parts.clock, CLI_ACTOR, None, public_id)
    assert await asked(gateway, revoked.secret) == (401, "api_key_revoked")
    expired = await issue(gateway, lifetime=timedelta(days=1))
    await sql(
        gateway.parts.database,
        "update admin_key set expires_at = created_at where expires_at is not null",
    )
    assert await asked(gateway, expired.secret) == (401, "api_key_expired")
    elsewhere = await issue(gateway, networks="203.0.113.0/24")
    assert await asked(gateway, elsewhere.secret) == (403, "api_key_network")
    here = await issue(gateway, networks="127.0.0.0/8")
    assert (await asked(gateway, here.secret))[0] == 200


async def test_network_with_many_failures_is_locked_out_for_a_while(gateway: Gateway) -> None:
    key = await issue(gateway)
    async with admin_client(gateway, gateway.key.secret) as http:
        codes = [(await http.get(PATH)).status_code for _ in range(20)]
        refused = await http.get(PATH)
    assert set(codes) == {401}
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "locked_out")
    assert int(refused.headers["retry-after"]) > 0
    assert await asked(gateway, key.secret) == (429, "locked_out")
    await sql(gateway.parts.database, "update attempts set locked_until = now()")
    assert (await asked(gateway, key.secret))[0] == 200


async def test_key_records_its_use_and_has_a_rate_limit(gateway: Gateway) -> None:
    key = await issue(gateway)
    assert (await asked(gateway, key.secret))[0] == 200
    found: Any = await sql(
        gateway.parts.database, "select last_used_at, last_address, window_requests from admin_key"
    )
    ((used, address, requests),) = found
    assert (used is not None, address, requests) == (True, "127.0.0.1", 1)
    await sql(gateway.parts.database, "update admin_key set window_requests = 600")
    async with admin_client(gateway, key.secret) as http:
        refused = await http.get(PATH)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    await sql(
        gateway.parts.database,
        "update admin_key set window_started_at = now() - interval '61 seconds'",
    )
    assert (await asked(gateway, key.secret))[0] == 200


async def test_missing_key_is_named_and_large_body_is_refused(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    gateway.http.headers.pop("authorization")
    missing = await gateway.http.get(PATH)
    assert (missing.status_code, missing.json()["error"]["code"]) == (401, "missing_api_key")
    large = await admin.post(PATH, content=b" " * ((1 << 20) + 1))
    assert large.status_code == 413
    assert large.json()["error"]["code"] == "request_too_large"


async def test_requests_are_counted_by_area_and_status(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    await admin.get(PATH)
    await admin.get(f"{PATH}/nobody")
    text = gateway.parts.metrics.exposition()[0].decode()
    counted = 'maas_admin_requests_total{area="/v1/admin/accounts",method="GET",status="%d"} 1.0'
    assert [counted % status in text for status in (200, 404)] == [True, True]


@pytest.mark.parametrize("scopes", [[], ["accounts:own"]])
async def test_platform_key_without_valid_scope_is_not_created(
    gateway: Gateway, scopes: list[str]
) -> None:
    with pytest.raises(Exception, match=r"[Ss]cope"):
        await issue(gateway, *(scopes or [""]))
