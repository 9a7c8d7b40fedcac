"""Allowances: used without credit to the last unit, by several gateways, and after a crash.

Without an allowance an input token costs 500 nano-yuan and an output token 2000.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from billing.prepaid.pack_offers import parse_pack_file, publish_pack
from billing.prepaid.redemption import count_voucher_attempt, redeem_voucher
from billing.prepaid.vouchers import NewBatch, create_voucher_batch
from infra.clock import SystemClock
from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import Clients, all_settled, cost_of, size_of, usage_rows
from tests.support import builders
from tests.support.billing.making import count_all_usage
from tests.support.builders import CHAT
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import Fleet, run_fleet
from tests.support.nightly import nightly
from tests.support.stories.included import INPUT, OUTPUT, Subscriber, subscriber

CALLS, WORDS, TOKENS = 120, 6, 20
ROUNDS = in_full(30, 1)
INCLUDED_OUTPUT, INCLUDED_INPUT = in_full(6_000, 600), in_full(30_000, 3_000)
OWN_IN, OWN_OUT, ANY_OUT = (f"{CHAT}/input_tokens", f"{CHAT}/output_tokens", "*/output_tokens")
CLOCK = SystemClock()
PACK_UNITS = int(37.5 * (WORDS + TOKENS))
PACK = f"""
pack = "shared"
names = {{ en = "Shared", zh = "共享" }}
currency = "CNY"
model = "{CHAT}"
meter = "tokens"
units = {PACK_UNITS}
price = "1.00"
validity_days = 30
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    builders.word_tokenizer(tmp_path)
    return builders.settings(database_url, tmp_path, upstream.url, model_concurrency=1000)


@pytest.fixture
async def fleet(configured: Settings) -> AsyncIterator[Fleet]:
    async with run_fleet(configured, 2) as fleet:
        yield fleet


def caller(firm: Subscriber) -> aiohttp.ClientSession:
    headers = {"authorization": f"Bearer {firm.secret}"}
    return aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0))


