"""Prepaid packs over a real socket: bought and used by API, split exactly, and vouchers.

A pack of 10 tokens: the first call uses 7, the second uses the other 3 of its 6 and pays 3.
"""

from collections.abc import AsyncIterator

import pytest

from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.prepaid.pack_offers import parse_pack_file, publish_pack
from billing.prepaid.vouchers import NewBatch, create_voucher_batch
from gateway.access.price_book import catalog_prices
from infra.clock import SystemClock
from tests.support.billing.making import count_all_usage
from tests.support.builders import CHAT, Gateway, Limited, credit
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held

PACK = f"""
pack = "ten_tokens"
names = {{ en = "Ten tokens", zh = "十个 Token" }}
currency = "CNY"
model = "{CHAT}"
meter = "tokens"
units = 10
price = "1.00"
validity_days = 30
"""
CLOCK = SystemClock()


@pytest.fixture
async def offering(limited: Limited) -> AsyncIterator[Gateway]:
    """An account with 5.00 in its wallet and no credit limit; a pack is on offer."""
    async with limited(credit(0)) as gateway:
        async with gateway.parts.database.transaction() as session:
            await publish_pack(session, CLOCK, parse_pack_file(PACK))
            account_id = gateway.account.id
            await top_up_wallet(session, CLOCK, account_id, "start", TopUpRequest(500))
            await refresh_account_credit(session, CLOCK, account_id)
        yield gateway


async def test_bought_pack_covers_calls_before_money_and_the_rest_is_split(
    offering: Gateway,
) -> None:
    http = offering.http
    (offer,) = (await http.get("/v1/packs")).json()["data"]
    assert (offer["pack"], offer["units"], offer["price"]) == ("ten_tokens", 10, "1.00")
    headers = {"Idempotency-Key": "buy-1"}
    body = {"pack": "ten_tokens"}
    first = await http.post("/v1/packs/purchases", json=body, headers=headers)
    again = await http.post("/v1/packs/purchases", json=body, headers=headers)
    assert (first.status_code, first.json()) == (200, again.json())
    assert (first.json()["status"], first.json()["remaining"]) == ("active", 10)
    await offering.caught_up()
    whole = await offering.chat("one two")
    assert whole.headers["x-maas-cost"] == "0.000000000"
    await offering.chat("one")
    second, first_row = await offering.rows(2)
    assert first_row["included"] == {"input_tokens": 2, "output_tokens": 5}
    assert second["included"] == {"input_tokens": 1, "output_tokens": 2}
    price = catalog_prices(offering.parts.catalog, "CNY")[CHAT]["output_tokens"]
    assert second["cost"] == f"{3 * price / 10**9:.9f}"
    purchase = first.json()["id"]
    await nothing_is_held(offering)
    left = (await http.get(f"/v1/packs/purchases/{purchase}")).json()
    assert (left["used"], left["remaining"]) == (10, 0)
    await count_all_usage(offering.parts.database, CLOCK)
    assert not (await offering.reconciled()).differences
    listed = (await http.get("/v1/packs/purchases")).json()["data"]
    assert [one["id"] for one in listed] == [purchase]


async def test_refusals_name_the_reason(offering: Gateway) -> None:
    post = offering.http.post
    for body, code in (
        ({"pack": "unknown"}, "pack_not_found"),
        ({"pack": "ten_tokens", "payment_method": "on_account"}, "pack_unavailable"),
        ({"pack": "ten_tokens", "payment_method": "voucher"}, "invalid_request"),
        ({}, "invalid_request"),
    ):
        answer = await post("/v1/packs/purchases", json=body)
        assert answer.status_code >= 400
        if code != "invalid_request":
            assert error_of(answer)["code"] == code
    missing = await offering.http.get(f"/v1/packs/purchases/pack_{'0' * 32}")
    assert error_of(missing)["code"] == "pack_purchase_not_found"


async def test_voucher_is_redeemed_once(offering: Gateway) -> None:
    async with offering.parts.database.transaction() as session:
        until = CLOCK.now().replace(year=CLOCK.now().year + 1)
        new = NewBatch("Fair", "CNY", 1, until, minor=2_000)
        _, (code,) = await create_voucher_batch(session, CLOCK, new)
    redeem = "/v1/vouchers/redeem"
    given = await offering.http.post(redeem, json={"code": code.lower()})
    assert (given.status_code, given.json()["amount"]) == (200, "20.00")
    again = await offering.http.post(redeem, json={"code": code})
    assert error_of(again)["code"] == "voucher_not_redeemable"
    wrong = await offering.http.post(redeem, json={"code": "AAAA-AAAA-AAAA-AAAA"})
    assert error_of(wrong)["code"] == "voucher_not_found"
    wallet = (await offering.http.get("/v1/wallet")).json()
    assert wallet["balance"] == "25.00"
