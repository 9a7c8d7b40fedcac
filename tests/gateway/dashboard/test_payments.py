"""Pages of payment by QR code: the wallet, the code, its cancellation, and the operator's list."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from billing.rating.plan_file import list_price_terms
from billing.subscriptions.plans import publish_plan
from gateway.identity.roles import Role
from tests.support.builders import Limited
from tests.support.clocks import ShiftedClock
from tests.support.dashboard.looking import Looker, looker
from tests.support.gateway.payments import PaidGateway, run_paid_gateway
from tests.support.stories.story import LISTED, Firm, Story


@pytest.fixture
async def paid(
    limited: Limited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PaidGateway]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with run_paid_gateway(limited, tmp_path) as running:
        yield running


async def top_up(who: Looker, amount: str, method: str) -> httpx.Response:
    page = await who.page("/dashboard/wallet")
    key = re.search(r'name="key" value="(\w+)"', page)
    assert key is not None
    return await who.send("/dashboard/wallet", key=key[1], amount=amount, method=method)


async def test_customer_tops_up_by_code_and_cancels_another_payment(paid: PaidGateway) -> None:
    gateway = paid.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, Role.FINANCE) as who:
        wrong = await top_up(who, "0.10", "alipay")
        assert (wrong.status_code, "within the limits" in wrong.text) == (422, True)
        answer = await top_up(who, "25.00", "alipay")
        assert answer.status_code == 303
        address = answer.headers["location"]
        page = await who.page(address)
        assert 'class="qr"' in page
        assert "Scan this code with Alipay" in page
        assert 'hx-trigger="every 2s"' in page
        number = address.rpartition("pord_")[2]
        paid.alipay.pays(number)
        body, headers = paid.alipay.payment_notification(number)
        path = "/collectors/alipay/notifications"
        assert (await gateway.http.post(path, content=body, headers=headers)).text == "success"
        part = await who.page(f"{address}/status")
        assert "added to your wallet" in part
        assert "hx-trigger" not in part
        wallet = await who.page("/dashboard/wallet")
        assert "¥25.00" in wallet or "CN¥25.00" in wallet
        other = (await top_up(who, "5.00", "wechat_pay")).headers["location"]
        assert "WeChat" in await who.page(other)
        await who.send(f"{other}/cancel")
        assert "no longer valid" in await who.page(other)
    async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as viewer:
        assert "Continue to payment" not in await viewer.page("/dashboard/wallet")
        assert (await viewer.send(f"{other}/cancel")).status_code == 403


async def test_operator_sees_orders_and_discrepancies(paid: PaidGateway) -> None:
    gateway = paid.gateway
    body = {"method": "wechat_pay", "amount": "20.00"}
    order = (await gateway.http.post("/v1/payment_orders", json=body)).json()
    number = order["id"].removeprefix("pord_")
    paid.wechat_pay.pays(number, 1999)
    content, headers = paid.wechat_pay.payment_notification(number)
    path = "/collectors/wechat_pay/notifications"
    await gateway.http.post(path, content=content, headers=headers)
    async with looker(gateway.url, gateway.parts, None, Role.SUPPORT) as who:
        page = await who.page("/dashboard/platform/payments")
        assert "Another amount" in page
        assert order["id"] in page
        assert order["id"] in await who.page("/dashboard/platform/payments?status=failed")
        listed = await who.page("/dashboard/platform/payments?status=paid&before=" + order["id"])
        assert order["id"] not in listed.partition("Payment orders</h2>")[2]


async def test_invoice_is_paid_from_its_page_once(
    limited: Limited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    clock = ShiftedClock()
    clock.to_middle_of_month()
    async with run_paid_gateway(limited, tmp_path, clock) as paid:
        gateway, http = paid.gateway, paid.gateway.http
        story = Story(gateway.parts.database)
        story.clock = clock  # type: ignore[assignment]  # it reads the time only
        async with story.database.transaction() as session:
            await publish_plan(session, story.clock, list_price_terms("CNY", LISTED))
        await Firm(story, gateway.account, gateway.key.row.id).use("vib", rows=100_000)
        clock.to_next_month()
        await story.jobs()
        (invoice,) = (await http.get("/v1/invoices")).json()["data"]
        async with looker(gateway.url, gateway.parts, gateway.account.id) as owner:
            await _pay(paid, owner, invoice["id"])
        (after,) = (await http.get("/v1/invoices")).json()["data"]
        assert (invoice["status"], after["status"]) == ("open", "paid")


async def _pay(paid: PaidGateway, owner: Looker, invoice: str) -> None:
    """Pay an invoice by WeChat Pay after a second click on the other method."""
    http, address = paid.gateway.http, f"/dashboard/invoices/{invoice}"
    page = await owner.page(address)
    assert "Pay with WeChat Pay" in page
    assert "Pay with Alipay" in page
    pay = f"/dashboard/payments/invoices/{invoice}"
    first = (await owner.send(pay, method="wechat_pay")).headers["location"]
    second = (await owner.send(pay, method="alipay")).headers["location"]
    assert first == second
    assert "cancel this payment first" in await owner.page(first)
    number = first.rpartition("pord_")[2]
    paid.wechat_pay.pays(number)
    body, headers = paid.wechat_pay.payment_notification(number)
    await http.post("/collectors/wechat_pay/notifications", content=body, headers=headers)
    assert "the invoice is updated" in await owner.page(f"{first}/status")
    assert "Pay with" not in await owner.page(address)
    assert "Started a payment" in await owner.page("/dashboard/audit")