@dataclass
class Answer:
    """The response of a call."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def call(http: aiohttp.ClientSession, url: str, **values: object) -> Answer:
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": " ".join(["word"] * WORDS)}],
        "max_tokens": TOKENS,
        **values,
    }
    async with http.post(f"{url}/v1/chat/completions", json=body) as answer:
        return Answer(answer.status, answer.headers, await answer.read())


class TestAllowanceWithoutCredit:
    @nightly
    async def test_calls_are_free_until_the_last_included_unit(
        self, fleet: Fleet, database: Database, configured: Settings
    ) -> None:
        """The allowance covers prompts and responses of ten calls, and 5 tokens of any model: the
        eleventh call, whose response has 20 tokens, is refused."""
        includes = {
            "input_tokens": 20 * WORDS,
            "output_tokens": 10 * TOKENS,
            "any_output_tokens": 5,
        }
        firm = await subscriber(database, configured, CLOCK, **includes)
        async with caller(firm) as http:
            for count in range(10):
                answer = await call(http, fleet.urls[count % 2])
                assert answer.status == 200, answer.body
                assert answer.headers["x-maas-cost"] == "0.000000000"
            refused = await call(http, fleet.urls[0])
        error = json.loads(refused.body)["error"]
        assert (refused.status, error["type"], error["code"]) == (
            429,
            "insufficient_quota",
            "credit_exhausted",
        )
        # The call needs at least 16 tokens; the allowance has 5.
        assert "needs at least 0.000022000 CNY beyond the included units" in error["message"]
        assert "0.000000000 is available" in error["message"]
        assert await firm.used() == {
            OWN_IN: (20 * WORDS, 10 * WORDS),
            OWN_OUT: (10 * TOKENS, 10 * TOKENS),
            ANY_OUT: (5, 0),
        }
        assert await firm.spent() == 0
        await all_settled(database)

    async def test_two_gateways_together_do_not_exceed_the_allowance(
        self, fleet: Fleet, database: Database, configured: Settings
    ) -> None:
        """120 calls at once, an allowance for 37.5: every admitted call is free, all others are
        refused."""
        includes = {"input_tokens": CALLS * WORDS, "output_tokens": 30 * TOKENS}
        includes["any_output_tokens"] = int(7.5 * TOKENS)
        firm = await subscriber(database, configured, CLOCK, **includes)
        async with caller(firm) as http:
            answers = await asyncio.gather(
                *(call(http, fleet.urls[count % 2]) for count in range(CALLS))
            )
        assert await firm.spent() == 0
        used = await firm.used()
        assert used[OWN_OUT][1] <= 30 * TOKENS
        assert used[ANY_OUT][1] <= 7.5 * TOKENS
        assert used[OWN_OUT][1] + used[ANY_OUT][1] >= 0.95 * 37.5 * TOKENS
        assert Counter(answer.status for answer in answers)[200] in (36, 37, 38)
        await all_settled(database)
        # Rating uses a model's own units first; the total of remaining units is the same.
        await count_all_usage(database, CLOCK)
        counted = await firm.used()
        assert sum(amount for amount, _ in counted.values()) == sum(includes.values())
        assert [taken for _, taken in counted.values()] == [taken for _, taken in used.values()]

    @nightly
    async def test_stream_ends_with_finish_reason_length_at_the_last_included_token(
        self, fleet: Fleet, database: Database, configured: Settings
    ) -> None:
        """`max_tokens` is 3000, the allowance is 1500."""
        includes = {"input_tokens": 100, "output_tokens": 1_500}
        firm = await subscriber(database, configured, CLOCK, **includes)
        async with caller(firm) as http:
            answer = await call(http, fleet.urls[0], stream=True, max_tokens=3_000)
        assert answer.status == 200
        assert b'"finish_reason":"length"' in answer.body
        assert (await firm.used())[OWN_OUT] == (1_500, 1_500)
        assert await firm.spent() == 0
        await all_settled(database)


class TestAllowanceWithCredit:
    @nightly
    async def test_usage_above_the_allowance_is_billed(
        self, fleet: Fleet, database: Database, configured: Settings
    ) -> None:
        """Three responses of 20 tokens, an allowance of 50: 10 tokens and prompts are billed."""
        plenty = {"credit_nano": 10**9, "output_tokens": 50}
        firm = await subscriber(database, configured, CLOCK, **plenty)
        async with caller(firm) as http:
            costs = [(await call(http, fleet.urls[0])).headers["x-maas-cost"] for _ in range(3)]
        assert costs == ["0.000003000", "0.000003000", "0.000023000"]
        assert await firm.spent() == 3 * WORDS * INPUT + 10 * OUTPUT
        assert (await firm.used())[OWN_OUT] == (50, 50)
        await all_settled(database)

    @nightly
    async def test_killed_gateways_neither_lose_nor_double_included_units(
        self, fleet: Fleet, database: Database, configured: Settings
    ) -> None:
        """Clients of every kind call two gateways, which are killed repeatedly while the allowance
        runs out."""
        chance = random.Random(20261125)
        plenty = {
            "credit_nano": 10**12,
            "output_tokens": INCLUDED_OUTPUT,
            "any_input_tokens": INCLUDED_INPUT,
        }
        firm = await subscriber(database, configured, CLOCK, **plenty)
        clients = Clients(lambda: fleet.urls, firm.secret, seed=7)
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.run(each=in_full(2, 1)))
            for _ in range(ROUNDS):
                await clients.another(chance.randrange(10, 30))
                await fleet.replace(chance)
            await clients.another(20)
            async with asyncio.timeout(180):
                while (await firm.used())[OWN_OUT][1] <= 5 / 6 * INCLUDED_OUTPUT:
                    await clients.another(10)
            clients.stop()
        await all_settled(database, processes=2)
        rows = {row["request_id"]: row for row in await usage_rows(database)}
        for request_id, size in clients.seen.whole.items():
            assert size_of(rows[request_id]) == size
        taken: Counter[str] = Counter()
        for row in rows.values():
            included = row["included"]
            taken.update(included)
            free = (
                included.get("input_tokens", 0) * INPUT + included.get("output_tokens", 0) * OUTPUT
            )
            assert not row["cost_nano"] or row["cost_nano"] == cost_of(row) - free
        used = await firm.used()
        assert used[OWN_OUT][1] == taken["output_tokens"] <= INCLUDED_OUTPUT
        assert used["*/input_tokens"][1] == taken["input_tokens"] <= INCLUDED_INPUT
        assert taken["output_tokens"] > 5 / 6 * INCLUDED_OUTPUT


async def given_pack(database: Database, firm: Subscriber) -> None:
    """Give an account the pack by a voucher, so that it has no money at all."""
    attempt = await count_voucher_attempt(database, CLOCK, firm.account_id)
    async with database.transaction() as session:
        await publish_pack(session, CLOCK, parse_pack_file(PACK))
        until = CLOCK.now() + timedelta(days=1)
        new = NewBatch("Fair", "CNY", 1, until, pack="shared")
        _, (code,) = await create_voucher_batch(session, CLOCK, new)
        await redeem_voucher(session, CLOCK, firm.account_id, code, attempt)


async def test_two_gateways_together_do_not_exceed_the_pack(
    fleet: Fleet,
    database: Database,
    configured: Settings,
) -> None:
    """120 calls at once, a pack for 37.5: every admitted call is free, all others are refused."""
    firm = await subscriber(database, configured, CLOCK)
    await given_pack(database, firm)
    async with caller(firm) as http:
        answers = await asyncio.gather(
            *(call(http, fleet.urls[count % 2]) for count in range(CALLS))
        )
    assert await firm.spent() == 0
    ((amount, used),) = (await firm.used()).values()
    assert amount == PACK_UNITS
    assert 0.9 * PACK_UNITS <= used <= PACK_UNITS
    assert Counter(answer.status for answer in answers)[200] in (35, 36, 37, 38)
    await all_settled(database)
    await count_all_usage(database, CLOCK)
    ((_, counted),) = (await firm.used()).values()
    assert counted == used
