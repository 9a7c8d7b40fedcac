"""Replayed responses and documents count as requests, and documents of one account are queued."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.call.errors import RateLimited
from gateway.process.document_queue import CONCURRENCY, MAX_PER_ACCOUNT, DocumentQueue
from infra import ids
from tests.support.billing.making import bill_all_usage
from tests.support.builders import CHAT, PLENTY, Gateway, Limited
from tests.support.clocks import ShiftedClock
from tests.support.gateway.errors import error_of

KEY = {"idempotency-key": "order 4711"}
CALL = {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 5}
FEW = replace(PLENTY, requests=5)


async def post(gateway: Gateway, **values: Any) -> httpx.Response:
    body = {**CALL, **values}
    return await gateway.http.post("/v1/chat/completions", json=body, headers=KEY)


class TestReplayRequestLimit:
    async def test_replay_over_request_limit_returns_429(self, limited: Limited) -> None:
        async with limited(FEW) as gateway:
            answers = [await post(gateway) for _ in range(12)]
            statuses = [answer.status_code for answer in answers]
            assert statuses == [200] * 5 + [429] * 7
            assert int(answers[4].headers["x-ratelimit-remaining-requests"]) == 0
            assert error_of(answers[5])["code"] == "rate_limit_exceeded"
            assert 1 <= int(answers[5].headers["retry-after"]) <= 61
            assert not [row for row in (await gateway.rows(12))[:-1] if float(row["cost"])]

    async def test_rejected_idempotency_key_reuse_counts_as_request(self, limited: Limited) -> None:
        async with limited(FEW) as gateway:
            assert (await post(gateway)).status_code == 200
            statuses = [(await post(gateway, max_tokens=6)).status_code for _ in range(6)]
            assert statuses == [422] * 4 + [429] * 2

    async def test_replays_use_up_limit_for_other_calls(self, limited: Limited) -> None:
        async with limited(FEW) as gateway:
            assert [(await post(gateway)).status_code for _ in range(5)] == [200] * 5
            assert (await gateway.chat("another")).status_code == 429

    async def test_replay_without_request_limit_returns_200(self, gateway: Gateway) -> None:
        assert {(await post(gateway)).status_code for _ in range(8)} == {200}


@pytest.fixture
async def billed(limited: Limited) -> AsyncIterator[Gateway]:
    """An account with a request limit and an invoice of last month."""
    clock = ShiftedClock()
    async with limited(replace(PLENTY, requests=30), clock=clock) as gateway:
        await gateway.chat("one")
        clock.to_next_month()
        await bill_all_usage(gateway.parts.database, clock)
        yield gateway


async def addresses(gateway: Gateway) -> tuple[str, str]:
    invoice = (await gateway.http.get("/v1/invoices")).json()["data"][0]["id"]
    return f"/v1/invoices/{invoice}/pdf", f"/v1/invoices/{invoice}/lines.csv"


class TestDocumentRequestLimit:
    async def test_documents_over_request_limit_return_429(self, billed: Gateway) -> None:
        pdf, lines = await addresses(billed)
        first = [(await billed.http.get(pdf)).status_code for _ in range(15)]
        rest = [(await billed.http.get(lines)).status_code for _ in range(20)]
        assert first == [200] * 15
        assert rest[:14] == [200] * 14
        assert rest[16:] == [429] * 4
        answer = await billed.http.get(pdf)
        assert (answer.status_code, error_of(answer)["code"]) == (429, "rate_limit_exceeded")
        assert "retry-after" in answer.headers

    async def test_concurrent_documents_of_one_account_return_200_or_429(
        self, billed: Gateway
    ) -> None:
        pdf, _ = await addresses(billed)
        answers = await asyncio.gather(*(billed.http.get(pdf) for _ in range(80)))
        statuses = {answer.status_code for answer in answers}
        assert statuses == {200, 429}
        assert sum(answer.status_code == 200 for answer in answers) >= MAX_PER_ACCOUNT
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert error_of(refused)["type"] == "rate_limit_error"
        assert int(refused.headers["retry-after"]) >= 1


class TestDocumentQueue:
    async def test_other_account_is_served_before_rest_of_full_queue(self) -> None:
        queue, begun, done = DocumentQueue(), [], asyncio.Event()

        async def prepare(account: Any) -> None:
            async with queue.slot(account):
                begun.append(account)
                await done.wait()

        busy, other = ids.new_id(), ids.new_id()
        tasks = [asyncio.create_task(prepare(busy)) for _ in range(MAX_PER_ACCOUNT)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            async with queue.slot(busy):
                pass
        tasks.append(asyncio.create_task(prepare(other)))
        await asyncio.sleep(0)
        done.set()
        await asyncio.gather(*tasks)
        assert begun.index(other) == CONCURRENCY
        async with queue.slot(busy):
            pass
