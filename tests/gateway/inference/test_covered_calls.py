"""Calls covered by an outcome contract, over a real socket: which calls are covered, their cost and
their quotes.

A call's prompt has 1 token and its response 10; they cost 500 and 2,000 nano-yuan per token. The
contract covers 20 output tokens per month and all input tokens.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.prepaid.pack_offers import parse_pack_file, publish_pack
from gateway.access.key_lookup import KeyRecord
from tests.support import builders
from tests.support.billing.making import count_all_usage
from tests.support.builders import CHAT, EMBEDDING, PLENTY, Limited, credit
from tests.support.clocks import ShiftedClock
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held
from tests.support.stories.covered import Covered, asked, covered_customer, tagged

PACK = f"""
pack = "output"
names = {{ en = "Output tokens", zh = "输出 Token" }}
currency = "CNY"
model = "{CHAT}"
meter = "output_tokens"
units = 12
price = "1.00"
validity_days = 30
"""
FREE, AS_EVER = "0.000000000", "0.000020500"


@pytest.fixture
async def covered(limited: Limited) -> AsyncIterator[Covered]:
    """An account with a contract that started an hour ago."""
    async with limited(PLENTY, ShiftedClock()) as gateway:
        made = covered_customer(gateway)
        await made.agrees()
        made.begins()
        yield made


@pytest.fixture
async def penniless(limited: Limited) -> AsyncIterator[Covered]:
    """The same account without credit."""
    async with limited(credit(0), ShiftedClock()) as gateway:
        made = covered_customer(gateway)
        await made.agrees()
        made.begins()
        yield made


async def cost(of: Covered, contract: str = "pumps", **values: Any) -> str:
    answer = await of.chat(contract, **values)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-maas-cost"]


class TestCoveredCall:
    async def test_usage_within_contract_is_free(self, covered: Covered) -> None:
        assert await cost(covered) == FREE
        row = await covered.newest()
        assert row["included"] == {"input_tokens": 1, "output_tokens": 10}
        assert row["plan_version"] == covered.plan_version(0)
        await nothing_is_held(covered.gateway)

    async def test_usage_beyond_contract_has_the_normal_price(self, covered: Covered) -> None:
        """5 of the third response's 15 tokens are covered, none of the fourth's."""
        assert [await cost(covered, max_tokens=tokens) for tokens in (10, 5, 15, 10)] == [
            FREE,
            FREE,
            "0.000020000",
            "0.000020000",
        ]
        assert (await covered.newest())["included"] == {"input_tokens": 1}
        await nothing_is_held(covered.gateway)

    async def test_streamed_call_within_contract_is_free(self, covered: Covered) -> None:
        answer = await covered.chat(stream=True, stream_options={"include_usage": True})
        assert answer.status_code == 200
        row = await covered.newest()
        assert (row["streamed"], row["cost"]) == (True, FREE)
        assert row["included"] == {"input_tokens": 1, "output_tokens": 10}
        await nothing_is_held(covered.gateway)

    async def test_account_without_credit_can_use_only_covered_units(
        self, penniless: Covered
    ) -> None:
        """Two responses are covered; the third call is rejected."""
        assert (await penniless.chat(stream=True)).status_code == 200
        assert await cost(penniless) == FREE
        refused = await penniless.chat()
        assert error_of(refused)["code"] == "credit_exhausted"
        assert "beyond the included units" in error_of(refused)["message"]
        await nothing_is_held(penniless.gateway)

    async def test_prepaid_pack_pays_for_what_the_contract_does_not_cover(
        self, penniless: Covered
    ) -> None:
        """20 output tokens are covered; a pack of 12 pays for 10 of the third response."""
        gateway, clock = penniless.gateway, penniless.gateway.parts.clock
        async with gateway.parts.database.transaction() as session:
            await publish_pack(session, clock, parse_pack_file(PACK))
            await top_up_wallet(session, clock, gateway.account.id, "start", TopUpRequest(100))
            await refresh_account_credit(session, clock, gateway.account.id)
        bought = await gateway.http.post("/v1/packs/purchases", json={"pack": "output"})
        await gateway.caught_up()
        for _ in range(3):
            assert await cost(penniless) == FREE
        row = await penniless.newest()
        assert row["included"] == {"input_tokens": 1, "output_tokens": 10}
        purchase = f"/v1/packs/purchases/{bought.json()['id']}"
        await nothing_is_held(gateway)
        assert (await gateway.http.get(purchase)).json()["used"] == 10
        refused = await penniless.chat()
        assert error_of(refused)["code"] == "credit_exhausted"
        await count_all_usage(gateway.parts.database, clock)
        assert not (await gateway.reconciled()).differences

    async def test_output_without_credit_is_limited_to_covered_tokens(
        self, penniless: Covered
    ) -> None:
        answer = await penniless.chat(max_tokens=None)
        assert (answer.status_code, answer.headers["x-maas-max-tokens"]) == (200, "20")


class TestUncoveredCall:
    @pytest.mark.parametrize("contract", ["fans", "Pumps", "pumps2", "%E6%B0%B4%E6%B3%B5"])
    async def test_unknown_contract_tag_has_the_normal_price(
        self, covered: Covered, contract: str
    ) -> None:
        assert await cost(covered, contract) == AS_EVER
        assert (await covered.newest())["included"] == {}

    async def test_call_without_contract_tag_has_the_normal_price(self, covered: Covered) -> None:
        for headers in ({}, {"x-maas-tags": "machine=pumps"}):
            ask = {"url": "/v1/chat/completions", "json": asked(), "headers": headers}
            answer = await covered.gateway.http.post(**ask)
            assert answer.headers["x-maas-cost"] == AS_EVER

    async def test_model_outside_contract_has_the_normal_price(self, covered: Covered) -> None:
        body = {"model": EMBEDDING, "input": "one"}
        costs = []
        for headers in (tagged("pumps"), {}):
            answer = await covered.gateway.http.post("/v1/embeddings", json=body, headers=headers)
            costs.append(answer.headers["x-maas-cost"])
        assert costs[0] == costs[1] != FREE
        assert (await covered.newest())["included"] == {}

    async def test_contract_of_another_account_does_not_apply(self, covered: Covered) -> None:
        gateway = covered.gateway
        other, _ = await builders.customer(
            gateway.parts.database, gateway.parts.settings, name="Other"
        )
        later = covered.clock.now() + timedelta(minutes=1)
        await covered.agrees(later, other.id, tag="fans")
        covered.clock.to(later)
        assert await cost(covered, "fans") == AS_EVER


class TestCoveredQuote:
    async def test_quote_lists_units_covered_by_contract(self, covered: Covered) -> None:
        body = {**asked(), "max_tokens": 30}
        quote = await quoted(covered, body, tagged("pumps"))
        assert (quote["included"]["output_tokens"], quote["max_cost"]) == (20, "0.000020000")
        assert quote["included"]["input_tokens"] == quote["input_tokens"]
        assert await cost(covered, max_tokens=30) == quote["max_cost"]
        after = await quoted(covered, body, tagged("pumps"))
        assert after["included"].get("output_tokens") is None

    async def test_quote_without_contract_tag_has_no_included_units(self, covered: Covered) -> None:
        quote = await quoted(covered, asked(), {})
        assert quote["included"] == {}

    async def test_quote_rejects_malformed_tag(self, covered: Covered) -> None:
        answer = await covered.gateway.http.post(
            "/v1/quote", json=asked(), headers={"x-maas-tags": "pumps"}
        )
        assert error_of(answer)["param"] == "X-Maas-Tags"


class TestContractPeriod:
    async def test_contract_applies_from_its_start_until_its_end(self, limited: Limited) -> None:
        """To the microsecond, by the time at which a call begins; no notification is needed."""
        async with limited(PLENTY, ShiftedClock()) as gateway:
            made = covered_customer(gateway)
            ends_at = made.starts_at + timedelta(days=10)
            await made.agrees(ends_at=ends_at, output_tokens=1_000_000)
            tick = timedelta(microseconds=1)
            moments = (made.starts_at - tick, made.starts_at, ends_at - tick, ends_at)
            found = [(await known(made, at)).principal.outcome_contract_prices for at in moments]
            assert [[*one] for one in found] == [[], ["pumps"], ["pumps"], []]
            assert [*found[1]["pumps"]] == [CHAT]

    async def test_calls_outside_contract_period_have_the_normal_price(
        self, limited: Limited
    ) -> None:
        async with limited(PLENTY, ShiftedClock()) as gateway:
            made = covered_customer(gateway)
            ends_at = made.starts_at + timedelta(days=10)
            await made.agrees(ends_at=ends_at, output_tokens=90)
            costs = []
            for at in (made.starts_at - timedelta(hours=1), made.starts_at, ends_at):
                made.clock.to(at + timedelta(seconds=1))
                costs.append(await cost(made))
            assert costs == [AS_EVER, FREE, AS_EVER]
            await nothing_is_held(gateway)

    async def test_contract_end_applies_on_running_gateway(self, covered: Covered) -> None:
        assert await cost(covered) == FREE
        async with heard(covered):
            await covered.ends()
        assert await cost(covered) == AS_EVER

    async def test_new_contract_versions_apply_on_running_gateway(self, limited: Limited) -> None:
        async with limited(PLENTY, ShiftedClock()) as gateway:
            made = covered_customer(gateway)
            made.begins()
            assert await cost(made) == AS_EVER
            starts = [made.starts_at + timedelta(days=days) for days in (1, 2)]
            for starts_at, tokens in zip(starts, (310, 620), strict=True):
                async with heard(made):
                    await made.agrees(starts_at, output_tokens=tokens)
            for number, starts_at in enumerate(starts):
                made.clock.to(starts_at)
                assert await cost(made) == FREE
                assert (await made.newest())["plan_version"] == made.plan_version(number)
            await nothing_is_held(gateway)


async def quoted(of: Covered, body: dict[str, Any], headers: Any) -> dict[str, Any]:
    answer = await of.gateway.http.post("/v1/quote", json=body, headers=headers)
    quote: dict[str, Any] = answer.json()
    return quote


async def known(of: Covered, at: datetime | None = None) -> KeyRecord:
    return await of.gateway.parts.authenticator.identify(f"Bearer {of.gateway.key.secret}", at)


@asynccontextmanager
async def heard(of: Covered) -> AsyncIterator[None]:
    """Run the block, then wait until the gateway has read the change."""
    before = await known(of)
    yield
    async with asyncio.timeout(20):
        while await known(of) is before:  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0.02)
