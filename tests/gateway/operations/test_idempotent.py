"""Subscription changes with an Idempotency-Key: done once, and replayed for repeated requests."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.support import builders
from tests.support.billing.making import sql
from tests.support.builders import CHAT, Gateway
from tests.support.gateway.subscribing import LARGE, SMALL, offer

PATH = "/v1/subscription"


@pytest.fixture
async def offered(gateway: Gateway) -> Gateway:
    await offer(gateway, SMALL, LARGE)
    return gateway


async def post(
    gateway: Gateway, key: str | bytes = "k", path: str = PATH, **body: Any
) -> httpx.Response:
    headers: Mapping[Any, Any] = {b"idempotency-key": key}
    return await gateway.http.post(path, json=body, headers=headers)


async def invoices(gateway: Gateway) -> int:
    return len((await gateway.http.get("/v1/invoices")).json()["data"])


def code(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["code"], error["param"]


class TestIdempotentReplay:
    async def test_repeated_request_replays_an_identical_response(self, offered: Gateway) -> None:
        first = await post(offered, plan="small")
        assert len(first.json()["invoices"]) == 1
        assert "idempotent-replayed" not in first.headers
        await post(offered, "other", plan="large")
        again = await post(offered, plan="small")
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["content-type"] == first.headers["content-type"]
        assert await invoices(offered) == 2

    async def test_cancel_and_resume_are_replayed(self, offered: Gateway) -> None:
        await post(offered, plan="small")
        for path in (f"{PATH}/cancel", f"{PATH}/resume"):
            first = await post(offered, path, path)
            again = await post(offered, path, path)
            assert (first.status_code, again.content) == (200, first.content)

    async def test_replayed_choice_does_not_resubscribe_after_cancellation(
        self, offered: Gateway
    ) -> None:
        await post(offered, plan="small")
        await post(offered, "c", f"{PATH}/cancel", at_period_end=False)
        assert (await post(offered, plan="small")).json()["status"] == "active"
        assert (await offered.http.get(PATH)).json()["status"] == "none"
        assert await invoices(offered) == 1

    async def test_preview_is_replayed(self, offered: Gateway) -> None:
        first = await post(offered, plan="small", preview=True)
        assert (await post(offered, plan="small", preview=True)).content == first.content

    async def test_expired_key_is_not_replayed(self, offered: Gateway) -> None:
        await post(offered, plan="small")
        database = offered.parts.database
        await sql(database, "update kept_answer set expires_at = now() - interval '1 s'")
        again = await post(offered, plan="small")
        assert "idempotent-replayed" not in again.headers
        assert again.json()["invoices"] == []


class TestConcurrentIdempotentRequests:
    async def test_concurrent_requests_create_one_invoice_and_equal_responses(
        self, offered: Gateway
    ) -> None:
        answers = await asyncio.gather(*(post(offered, plan="small") for _ in range(4)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert await invoices(offered) == 1
        replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
        assert replayed.count(None) == 1

    async def test_concurrent_request_at_another_process_is_replayed(
        self, offered: Gateway
    ) -> None:
        async with builders.serve(builders.parts_like(offered)) as url:
            async with httpx.AsyncClient(base_url=url, headers=offered.http.headers) as other:
                there = other.post(PATH, json={"plan": "small"}, headers={"idempotency-key": "k"})
                here, there_too = await asyncio.gather(post(offered, plan="small"), there)
        assert here.json() == there_too.json()
        assert await invoices(offered) == 1


class TestIdempotencyKeyRejection:
    async def test_key_with_another_body_is_rejected(self, offered: Gateway) -> None:
        await post(offered, plan="small")
        refused = code(await post(offered, plan="large"))
        assert refused == (422, "idempotency_key_reused", "Idempotency-Key")
        assert (await offered.http.get(PATH)).json()["plan"]["plan"] == "small"

    async def test_key_with_another_path_is_rejected(self, offered: Gateway) -> None:
        await post(offered, plan="small")
        assert code(await post(offered, path=f"{PATH}/cancel"))[1] == "idempotency_key_reused"

    async def test_key_used_by_a_model_call_is_rejected(self, offered: Gateway) -> None:
        message = {"role": "user", "content": "one"}
        called = await post(offered, "k", "/v1/chat/completions", model=CHAT, messages=[message])
        assert called.status_code == 200
        assert code(await post(offered, plan="small"))[1] == "idempotency_key_reused"

    async def test_rejected_request_leaves_the_key_unused(self, offered: Gateway) -> None:
        path = f"{PATH}/cancel"
        assert code(await post(offered, "c", path))[:2] == (409, "not_subscribed")
        await post(offered, plan="small")
        assert (await post(offered, "c", path)).status_code == 200

    async def test_same_key_of_another_account_is_independent(self, offered: Gateway) -> None:
        await post(offered, plan="small")
        parts = offered.parts
        _, issued = await builders.customer(parts.database, parts.settings, "Other")
        offered.http.headers["authorization"] = f"Bearer {issued.secret}"
        taken = await post(offered, plan="large")
        assert taken.json()["plan"]["plan"] == "large"
        assert "idempotent-replayed" not in taken.headers

    @pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel".encode(), b"a\tb"])
    async def test_invalid_idempotency_key_is_rejected(
        self, offered: Gateway, key: str | bytes
    ) -> None:
        refused = code(await post(offered, key, plan="small"))
        assert refused == (400, "idempotency_key_invalid", "Idempotency-Key")
        assert (await offered.http.get(PATH)).json()["status"] == "none"
