"""Pages of prepaid packs, vouchers and automatic top-up, of a customer and of the operator."""

import re
from collections.abc import AsyncIterator

import pytest

from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.prepaid.pack_offers import parse_pack_file, publish_pack
from gateway.identity.roles import Role
from infra.clock import SystemClock
from tests.support.builders import Gateway, Limited, credit
from tests.support.dashboard.looking import looker
from tests.support.stories.pack_story import ROWS_1000

CLOCK = SystemClock()


@pytest.fixture
async def offering(limited: Limited) -> AsyncIterator[Gateway]:
    """An account with 5.00 in its wallet; a pack is on offer; Stripe could save a card."""
    async with limited(credit(0), stripe_secret_key="sk_test_1") as gateway:
        async with gateway.parts.database.transaction() as session:
            await publish_pack(session, CLOCK, parse_pack_file(ROWS_1000))
            account_id = gateway.account.id
            await top_up_wallet(session, CLOCK, account_id, "start", TopUpRequest(500))
            await refresh_account_credit(session, CLOCK, account_id)
        yield gateway


def key_in(page: str) -> str:
    found = re.search(r'name="key" value="(\w+)"', page)
    assert found is not None
    return found[1]


async def test_customer_buys_a_pack_once_and_operator_refunds_it(offering: Gateway) -> None:
    url, parts, account_id = offering.url, offering.parts, offering.account.id
    async with looker(url, parts, account_id, Role.FINANCE) as who:
        assert "1,000 rows" in await who.page("/dashboard/packs")
        page = await who.page("/dashboard/packs/rows_1000")
        key = key_in(page)
        for _ in range(2):
            sent = await who.send("/dashboard/packs/rows_1000", key=key, method="wallet")
            assert sent.headers["location"] == "/dashboard/packs"
        bought = await who.page("/dashboard/packs")
        (purchase,) = set(re.findall(r"pack_[0-9a-f]{32}", bought))
        assert "Active" in bought
        refused = await who.send("/dashboard/packs/rows_1000", key="0" * 32, method="on_account")
        assert (refused.status_code, "cannot be bought" in refused.text) == (422, True)
        forged = await who.send("/dashboard/packs/rows_1000", key="x", method="wallet")
        assert forged.status_code == 404
        forged = await who.send("/dashboard/packs/rows_1000", key="0" * 32, method="gold")
        assert forged.status_code == 404
    async with looker(url, parts, None, Role.OPERATOR) as operator:
        assert purchase in await operator.page("/dashboard/platform/packs")
        form = f"/dashboard/platform/packs/purchases/{purchase}/refund"
        assert "0.80" in await operator.page(form)
        assert (await operator.send(form, reason="")).status_code == 422
        assert (await operator.send(form, reason="not needed")).status_code == 303
        assert "Refunded" in await operator.page("/dashboard/platform/packs")
        assert (await operator.send(form, reason="again")).status_code == 422


async def test_pack_paid_by_invoice_leads_to_the_invoice(offering: Gateway) -> None:
    async with looker(offering.url, offering.parts, offering.account.id, Role.OWNER) as who:
        key = key_in(await who.page("/dashboard/packs/rows_1000"))
        sent = await who.send("/dashboard/packs/rows_1000", key=key, method="invoice")
        address = sent.headers["location"]
        assert address.startswith("/dashboard/invoices/inv_")
        assert "Prepaid pack" in await who.page(address)


async def test_operator_creates_vouchers_and_customer_redeems_one(offering: Gateway) -> None:
    url, parts, account_id = offering.url, offering.parts, offering.account.id
    vouchers = "/dashboard/platform/packs/vouchers"
    async with looker(url, parts, None, Role.OPERATOR) as operator:
        values = {"name": "Fair", "amount": "20.00", "codes": "2", "days": "30"}
        wrong = await operator.send(vouchers, **{**values, "codes": "many"})
        assert wrong.status_code == 422
        shown = (await operator.send(vouchers, **values)).text
        codes = re.findall(r"[2-9A-Z]{4}(?:-[2-9A-Z]{4}){3}", shown)
        assert len(codes) == 2
        assert codes[0] not in await operator.page("/dashboard/platform/packs")
    async with looker(url, parts, account_id, Role.OWNER) as who:
        given = await who.send("/dashboard/vouchers", code=codes[0].lower())
        assert given.headers["location"] == "/dashboard/packs?redeemed=1"
        assert "Voucher redeemed" in await who.page("/dashboard/packs?redeemed=1")
        again = await who.send("/dashboard/vouchers", code=codes[0])
        assert (again.status_code, "cannot be redeemed" in again.text) == (422, True)
    async with looker(url, parts, None, Role.OPERATOR) as operator:
        page = await operator.page("/dashboard/platform/packs")
        (batch,) = set(re.findall(r"vbatch_[0-9a-f]{32}", page))
        await operator.send(f"{vouchers}/{batch}/cancel")
        assert "Canceled" in await operator.page("/dashboard/platform/packs")
    async with looker(url, parts, account_id, Role.OWNER) as who:
        refused = await who.send("/dashboard/vouchers", code=codes[1])
        assert refused.status_code == 422


async def test_customer_turns_automatic_top_up_on_and_off(offering: Gateway) -> None:
    async with looker(offering.url, offering.parts, offering.account.id, Role.OWNER) as who:
        path = "/dashboard/wallet/automatic"
        values = {"threshold": "50", "each": "100", "monthly_ceiling": "250"}
        refused = await who.send(path, **values)
        assert (refused.status_code, "agree to the payments" in refused.text) == (422, True)
        assert (await who.send(path, **values, consent="1")).status_code == 303
        assert "Turn off automatic top-up" in await who.page("/dashboard/wallet")
        await who.send(f"{path}/off")
        assert "Turn off automatic top-up" not in await who.page("/dashboard/wallet")


async def test_automatic_top_up_by_api(offering: Gateway) -> None:
    path, http = "/v1/wallet/auto_top_up", offering.http
    body = {"threshold": "50", "amount": "100", "monthly_ceiling": "250", "consent": True}
    assert (await http.get(path)).json()["status"] == "off"
    assert (await http.post(path, json={**body, "consent": False})).status_code == 400
    assert (await http.post(path, json={**body, "amount": "much"})).status_code == 400
    on = (await http.post(path, json=body)).json()
    assert (on["status"], on["amount"], on["spent_this_month"]) == ("on", "100.00", "0.00")
    assert (await http.delete(path)).json()["status"] == "off"
