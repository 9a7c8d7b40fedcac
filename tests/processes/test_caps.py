"""Limits under concurrency: several gateway processes, many calls at once, and a limit worth 37.5
calls. Two processes and 80 calls here, four and 200 in `make chaos`.

Usage never exceeds a limit, and nearly all of a limit can be used.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from billing.metering.quotas import set_budget, set_limit
from billing.metering.usage import list_usage
from billing.tables import QuotaKind, Usage
from infra.clock import SystemClock
from infra.database.database import Database
from tests.processes.clients import all_settled
from tests.support import builders
from tests.support.builders import CHAT, PLENTY
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.fleet import Fleet, run_fleet

GATEWAYS = in_full(4, 2)
CALLS = in_full(200, 80)
# Attempts per call that gets retry-after; more with fewer calls.
TRIES = in_full(5, 20)
WORDS, TOKENS = 6, 20
# 500 nano-yuan per input token, 2000 per output token.
COST = WORDS * 500 + TOKENS * 2000
HALF_SPENT = 37.5
# Rate limits have windows of 60 s.
LONGEST_S = 50.0


@dataclass
class Firm:
    """An account with its key."""

    account_id: UUID
    key_id: UUID
    secret: str


@dataclass
class Site:
    """The gateways, their database and their model server."""

    fleet: Fleet
    database: Database
    upstream: FakeUpstream

    async def firm(self, name: str, **terms: Any) -> Firm:
        given = replace(PLENTY, **terms)
        account, key = await builders.customer(
            self.database, self.fleet.configured, name=name, terms=given
        )
        return Firm(account.id, key.row.id, key.secret)

    async def burst(self, firm: Firm, tries: int = 1, **values: Any) -> list[tuple[int, str]]:
        """Send all calls at once over all gateways; returns status and error code of each."""
        async with caller(firm) as http:
            return await asyncio.gather(
                *(call(http, self.fleet.urls[n % GATEWAYS], values, tries) for n in range(CALLS))
            )

    async def spent(self, firm: Firm) -> int:
        """The cost of the account's calls, by their usage rows."""
        return sum(row.cost_nano for row in await self._rows(firm))

    async def tokens(self, firm: Firm) -> int:
        """The input and output tokens of the account's calls."""
        rows = await self._rows(firm)
        return sum((row.input_tokens or 0) + (row.output_tokens or 0) for row in rows)

    async def calls(self, firm: Firm) -> int:
        """The number of the account's answered calls."""
        return sum(row.status == 200 for row in await self._rows(firm))

    async def _rows(self, firm: Firm) -> Sequence[Usage]:
        async with self.database.transaction() as session:
            return await list_usage(session, account_id=firm.account_id, limit=10_000)


@asynccontextmanager
async def caller(firm: Firm) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"authorization": f"Bearer {firm.secret}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as http:
        yield http


async def call(
    http: aiohttp.ClientSession, url: str, values: dict[str, Any], tries: int
) -> tuple[int, str]:
    """Make a call; like the official clients, repeat it after `retry-after`."""
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": " ".join(["word"] * WORDS)}],
        "max_tokens": TOKENS,
        **values,
    }
    async with http.post(f"{url}/v1/chat/completions", json=body) as answer:
        raw = await answer.read()
        code = "" if answer.status == 200 else (await answer.json())["error"]["code"]
        assert answer.status != 200 or b'"usage"' in raw or b"[DONE]" in raw
        again = tries > 1 and answer.headers.get("x-should-retry") != "false"
        wait_s = float(answer.headers.get("retry-after", 0))
    if not wait_s or not again:
        return answer.status, code
    await asyncio.sleep(wait_s)
    return await call(http, url, values, tries - 1)


