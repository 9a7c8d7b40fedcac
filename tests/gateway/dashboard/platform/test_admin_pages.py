"""The pages of pending work and of the platform's admin keys."""

import re
from collections.abc import AsyncIterator

import pytest

from gateway.access.admin_scopes import AdminScope
from gateway.identity.audit_log import list_all_entries
from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words
from tests.support.gateway.admin_keys import admin_client
from tests.support.gateway.fapiaos import bill_a_fee

KEYS, INBOX = "/dashboard/platform/admin-keys", "/dashboard/platform/inbox"
NEW = "/dashboard/platform/new-account"


@pytest.fixture(scope="module")
async def operator(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as one:
        yield one


async def test_admin_key_is_created_once_used_and_revoked(
    shared_firm: Firm, operator: Looker
) -> None:
    page = await operator.page(KEYS)
    assert "No admin keys yet" in page
    assert [scope for scope in AdminScope if f"scope:{scope}" not in page] == []
    found = re.search(r'name="id" value="(admk_\w+)"', page)
    assert found is not None
    form = {"id": found[1], "name": "erp", "days": "90", "networks": ""}
    unscoped = await operator.send(KEYS, **form)
    assert (unscoped.status_code, "Choose at least one scope" in unscoped.text) == (422, True)
    form["scope:accounts:read"] = "on"
    made = await operator.send(KEYS, **form)
    secret = re.search(r"maas_admin_\w+", made.text)
    assert secret is not None
    assert (await operator.send(KEYS, **form)).headers["location"] == KEYS
    async with admin_client(shared_firm.gateway, secret[0]) as http:
        assert (await http.get("/v1/admin/accounts")).status_code == 200
        assert (await http.get("/v1/admin/audit_logs")).status_code == 403
        assert "127.0.0.1" in await operator.page(KEYS)
        await operator.send(f"{KEYS}/{found[1]}/revoke")
        assert (await http.get("/v1/admin/accounts")).status_code == 401
    assert "Revoked" in await operator.page(KEYS)
    assert (await operator.send(f"{KEYS}/admk_1/revoke")).status_code == 404


async def test_pending_work_is_listed_and_reconciliation_runs_on_request(
    shared_firm: Firm, operator: Looker
) -> None:
    gateway = shared_firm.gateway
    invoice = await bill_a_fee(gateway)
    body = {"line": 1, "reason": "not delivered"}
    disputed = await gateway.http.post(f"/v1/invoices/{invoice}/disputes", json=body)
    assert disputed.status_code == 200, disputed.text
    shown = words(await operator.page(INBOX))
    assert "Disputed invoice lines to answer 1" in shown
    done = await operator.send(f"{INBOX}/reconcile")
    assert done.headers["location"] == "/dashboard/platform/reconciliation"
    async with gateway.parts.database.transaction() as session:
        actions = {entry.action for entry in await list_all_entries(session, limit=20)}
    assert "records.reconciled" in actions


async def test_account_is_created_on_a_page_once(shared_firm: Firm, operator: Looker) -> None:
    assert NEW in await operator.page("/dashboard/platform/accounts")
    assert "Create account" in await operator.page(NEW)
    made = await operator.send(NEW, name="Delta 机械", currency="USD")
    assert made.headers["location"].startswith("/dashboard/platform/accounts/acct_")
    assert "Delta 机械" in await operator.page(made.headers["location"])
    again = await operator.send(NEW, name="Delta 机械", currency="USD")
    assert (again.status_code, "Another account has this name" in again.text) == (422, True)


async def test_support_sees_the_pages_and_changes_nothing(shared_firm: Firm) -> None:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.SUPPORT) as support:
        assert "Reconcile now" not in await support.page(INBOX)
        assert "Create admin key" not in await support.page(KEYS)
        assert (await support.send(f"{INBOX}/reconcile")).status_code == 403
        assert NEW not in await support.page("/dashboard/platform/accounts")
        assert (await support.send(KEYS, name="x", days="90")).status_code == 403
