"""Add-ons on the plan page and by API, and payment of an invoice from the wallet.

The clock stands at the beginning of a month: the whole fee of an add-on, 31.00, is due for it, and
the invoice of the plan is 310.00.
"""

import re
from collections.abc import AsyncIterator

import pytest

from billing.ledger.wallets import TopUpRequest, top_up_wallet
from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from tests.support.builders import PLENTY, Gateway, Limited
from tests.support.clocks import ShiftedClock
from tests.support.dashboard.firm import Firm, looked_at
from tests.support.dashboard.looking import looker, words
from tests.support.gateway.errors import error_of
from tests.support.gateway.subscribing import SMALL, choose, offer

ADD_ON = """
[[allowance]]
meter = "output_tokens"
quantity = 1000

[[add_on]]
name = "more"
names = { en = "More tokens", zh = "更多 Token" }
fee = "31.00"
max_quantity = 5

[[add_on.allowance]]
meter = "output_tokens"
quantity = 500
"""
PLAN, REVIEW, API = "/dashboard/plan", "/dashboard/plan/add-on", "/v1/subscription/add_ons"


@pytest.fixture
async def firm(limited: Limited) -> AsyncIterator[Firm]:
    """An account on the plan, at the beginning of a month."""
    clock = ShiftedClock()
    clock.to_next_month()
    async with limited(PLENTY, clock=clock) as gateway, looked_at(gateway, clock) as firm:
        await offer(gateway, SMALL + ADD_ON)
        assert (await choose(gateway, "small")).status_code == 200
        yield firm


async def actions(gateway: Gateway) -> list[str]:
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
        return [one.action for one in entries]


async def test_add_on_is_reviewed_bought_and_removed(firm: Firm) -> None:
    owner, http = firm.owner, firm.gateway.http
    shown = words(await owner.page(PLAN))
    assert "More tokens CN¥31.00 per month" in shown
    review = await owner.page(f"{REVIEW}?add_on=more&quantity=2")
    assert "CN¥62.00 including tax" in words(review)
    seen = re.search(r'name="seen" value="([^"]+)"', review)
    assert seen is not None
    fields = {"add_on": "more", "quantity": "2"}
    stale = await owner.send(REVIEW, **fields, seen="0 2 1")
    assert (stale.status_code, "amount has changed" in stale.text) == (422, True)
    done = await owner.send(REVIEW, **fields, seen=seen[1])
    assert done.headers["location"] == f"{PLAN}?done=add-on"
    assert "The add-on is changed" in await owner.page(f"{PLAN}?done=add-on")
    bought = (await http.get("/v1/subscription")).json()["add_ons"]
    assert [(one["add_on"], one["quantity"]) for one in bought] == [("more", 2)]
    newest = (await http.get("/v1/invoices")).json()["data"][0]
    assert newest["total"] == "62.00"
    assert "More tokens" in await owner.page(f"/dashboard/invoices/{newest['id']}")
    assert "Add-ons" in words(await owner.page("/dashboard/invoices"))
    credited = await owner.page(f"{REVIEW}?add_on=more&quantity=1")
    assert "CN¥31.00 including tax are credited" in words(credited)
    same = await owner.page(f"{REVIEW}?add_on=more&quantity=2")
    assert "Nothing is due now." in same
    assert "plan.add_on_changed" in await actions(firm.gateway)
    async with looker(
        firm.gateway.url, firm.gateway.parts, firm.gateway.account.id, Role.VIEWER
    ) as viewer:
        assert "Review change" not in await viewer.page(PLAN)
        await viewer.page(f"{REVIEW}?add_on=more&quantity=1", 403)


async def test_unavailable_add_on_and_quantity_return_to_the_plan(firm: Firm) -> None:
    refused = f"{PLAN}?done=add-on-refused"
    for name, quantity in (("more", "6"), ("more", "x"), ("more", ""), ("seats", "1")):
        fields = {"add_on": name, "quantity": quantity}
        for answer in (
            await firm.owner.http.get(REVIEW, params=fields),
            await firm.owner.send(REVIEW, **fields, seen=""),
        ):
            assert (answer.status_code, answer.headers["location"]) == (303, refused)
    assert "This add-on or quantity is not available." in await firm.owner.page(refused)
    assert "没有" not in await firm.owner.page(refused)


