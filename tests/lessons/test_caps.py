"""Defects reported for other gateways, part 2: limits that are exceeded, or that refuse calls
within the limit.

Each docstring names the issue threads. The design is in docs/limits.md; four processes and 200
concurrent calls are in tests/processes/test_caps.py.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing.metering.quotas import set_budget, set_limit
from billing.rating.quantities import Quantities, rate
from billing.tables import QuotaKind
from gateway.call.values import Operation
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.quota.demand import worst_case_cost
from tests.support import builders
from tests.support.builders import CATALOG, CHAT, PLENTY, SPECIALIST, Gateway, Limited, credit
from tests.support.clocks import ShiftedClock
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.asking import until
from tests.support.gateway.decoded import example_request
from tests.support.gateway.errors import error_of
from tests.support.gateway.moderating import moderating

# A prompt of one word, a response of 20 tokens.
COST = 500 + 20 * 2000
# Jobs have routes of their own; no built-in model answers `rerank`, so its document has no example.
DOCUMENTED = [
    operation
    for operation, endpoint in ENDPOINTS.items()
    if not endpoint.is_job and endpoint.documentation is not None
]


@pytest.fixture
def words(tmp_path: Path) -> None:
    """Count prompts by words, as the fake model server does."""
    builders.word_tokenizer(tmp_path)


async def at_once(gateway: Gateway, calls: int, **values: Any) -> list[httpx.Response]:
    return await asyncio.gather(*(gateway.chat("x", max_tokens=20, **values) for _ in range(calls)))


def good(answers: list[httpx.Response]) -> int:
    return sum(answer.status_code == 200 for answer in answers)


class TestLimitOverruns:
    async def test_concurrent_first_calls_do_not_exceed_the_credit(
        self, words: None, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm#34732, #40095: concurrent first calls all read an empty counter."""
        async with limited(credit(3 * COST)) as gateway:
            assert good(await at_once(gateway, 30)) == 3
            assert not (await gateway.reconciled()).differences
        assert len(upstream.received) == 3

    async def test_concurrent_calls_lose_no_increment_of_usage(self, gateway: Gateway) -> None:
        """litellm#35567: a global cap loses increments under load."""
        answers = await at_once(gateway, 100)
        rows = await gateway.rows(100)
        assert good(answers) == 100
        assert sum(float(row["cost"]) for row in rows) == pytest.approx(100 * COST / 1e9)
        last = (await gateway.chat("x", max_tokens=20)).headers["x-maas-balance"]
        assert last == f"{(100 * 10**9 - 101 * COST) / 1e9:.9f}"

    async def test_tokens_per_minute_are_limited_before_the_call(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm#18730: 663 tokens were served under a limit of 100."""
        async with limited(replace(PLENTY, tokens=100)) as gateway:
            answer = await gateway.chat("x", max_tokens=663, stream=True)
        assert answer.status_code in (200, 429)
        assert upstream.generated <= 100

    async def test_stream_limit_applies_to_all_gateways_together(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm#40291, #27736, #16011: each replica and worker allows the whole limit."""
        async with (
            limited(replace(PLENTY, streams=3)) as one,
            builders.serve(builders.parts_like(one)) as two,
        ):
            urls = [one.url, two] * 10
            await asyncio.gather(*(_drip(one, url) for url in urls))
        assert upstream.most_running == 3

    async def test_concurrent_calls_use_the_last_credit_once(
        self, words: None, limited: Limited
    ) -> None:
        """new-api#6609, #5690: another call takes the quota between check and reservation."""
        async with limited(credit(COST)) as gateway:
            assert good(await at_once(gateway, 50)) == 1

    async def test_call_that_would_exceed_the_credit_is_refused(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """envoyproxy/ai-gateway#680, #2394: by design only the next call is refused."""
        async with limited(credit(COST // 2)) as gateway:
            assert error_of(await gateway.chat("x", max_tokens=20))["code"] == "credit_exhausted"
        assert not upstream.received

    @pytest.mark.parametrize("operation", DOCUMENTED)
    async def test_every_endpoint_enforces_the_credit(
        self, limited: Limited, upstream: FakeUpstream, operation: Operation
    ) -> None:
        """maximhq/bifrost#2873: pass-through routes do not check budgets."""
        # Only operators' catalogs have models that check texts.
        is_served = operation is not Operation.MODERATION
        catalog = CATALOG if is_served else moderating(upstream.url)
        async with limited(credit(0), catalog=catalog) as gateway:
            endpoint = ENDPOINTS[operation]
            url = endpoint.path.replace("{name:str}", SPECIALIST)
            answer = await gateway.http.post(url, json=example_request(endpoint))
        # Anthropic's API answers 402 where OpenAI's answers 429.
        assert answer.status_code == (402 if operation is Operation.MESSAGES else 429)
        assert not upstream.received

    def test_reservation_is_priced_at_the_most_expensive_meter(self) -> None:
        """litellm PR#40002: reservations ignored a tier's price; 0.60 was spent of a cap of 0.45.
        Here the rating function prices a reservation at the most expensive meter."""
        prices = {"input_tokens": 5, "cached_input_tokens": 9, "output_tokens": 20}
        for cached in range(11):
            used = Quantities(input_tokens=10, cached_input_tokens=cached, output_tokens=7)
            assert rate(used, prices) <= worst_case_cost(Quantities(10, None, 7), prices)


class TestWrongLimitRefusals:
    @pytest.mark.parametrize("prompt", ["fault", "busy", "die", "rubbish", "too-long", "hang"])
    async def test_failed_calls_release_their_reservations(
        self, limited: Limited, prompt: str
    ) -> None:
        """litellm#27639: reservations of failed calls leak until every call gets a 429."""
        async with limited(replace(PLENTY, tokens=1000), first_byte_timeout_s=0.1) as gateway:
            for _ in range(12):
                # A failing model is paused for a while, which does not concern reservations.
                answer = await gateway.chat(prompt, max_tokens=200)
                assert answer.status_code != 429
            found = await gateway.reconciled()
        assert not found.differences
        assert found.open_calls == 0

    async def test_cost_and_balance_headers_equal_the_usage_rows(self, gateway: Gateway) -> None:
        """litellm#30460: the counter shows 50, the database 14."""
        answers = [await gateway.chat("x", max_tokens=20) for _ in range(10)]
        rows = await gateway.rows(10)
        assert {answer.headers["x-maas-cost"] for answer in answers} == {rows[0]["cost"]}
        balance = answers[-1].headers["x-maas-balance"]
        assert balance == f"{(100 * 10**9 - 10 * COST) / 1e9:.9f}"

    async def test_call_without_max_tokens_does_not_reserve_all_credit(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm PR#27509: a call without max_tokens reserved the whole cap, so calls were refused
        at $0.144 of $2,000. Here it reserves what the model can generate or the credit buys."""
        upstream.delay_s = 0.3
        async with limited(credit(50_000_000)) as gateway:
            first = asyncio.create_task(gateway.chat("x", max_tokens=None))
            await until(lambda: upstream.running == 1)
            others = await at_once(gateway, 5)
            assert (await first).status_code == 200
        assert good(others) == 5

    async def test_calls_with_large_reservations_wait_for_each_other(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm PR#38647: agents reserve far more than they use, so each other's calls fail."""
        upstream.delay_s = 0.02
        async with limited(credit(4_000_000), credit_wait_s=5.0) as gateway:
            calls = [gateway.chat("brief", max_tokens=1000) for _ in range(20)]
            answers = await asyncio.gather(*calls)
        assert good(answers) == 20

    async def test_budget_resets_at_the_start_of_a_month(
        self, words: None, limited: Limited
    ) -> None:
        """litellm#29576: the reset of a budget does not reach the process that enforces it."""
        clock = ShiftedClock()
        async with limited(PLENTY, clock=clock) as gateway:
            async with gateway.parts.database.transaction() as session:
                await set_budget(session, clock, gateway.account.id, gateway.key.row.id, COST)
            await gateway.caught_up()
            assert [answer.status_code for answer in await _twice(gateway)] == [200, 429]
            clock.to_next_month()
            assert [answer.status_code for answer in await _twice(gateway)] == [200, 429]

    async def test_raised_rate_limit_takes_effect_within_a_second(self, limited: Limited) -> None:
        """litellm#29576, for a rate limit."""
        async with limited(replace(PLENTY, requests=0)) as gateway:
            assert (await gateway.chat("x")).status_code == 429
            async with gateway.parts.database.transaction() as session:
                await set_limit(session, gateway.account.id, QuotaKind.REQUESTS, 5)
            await gateway.until(200, "x")


async def _twice(gateway: Gateway) -> list[httpx.Response]:
    return [await gateway.chat("x", max_tokens=20) for _ in range(2)]


async def _drip(gateway: Gateway, url: str) -> None:
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": "drip"}],
        "max_tokens": 30,
        "stream": True,
    }
    await gateway.http.post(f"{url}/v1/chat/completions", json=body)
