"""Plans, invoices, payments, disputes and fapiao through the Admin API."""

import base64
from typing import Any

import httpx
import pytest

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from gateway.identity.audit_log import list_all_entries
from infra import ids
from tests.support.builders import Gateway
from tests.support.gateway.fapiaos import add_title, bill_a_fee, pay

ADMIN = "/v1/admin"
PLAN = """
plan = "growth"
currency = "CNY"
fixed_fee = "{fee}"
list_prices = true

[names]
en = "Growth"
zh = "成长"
"""


@pytest.fixture
def account(gateway: Gateway) -> str:
    return f"{ADMIN}/accounts/{ids.format_id(ACCOUNT_ID_PREFIX, gateway.account.id)}"


async def sent(admin: httpx.AsyncClient, path: str, **body: Any) -> Any:
    response = await admin.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def got(admin: httpx.AsyncClient, path: str, **query: Any) -> Any:
    response = await admin.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def refused(admin: httpx.AsyncClient, path: str, **body: Any) -> Any:
    error = (await admin.post(path, json=body)).json()["error"]
    return error["code"], error["param"]


async def actions(gateway: Gateway) -> set[str]:
    async with gateway.parts.database.transaction() as session:
        return {entry.action for entry in await list_all_entries(session, limit=100)}


async def test_plan_is_previewed_published_and_assigned(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    first = PLAN.format(fee="310.00")
    preview = await sent(admin, f"{ADMIN}/plans/preview", file=first)
    assert (preview["creates_version"], preview["subscribed"]) == (True, [])
    assert (await got(admin, f"{ADMIN}/plans"))["data"] == []
    published = await sent(admin, f"{ADMIN}/plans", file=first)
    assert published["number"] == 1
    subscribed = await sent(admin, f"{account}/subscription", plan="growth")
    assert len(subscribed["invoices"]) == 1
    second = PLAN.format(fee="400.00")
    preview = await sent(admin, f"{ADMIN}/plans/preview", file=second)
    assert [one["name"] for one in preview["subscribed"]] == [gateway.account.name]
    assert (preview["replaces"], preview["plan"]["number"]) == (1, 2)
    await sent(admin, f"{ADMIN}/plans", file=second, listed=False)
    versions = (await got(admin, f"{ADMIN}/plans"))["data"]
    assert [(one["number"], one["accounts"]) for one in versions] == [(2, 0), (1, 1)]
    assert (await got(admin, f"{ADMIN}/plans/growth"))["fixed_fee"] == "400.00"
    await sent(admin, f"{account}/subscription/cancel")
    await sent(admin, f"{account}/subscription/resume")
    assert (await got(admin, f"{account}/subscription"))["ends_at"] is None
    assert {"plan.published", "plan.changed", "plan.resumed"} <= await actions(gateway)
    wrong = first.replace("310.00", "many")
    assert (await refused(admin, f"{ADMIN}/plans", file=wrong))[0] == "plan_terms_invalid"


async def test_invoice_is_paid_credited_and_voided_once(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    await bill_a_fee(gateway)
    (listed,) = (await got(admin, f"{account}/invoices"))["data"]
    invoice = f"{account}/invoices/{listed['number']}"
    assert (await got(admin, invoice))["total"] == listed["total"]
    payment = {"amount": "1.00", "reference": "bank 1"}
    paid = await sent(admin, f"{invoice}/payments", **payment)
    assert (paid["paid"], paid["status"]) == ("1.00", "open")
    assert await sent(admin, f"{invoice}/payments", **payment) == paid
    note = {"amount": "1.00", "reason": "goodwill", "reference": "note 1"}
    credited = await sent(admin, f"{invoice}/credit_notes", **note)
    assert credited["credited"] == "1.00"
    assert (await refused(admin, f"{invoice}/void"))[0] == "invoice_state_wrong"
    assert (await sent(admin, f"{invoice}/write_off"))["status"] == "uncollectible"
    assert await refused(admin, f"{invoice}/payments", amount="x", reference="r") == (
        "payment_invalid",
        "amount",
    )
    entries = await got(admin, f"{ADMIN}/audit_logs", **{"event_types[]": "invoice.paid"})
    (entry,) = entries["data"]
    assert entry["invoice.paid"]["data"]["reference"] == "bank 1"
    assert entry["account"] == account.rpartition("/")[2]
    assert (await got(admin, f"{account}/invoices/preview"))["object"] == "invoice"
    assert await sent(admin, f"{ADMIN}/billing_runs") == {"object": "billing_run", "invoices": []}


async def test_bank_statement_is_imported_and_transfer_confirmed(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    await bill_a_fee(gateway)
    (listed,) = (await got(admin, f"{account}/invoices"))["data"]
    header = "交易日期,贷方发生额,对方户名,附言,交易流水号"
    row = f"2026-11-03,{listed['owed']},Acme,{listed['number']},S1"
    statement = {"name": "november.csv", "content": f"{header}\n{row}\n2026-11-03,x,Nobody,,S3\n"}
    imported = await sent(admin, f"{ADMIN}/bank_lines/import", **statement)
    assert (imported["new"], len(imported["problems"])) == (1, 1)
    (line,) = (await got(admin, f"{ADMIN}/bank_lines"))["data"]
    confirmed = await sent(
        admin, f"{ADMIN}/bank_lines/{line['id']}/confirm", invoice=listed["number"]
    )
    assert confirmed["status"] == "confirmed"
    assert (await got(admin, f"{account}/invoices/{listed['id']}"))["status"] == "paid"
    assert (await sent(admin, f"{ADMIN}/bank_lines/confirm_exact"))["confirmed"] == 0
    assert (await refused(admin, f"{ADMIN}/bank_lines/bkl_1/reject"))[0] == "bank_line_not_found"


async def test_disputed_line_is_answered_with_a_credit_note(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    invoice = await bill_a_fee(gateway)
    opened = await gateway.http.post(
        f"/v1/invoices/{invoice}/disputes", json={"line": 1, "reason": "not delivered"}
    )
    assert opened.status_code == 200, opened.text
    (dispute,) = (await got(admin, f"{ADMIN}/line_disputes"))["data"]
    path = f"{account}/line_disputes/{dispute['id']}/answer"
    answered = await sent(admin, path, answer="You are right.", credit="1.00")
    assert answered["credit_note"] is not None
    assert (await got(admin, f"{ADMIN}/line_disputes"))["data"] == []
    assert (await refused(admin, path, answer="again"))[0] == "line_dispute_state_wrong"
    assert (await got(admin, f"{account}/outcome_disputes"))["data"] == []
    unknown = f"{account}/outcome_disputes/odsp_1/decide"
    assert (await refused(admin, unknown, side="nobody", by="Li"))[1] == "side"


async def test_fapiao_is_exported_rejected_and_its_tax_code_changed(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    fapiao, invoice = f"{ADMIN}/fapiao", await bill_a_fee(gateway)
    await pay(gateway, invoice)
    await add_title(gateway)
    requested = await gateway.http.post("/v1/fapiao", json={"invoice": invoice})
    assert requested.status_code == 200, requested.text
    (waiting,) = (await got(admin, fapiao))["data"]
    key = {"idempotency-key": "batch 1"}
    batch = (await admin.post(f"{fapiao}/batches", json={}, headers=key)).json()
    assert batch["fapiao"] == [waiting["serial"]]
    assert base64.b64decode(batch["files"][0]["content"])[:2] == b"PK"
    again = await admin.post(f"{fapiao}/batches", json={}, headers=key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (batch, "true")
    assert (await sent(admin, f"{fapiao}/batches", batch=batch["id"]))["id"] == batch["id"]
    rejected = await sent(admin, f"{fapiao}/{waiting['serial']}/reject", reason="wrong title")
    assert rejected["status"] == "rejected"
    code = {"code": "3040201010000000000", "item": "信息系统服务"}
    assert (await sent(admin, f"{fapiao}/categories/*", **code))["item"] == code["item"]
    assert (await got(admin, f"{fapiao}/categories"))["data"][0]["product"] == "*"
    assert (await admin.delete(f"{fapiao}/categories/*")).json()["code"] is None
    assert await refused(admin, f"{fapiao}/results", name="a.csv", content="#") == (
        "invalid_value",
        "content",
    )


async def test_reports_and_reconciliation_cover_calls_and_invoices(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    await gateway.chat("w")
    await bill_a_fee(gateway)
    (call,) = (await got(admin, f"{ADMIN}/reports/usage", account=gateway.account.name))["data"]
    assert call["status"] == 200
    for report in ("margin", "revenue", "receivables", "deliveries"):
        assert (await got(admin, f"{ADMIN}/reports/{report}"))["object"].startswith(
            ("list", "report")
        )
    revenue = await got(admin, f"{ADMIN}/reports/revenue", by="account")
    assert [one["value"] for one in revenue["data"]] != []
    done = await sent(admin, f"{ADMIN}/reconciliations", all_rows=True)
    assert done["differences"] == []
    (run,) = (await got(admin, f"{ADMIN}/reconciliations"))["data"]
    assert (run["source"], run["difference_count"]) == ("command", 0)
    early = await admin.get(f"{ADMIN}/reports/margin", params={"since": "2999-01-01"})
    assert early.json()["error"]["param"] == "since"


async def test_entities_people_and_payment_orders_are_listed(
    gateway: Gateway, admin: httpx.AsyncClient, account: str
) -> None:
    added = await sent(admin, f"{ADMIN}/entities", code="BETA", name="Beta GmbH")
    changed = await sent(admin, f"{ADMIN}/entities/BETA", address="Ulm")
    assert (added["name"], changed["address"]) == ("Beta GmbH", "Ulm")
    assert "BETA" in {one["code"] for one in (await got(admin, f"{ADMIN}/entities"))["data"]}
    invited = await sent(admin, f"{account}/invites", email="wu@acme.example", role="owner")
    assert invited["role"] == "owner"
    assert "link" not in invited
    role = {"email": "li@acme.example", "role": "operator"}
    assert (await refused(admin, f"{account}/invites", **role))[0] == "role_invalid"
    key = await sent(admin, f"{account}/admin_keys", name="portal", expires_in_days=1)
    assert (key["scopes"], key["secret"][:11]) == (None, "maas_admin_")
    for path in ("people", "payment_orders", "payment_discrepancies"):
        assert (await got(admin, f"{ADMIN}/{path}"))["data"] == []
    missing = await admin.get(f"{ADMIN}/payment_orders/pord_1")
    assert missing.json()["error"]["code"] == "payment_order_not_found"
    refund = {"amount": "1.00", "reason": "r", "reference": "r"}
    unknown = f"{ADMIN}/payment_orders/pord_1/refunds"
    assert (await refused(admin, unknown, **refund))[0] == "payment_order_not_found"
    resolve = f"{ADMIN}/payment_discrepancies/pdis_1/resolve"
    assert (await refused(admin, resolve, reason="x"))[0] == "payment_discrepancy_not_found"
