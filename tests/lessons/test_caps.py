"""What users of other gateways complain about, second part: caps that are overrun, or that refuse
who could pay.

Each test names the threads that it is the lesson of. How it is done is in docs/limits.md; four
processes and 200 calls at once are in tests/processes/test_caps.py.
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
from tests.support.builders import CHAT, PLENTY, SPECIALIST, Gateway, Limited, credit
from tests.support.clocks import ShiftedClock
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.asking import until
from tests.support.gateway.decoded import example_request
from tests.support.gateway.errors import error_of

# A prompt of one word, an answer of 20 tokens.
COST = 500 + 20 * 2000


@pytest.fixture
def words(tmp_path: Path) -> None:
    """Prompts are counted by the word, as the model server does."""
    builders.word_tokenizer(tmp_path)


async def at_once(gateway: Gateway, calls: int, **values: Any) -> list[httpx.Response]:
    return await asyncio.gather(*(gateway.chat("x", max_tokens=20, **values) for _ in range(calls)))


def good(answers: list[httpx.Response]) -> int:
    return sum(answer.status_code == 200 for answer in answers)


class TestOverrun:
    async def test_the_first_calls_of_all_at_once(
        self, words: None, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm#34732, #40095: concurrent first calls all see an empty counter."""
        async with limited(credit(3 * COST)) as gateway:
            assert good(await at_once(gateway, 30)) == 3
            assert not (await gateway.reconciled()).differences
        assert len(upstream.received) == 3

    async def test_no_increment_is_lost(self, gateway: Gateway) -> None:
        """litellm#35567: a global cap loses increments under load."""
        answers = await at_once(gateway, 100)
        rows = await gateway.rows(100)
        assert good(answers) == 100
        assert sum(float(row["cost"]) for row in rows) == pytest.approx(100 * COST / 1e9)
        last = (await gateway.chat("x", max_tokens=20)).headers["x-maas-balance"]
        assert last == f"{(100 * 10**9 - 101 * COST) / 1e9:.9f}"

    async def test_tokens_a_minute_hold_before_the_call(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm#18730: 663 tokens were served under a limit of 100."""
        async with limited(replace(PLENTY, tokens=100)) as gateway:
            answer = await gateway.chat("x", max_tokens=663, stream=True)
        assert answer.status_code in (200, 429)
        assert upstream.generated <= 100

    async def test_a_limit_is_not_multiplied_by_the_gateways(
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

    async def test_the_last_unit_is_sold_once(self, words: None, limited: Limited) -> None:
        """new-api#6609, #5690: checked, then taken, and in between taken by another."""
        async with limited(credit(COST)) as gateway:
            assert good(await at_once(gateway, 50)) == 1

    async def test_the_call_that_goes_over_is_itself_refused(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """envoyproxy/ai-gateway#680, #2394: by design the limit is for the next call."""
        async with limited(credit(COST // 2)) as gateway:
            assert error_of(await gateway.chat("x", max_tokens=20))["code"] == "credit_exhausted"
        assert not upstream.received

    @pytest.mark.parametrize("operation", [one for one in ENDPOINTS if not ENDPOINTS[one].is_job])
    async def test_no_address_goes_around_it(
        self, limited: Limited, upstream: FakeUpstream, operation: Operation
    ) -> None:
        """maximhq/bifrost#2873: pass-through routes know no budget."""
        async with limited(credit(0)) as gateway:
            endpoint = ENDPOINTS[operation]
            url = endpoint.path.replace("{name:str}", SPECIALIST)
            answer = await gateway.http.post(url, json=example_request(endpoint))
        assert answer.status_code == 429
        assert not upstream.received

    def test_a_hold_knows_the_dearest_price(self) -> None:
        """litellm PR#40002: holds ignored a tier's price, and 0.60 was spent under a cap of 0.45.
        A hold is priced by the bill's own function, at its dearest."""
        prices = {"input_tokens": 5, "cached_input_tokens": 9, "output_tokens": 20}
        for cached in range(11):
            used = Quantities(input_tokens=10, cached_input_tokens=cached, output_tokens=7)
            assert rate(used, prices) <= worst_case_cost(Quantities(10, None, 7), prices)


class TestWrongRefusals:
    @pytest.mark.parametrize("prompt", ["fault", "busy", "die", "rubbish", "too-long", "hang"])
    async def test_what_failed_holds_nothing(self, limited: Limited, prompt: str) -> None:
        """litellm#27639: holds of failed calls leak, until everybody gets a phantom 429."""
        async with limited(replace(PLENTY, tokens=1000), first_byte_timeout_s=0.1) as gateway:
            for _ in range(12):
                # A model that fails is left alone for a while: that is no matter of holds.
                answer = await gateway.chat(prompt, max_tokens=200)
                assert answer.status_code != 429
            found = await gateway.reconciled()
        assert not found.differences
        assert found.open_calls == 0

    async def test_the_figures_of_headers_and_rows_are_the_same(self, gateway: Gateway) -> None:
        """litellm#30460: the counter said 50, the database 14."""
        answers = [await gateway.chat("x", max_tokens=20) for _ in range(10)]
        rows = await gateway.rows(10)
        assert {answer.headers["x-maas-cost"] for answer in answers} == {rows[0]["cost"]}
        balance = answers[-1].headers["x-maas-balance"]
        assert balance == f"{(100 * 10**9 - 10 * COST) / 1e9:.9f}"

    async def test_no_max_tokens_does_not_hold_all_there_is(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm PR#27509: without max_tokens a call was held for the whole cap, and $2,000 were
        refused at $0.144. Here it is held for what the model can do, or the rest buys."""
        upstream.delay_s = 0.3
        async with limited(credit(50_000_000)) as gateway:
            first = asyncio.create_task(gateway.chat("x", max_tokens=None))
            await until(lambda: upstream.running == 1)
            others = await at_once(gateway, 5)
            assert (await first).status_code == 200
        assert good(others) == 5

    async def test_who_asks_for_too_much_waits_for_others(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm PR#38647: agents reserve far more than they use, and refuse each other."""
        upstream.delay_s = 0.02
        async with limited(credit(4_000_000), credit_wait_s=5.0) as gateway:
            calls = [gateway.chat("brief", max_tokens=1000) for _ in range(20)]
            answers = await asyncio.gather(*calls)
        assert good(answers) == 20

    async def test_a_new_month_is_known_at_once(self, words: None, limited: Limited) -> None:
        """litellm#29576: a budget's reset does not reach who enforces it."""
        clock = ShiftedClock()
        async with limited(PLENTY, clock=clock) as gateway:
            async with gateway.parts.database.transaction() as session:
                await set_budget(session, clock, gateway.account.id, gateway.key.row.id, COST)
            await gateway.caught_up()
            assert [answer.status_code for answer in await _twice(gateway)] == [200, 429]
            clock.to_next_month()
            assert [answer.status_code for answer in await _twice(gateway)] == [200, 429]

    async def test_a_raised_limit_is_known_within_a_second(self, limited: Limited) -> None:
        """The same of a rate."""
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