async def test_api_previews_buys_once_per_key_and_names_errors(firm: Firm) -> None:
    http, wanted = firm.gateway.http, {"add_on": "more", "quantity": 1}
    preview = (await http.post(API, json={**wanted, "preview": True})).json()
    assert (preview["total"], preview["quantity_before"]) == ("31.00", 0)
    headers = {"idempotency-key": "a-1"}
    first = await http.post(API, json=wanted, headers=headers)
    again = await http.post(API, json=wanted, headers=headers)
    assert (first.status_code, first.json()) == (200, again.json())
    assert (len(first.json()["invoices"]), first.json()["credited"]) == (1, "0.00")
    removed = (await http.post(API, json={"add_on": "more", "quantity": 0})).json()
    assert (removed["credited"], removed["add_ons"]) == ("31.00", [])
    for body, code in (
        ({"add_on": "more", "quantity": 9}, "add_on_quantity_invalid"),
        ({"add_on": "none", "quantity": 1}, "add_on_not_found"),
        ({"add_on": "more", "quantity": "1"}, "invalid_value"),
    ):
        assert error_of(await http.post(API, json=body))["code"] == code


async def test_invoice_is_paid_from_the_wallet_in_parts(firm: Firm) -> None:
    gateway, http, owner = firm.gateway, firm.gateway.http, firm.owner
    invoice = (await http.get("/v1/invoices")).json()["data"][0]["id"]
    page, pay = f"/dashboard/invoices/{invoice}", f"/v1/invoices/{invoice}/pay"
    assert "Pay from wallet" not in await owner.page(page)
    async with gateway.parts.database.transaction() as session:
        given = TopUpRequest(20_000)
        await top_up_wallet(session, gateway.parts.clock, gateway.account.id, "top-up", given)
    assert "up to CN¥200.00" in words(await owner.page(page))
    fields = {"invoice": invoice, "key": "form-1", "amount": "110.00"}
    for _ in range(2):
        sent = await owner.send("/dashboard/wallet/pay", **fields)
        assert sent.headers["location"] == f"{page}?wallet=paid"
    assert "The payment from the wallet is recorded." in await owner.page(f"{page}?wallet=paid")
    for amount, notice in (
        ("", "wallet-insufficient"),
        ("x", "amount-invalid"),
        ("0", "amount-invalid"),
    ):
        sent = await owner.send("/dashboard/wallet/pay", **{**fields, "key": "b", "amount": amount})
        assert sent.headers["location"] == f"{page}?wallet={notice}"
    short = await http.post(pay, json={"reference": "api-1"})
    assert (short.status_code, error_of(short)["code"]) == (402, "wallet_insufficient")
    part = (await http.post(pay, json={"reference": "api-1", "amount": "90.00"})).json()
    assert (part["status"], part["paid"], part["owed"]) == ("open", "90.00", "110.00")
    assert part["wallet_balance"] == "0.00"
    again = (await http.post(pay, json={"reference": "api-1", "amount": "90.00"})).json()
    assert (again["paid"], again["owed"]) == ("0.00", "110.00")
    async with gateway.parts.database.transaction() as session:
        given = TopUpRequest(11_000)
        await top_up_wallet(session, gateway.parts.clock, gateway.account.id, "second", given)
    settled = (await http.post(pay, json={"reference": "api-2"})).json()
    assert (settled["status"], settled["owed"]) == ("paid", "0.00")
    closed = await http.post(pay, json={"reference": "api-3"})
    assert error_of(closed)["code"] == "invoice_state_wrong"
    sent = await owner.send("/dashboard/wallet/pay", **{**fields, "key": "c"})
    assert sent.headers["location"] == f"{page}?wallet=not-open"
    for wrong in ("inv_1", f"inv_{'0' * 32}"):
        missing = await http.post(f"/v1/invoices/{wrong}/pay", json={"reference": "x"})
        assert error_of(missing)["code"] == "invoice_not_found"
    foreign = await firm.stranger.send("/dashboard/wallet/pay", **fields)
    assert foreign.status_code == 404
    assert (await owner.send("/dashboard/wallet/pay", invoice="x")).status_code == 404
    assert (await actions(gateway)).count("invoice.paid") == 3
