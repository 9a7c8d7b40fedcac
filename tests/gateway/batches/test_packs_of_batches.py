"""Prepaid packs pay for batches before money, exactly once, and leave the rest to money.

Each line asks two words and gets three tokens: 5 units of a pack of tokens.
"""

from collections.abc import AsyncIterator

import pytest

from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.prepaid.pack_offers import parse_pack_file, publish_pack
from gateway.access.price_book import catalog_prices
from infra.clock import SystemClock
from tests.support.billing.making import count_all_usage
from tests.support.builders import CHAT, Gateway, Limited, credit
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.batching import Batcher, chat_lines, extra, nano
from tests.support.gateway.faults import nothing_is_held

PACK = f"""
pack = "tokens"
names = {{ en = "Tokens", zh = "Token 包" }}
currency = "CNY"
model = "{CHAT}"
meter = "tokens"
units = UNITS
price = "1.00"
validity_days = 30
"""
CLOCK = SystemClock()


@pytest.fixture
async def buyer(limited: Limited, upstream: FakeUpstream) -> AsyncIterator[Batcher]:
    """An account whose money pays for one pack and nothing else."""
    async with limited(credit(0)) as gateway:
        batcher = Batcher(gateway, upstream)
        yield batcher
        await batcher.client.close()


async def bought(gateway: Gateway, units: int, wallet: int = 100) -> str:
    """Buy a pack from a wallet of so many cents; returns the purchase."""
    account_id = gateway.account.id
    async with gateway.parts.database.transaction() as session:
        offer = parse_pack_file(PACK.replace("UNITS", str(units)))
        await publish_pack(session, CLOCK, offer)
        await top_up_wallet(session, CLOCK, account_id, "start", TopUpRequest(wallet))
        await refresh_account_credit(session, CLOCK, account_id)
    headers = {"Idempotency-Key": "buy-1"}
    answer = await gateway.http.post(
        "/v1/packs/purchases", json={"pack": "tokens"}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    await gateway.caught_up()
    purchase: str = answer.json()["id"]
    return purchase


async def used(gateway: Gateway, purchase: str) -> int:
    found = (await gateway.http.get(f"/v1/packs/purchases/{purchase}")).json()
    units: int = found["used"]
    return units


async def test_batch_that_a_pack_covers_runs_without_money(buyer: Batcher) -> None:
    gateway = buyer.gateway
    purchase = await bought(gateway, 100_000)
    batch = await buyer.run(chat_lines(4))
    counts = batch.request_counts
    assert counts is not None
    assert (batch.status, counts.completed) == ("completed", 4), batch
    assert (nano(extra(batch, "cost")), nano(extra(batch, "max_cost"))) == (0, 0)
    rows = await gateway.rows(4)
    assert {(row["service_tier"], row["cost"]) for row in rows} == {("batch", "0.000000000")}
    units = sum(row["input_tokens"] + row["output_tokens"] for row in rows)
    assert (units, sum(sum(row["included"].values()) for row in rows)) == (20, 20)
    await nothing_is_held(gateway)
    assert await used(gateway, purchase) == units
    await count_all_usage(gateway.parts.database, CLOCK)
    assert not (await gateway.reconciled()).differences


async def test_batch_beyond_the_pack_pays_the_rest_at_the_batch_price(buyer: Batcher) -> None:
    gateway = buyer.gateway
    purchase = await bought(gateway, 7, wallet=100_000)
    batch = await buyer.run(chat_lines(3))
    rows = await gateway.rows(3)
    prices = catalog_prices(gateway.parts.catalog, "CNY")[f"{CHAT}@batch"]
    expected = sum(
        prices[meter] * (row[meter] - row["included"].get(meter, 0))
        for row in rows
        for meter in ("input_tokens", "output_tokens")
    )
    assert 0 < nano(extra(batch, "cost")) == sum(nano(row["cost"]) for row in rows) == expected
    await nothing_is_held(gateway)
    taken = sum(sum(row["included"].values()) for row in rows)
    assert await used(gateway, purchase) == taken
    assert 5 <= taken <= 7
    await count_all_usage(gateway.parts.database, CLOCK)
    assert not (await gateway.reconciled()).differences