@pytest.fixture(scope="module")
async def site(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    builders.empty(postgres)
    folder: Path = tmp_path_factory.mktemp("fleet")
    builders.word_tokenizer(folder)
    database = Database(postgres)
    async with run_fake_upstream() as upstream:
        upstream.delay_s = 0.05
        configured = builders.settings(postgres, folder, upstream.url, model_concurrency=1000)
        async with run_fleet(configured, GATEWAYS) as fleet:
            yield Site(fleet, database, upstream)
    await database.close()


@pytest.fixture(autouse=True)
async def nothing_is_left(site: Site) -> AsyncIterator[None]:
    """After each test the records agree, and idle gateways hold no reservation."""
    yield
    await all_settled(site.database)


def outcomes(answers: list[tuple[int, str]]) -> Counter[str]:
    return Counter(code or str(status) for status, code in answers)


async def bursts(
    site: Site, firm: Firm, used: Callable[[], Awaitable[int]], least: float, **values: Any
) -> Counter[str]:
    """Send bursts of calls until `used` returns `least`; returns how many calls had each outcome.

    On an idle machine one burst is enough. On a busy one, calls are refused units that running
    calls hold and do not need, or that another gateway returns too late. Raises TimeoutError.
    """
    answers: Counter[str] = Counter()
    async with asyncio.timeout(LONGEST_S):
        while await used() < least:
            answers += outcomes(await site.burst(firm, **values))
    return answers


class TestMoneyCaps:
    async def test_concurrent_calls_do_not_exceed_available_credit(self, site: Site) -> None:
        cap = int(HALF_SPENT * COST)
        firm = await site.firm("credit", credit_nano=cap)
        answers = await bursts(site, firm, partial(site.spent, firm), 0.95 * cap)
        assert await site.spent(firm) <= cap, answers
        assert answers["200"] in (37, 38)
        assert set(answers) <= {"200", "credit_exhausted", "credit_reserved"}

    async def test_reservations_far_above_the_cost_still_use_nearly_all_credit(
        self, site: Site
    ) -> None:
        """Each call may use 40 times what its response has, so one call reserves the whole credit:
        unused units are released, and serve the other calls while they wait or retry."""
        firm = await site.firm("over-asking", credit_nano=int(HALF_SPENT * COST))
        brief = [{"role": "user", "content": "brief" + " word" * (WORDS - 1)}]
        answers = outcomes(await site.burst(firm, tries=TRIES, max_tokens=800, messages=brief))
        spent, cap = await site.spent(firm), int(HALF_SPENT * COST)
        assert spent <= cap
        assert spent >= 0.95 * cap, (spent / cap, answers)

    async def test_concurrent_calls_do_not_exceed_the_key_budget(self, site: Site) -> None:
        firm = await site.firm("budget")
        cap = int(HALF_SPENT * COST)
        async with site.database.transaction() as session:
            await set_budget(session, SystemClock(), firm.account_id, firm.key_id, cap)
        answers = await bursts(site, firm, partial(site.spent, firm), 0.95 * cap)
        assert await site.spent(firm) <= cap, answers
        assert set(answers) <= {"200", "budget_exhausted", "credit_reserved"}

    async def test_concurrent_streams_do_not_exceed_available_credit(self, site: Site) -> None:
        cap = int(HALF_SPENT * COST)
        firm = await site.firm("streamed", credit_nano=cap)
        answers = await bursts(site, firm, partial(site.spent, firm), 0.95 * cap, stream=True)
        assert await site.spent(firm) <= cap, answers


class TestRateLimits:
    async def test_concurrent_calls_do_not_exceed_tokens_per_minute(self, site: Site) -> None:
        cap = int(HALF_SPENT * (WORDS + TOKENS))
        firm = await site.firm("tokens", tokens=cap)
        answers = await bursts(site, firm, partial(site.tokens, firm), 0.95 * cap)
        assert await site.tokens(firm) <= cap, answers
        assert set(answers) == {"200", "rate_limit_exceeded"}

    async def test_concurrent_calls_do_not_exceed_requests_per_minute(self, site: Site) -> None:
        firm = await site.firm("requests", requests=37)
        answers = await bursts(site, firm, partial(site.calls, firm), 37)
        assert (answers["200"], set(answers)) == (37, {"200", "rate_limit_exceeded"})

    async def test_concurrent_calls_do_not_exceed_requests_per_minute_of_the_key(
        self, site: Site
    ) -> None:
        firm = await site.firm("key-requests")
        async with site.database.transaction() as session:
            kind = QuotaKind.REQUESTS
            await set_limit(session, firm.account_id, kind, 37, firm.key_id)
        answers = await bursts(site, firm, partial(site.calls, firm), 37)
        assert (answers["200"], set(answers)) == (37, {"200", "rate_limit_exceeded"})

    async def test_concurrent_streams_do_not_exceed_the_stream_limit(self, site: Site) -> None:
        """Streams of some seconds: exactly as many as allowed run at a time."""
        firm = await site.firm("streams", streams=37)
        site.upstream.most_running = 0
        drip = [{"role": "user", "content": "drip " + "word " * 5}]
        answers = outcomes(await site.burst(firm, stream=True, messages=drip, max_tokens=150))
        assert 36 <= site.upstream.most_running <= 37
        assert set(answers) == {"200", "concurrent_streams_exceeded"}
        assert answers["200"] >= 36
