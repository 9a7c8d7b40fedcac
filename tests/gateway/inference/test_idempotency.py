"""Idempotency-Key: repeated requests produce one call, one charge and one response."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from tests.support import builders
from tests.support.builders import CHAT, REMAINING_LIFE, SPECIALIST, Gateway
from tests.support.fakes.raw_server import Exchange, RawServer, answering, in_turn, run_raw_server
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import STREAM, answer, done, event, nothing_is_held, run_before

PREDICTION = {"model": SPECIALIST, "instances": [{"torque": 1}, {"torque": 2}]}
KEY = {"idempotency-key": "order 4711"}


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with run_raw_server(answering(answer())) as server:
        yield server


@pytest.fixture
async def slow(database_url: str, tmp_path: Path, raw: RawServer) -> AsyncIterator[Gateway]:
    """A gateway in front of a raw server, with a long first-byte timeout for slow responses."""
    async with run_before(raw, database_url, tmp_path, first_byte_timeout_s=20.0) as running:
        yield running


def chat(prompt: str = "one two", **values: Any) -> dict[str, Any]:
    message = {"role": "user", "content": prompt}
    return {"model": CHAT, "messages": [message], "max_tokens": 5, **values}


async def post(
    gateway: Gateway, body: dict[str, Any], path: str = "chat/completions", **values: Any
) -> httpx.Response:
    return await gateway.http.post(f"/v1/{path}", json=body, **{"headers": KEY, **values})


def waiting(release: asyncio.Event, *parts: bytes) -> Any:
    """A server script that responds after `release` is set."""

    async def script(exchange: Exchange) -> None:
        await release.wait()
        await exchange.send(*parts)

    return script


class TestRepeatedRequest:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("chat/completions", chat()),
            ("chat/completions", chat(stream=True)),
            ("chat/completions", chat(stream=True, stream_options={"include_usage": True})),
            ("predictions", PREDICTION),
        ],
    )
    async def test_repeated_request_is_replayed_without_charge(
        self, gateway: Gateway, upstream: FakeUpstream, path: str, body: dict[str, Any]
    ) -> None:
        first = await post(gateway, body, path)
        assert first.status_code == 200
        assert "idempotent-replayed" not in first.headers
        second = await post(gateway, body, path)
        assert second.headers["idempotent-replayed"] == "true"
        assert second.headers["content-type"] == first.headers["content-type"]
        assert (second.status_code, second.content) == (200, first.content)
        assert len(upstream.received) == 1
        again, billed = await gateway.rows(2)
        assert (billed["settlement"], again["settlement"]) == ("complete", "replayed")
        assert billed["cost"] != "0.000000000" == again["cost"]
        await nothing_is_held(gateway)

    async def test_openai_client_receives_replayed_response(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            said = [
                await client.chat.completions.create(
                    model=CHAT,
                    messages=[{"role": "user", "content": "one two"}],
                    extra_headers={"Idempotency-Key": "sdk"},
                )
                for _ in range(2)
            ]
            for _ in range(2):
                stream = await client.chat.completions.create(
                    model=CHAT,
                    messages=[{"role": "user", "content": "one two"}],
                    extra_headers={"Idempotency-Key": "sdk, streamed"},
                    stream=True,
                )
                assert len([piece async for piece in stream]) == 8
        assert said[0] == said[1]
        assert len(upstream.received) == 2

    async def test_key_with_another_body_returns_422(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        await post(gateway, chat("one"))
        refused = await post(gateway, chat("two"))
        assert refused.status_code == 422
        error = error_of(refused)
        assert (error["code"], error["param"]) == ("idempotency_key_reused", "Idempotency-Key")
        assert (await gateway.rows(2))[0]["settlement"] == "refused"
        assert len(upstream.received) == 1

    async def test_key_with_another_path_returns_422(self, gateway: Gateway) -> None:
        tensor = {"name": "torque", "shape": [2], "datatype": "FP32", "data": [40.1, 41.0]}
        answers = [
            await gateway.http.post(
                f"/v2/models/{model}/infer", json={"inputs": [tensor]}, headers=KEY
            )
            for model in (SPECIALIST, REMAINING_LIFE)
        ]
        assert [answer.status_code for answer in answers] == [200, 422]

    async def test_same_key_of_another_account_is_independent(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        parts = gateway.parts
        _, other = await builders.customer(parts.database, parts.settings, "Other 精密")
        await post(gateway, chat())
        answer = await post(
            gateway, chat(), headers={**KEY, "authorization": f"Bearer {other.secret}"}
        )
        assert (answer.status_code, "idempotent-replayed" in answer.headers) == (200, False)
        assert len(upstream.received) == 2

    @pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "a\tb"])
    async def test_invalid_idempotency_key_returns_400(
        self, gateway: Gateway, upstream: FakeUpstream, key: str
    ) -> None:
        headers = [("idempotency-key", key.encode())]
        refused = await post(gateway, chat(), headers=headers)
        assert refused.status_code == 400
        error = error_of(refused)
        assert (error["code"], error["param"]) == ("idempotency_key_invalid", "Idempotency-Key")
        assert upstream.received == []

    @pytest.mark.parametrize("key", ["x", "x" * 255, "with space", '"quoted"'])
    async def test_valid_idempotency_key_is_accepted(self, gateway: Gateway, key: str) -> None:
        for _ in range(2):
            answer = await post(gateway, chat(), headers={"idempotency-key": key})
            assert answer.status_code == 200
        assert answer.headers["idempotent-replayed"] == "true"


class TestKeyRelease:
    async def test_rejected_call_releases_key(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        too_dear = {**KEY, "x-max-cost": "0.000000001"}
        assert (await post(gateway, chat(), headers=too_dear)).status_code == 400
        await gateway.row()  # with which the key is freed
        assert (await post(gateway, chat("another"))).status_code == 200
        assert len(upstream.received) == 1

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("prompt", ["die", "busy", "too-long", "rubbish"])
    async def test_failed_call_releases_key(
        self, gateway: Gateway, prompt: str, stream: bool
    ) -> None:
        assert (await post(gateway, chat(prompt, stream=stream))).status_code >= 400
        await gateway.row()
        assert (await post(gateway, chat("another"))).status_code == 200

    async def test_interrupted_stream_releases_key(self, gateway: Gateway) -> None:
        """The part that the client received is no complete response and was not billed."""
        first = await post(gateway, chat("die-midway", stream=True))
        assert '"code":"model_failed"' in first.text
        assert (await post(gateway, chat("another"))).status_code == 200

    async def test_invalid_body_releases_key(self, gateway: Gateway) -> None:
        assert (await post(gateway, {"model": CHAT})).status_code == 400
        assert (await post(gateway, chat())).status_code == 200


class TestConcurrentRequest:
    async def test_second_request_returns_409_with_retry_after(
        self, slow: Gateway, raw: RawServer
    ) -> None:
        release = asyncio.Event()
        raw.script = waiting(release, answer())
        first = asyncio.create_task(post(slow, chat()))
        await self._taken(raw)
        busy = await post(slow, chat())
        assert (busy.status_code, busy.headers["retry-after"]) == (409, "1")
        assert error_of(busy)["code"] == "idempotency_key_in_use"
        release.set()
        assert (await first).status_code == 200
        assert (await post(slow, chat())).headers["idempotent-replayed"] == "true"
        assert len(raw.requests) == 1

    async def test_20_concurrent_requests_are_sent_and_billed_once(
        self, slow: Gateway, raw: RawServer
    ) -> None:
        release = asyncio.Event()
        raw.script = waiting(release, answer())
        asking = [asyncio.create_task(self._ended(slow, chat())) for _ in range(20)]
        await self._taken(raw)
        await asyncio.sleep(0.3)
        release.set()
        got = await asyncio.gather(*asking)
        assert {one.content for one in got} == {got[0].content}
        assert [one.status_code for one in got] == [200] * 20
        assert sum("idempotent-replayed" not in one.headers for one in got) == 1
        assert len(raw.requests) == 1
        # 2 x 500 + 3 x 2000 = 7,000 nano-yuan, once.
        assert await self._costs(slow) == ["0.000007000"]

    @pytest.mark.parametrize("stream", [False, True])
    async def test_call_continues_after_client_disconnects(
        self, slow: Gateway, raw: RawServer, stream: bool
    ) -> None:
        release = asyncio.Event()
        whole = [STREAM, event(1), event(2), event(3), done(3)] if stream else [answer()]
        raw.script = waiting(release, *whole)
        with pytest.raises(httpx.ReadTimeout):
            await post(slow, chat(stream=stream), timeout=0.5)
        assert (await post(slow, chat(stream=stream))).status_code == 409
        release.set()
        got = await self._ended(slow, chat(stream=stream))
        assert got.headers["idempotent-replayed"] == "true"
        assert got.text.count('"content"') == (3 if stream else 1)
        assert got.text.endswith("data: [DONE]\n\n") is stream
        assert len(raw.requests) == 1
        assert await self._costs(slow) == ["0.000007000"]

    async def test_stream_continues_after_client_disconnects(
        self, slow: Gateway, raw: RawServer
    ) -> None:
        release = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await exchange.send(STREAM, event(1))
            await release.wait()
            await exchange.send(event(2), event(3), done(3))

        raw.script = script
        path, body = "/v1/chat/completions", chat(stream=True)
        async with slow.http.stream("POST", path, json=body, headers=KEY) as got:
            async for _ in got.aiter_raw():
                break
        release.set()
        again = await self._ended(slow, body)
        assert again.text.count('"content"') == 3
        assert await self._costs(slow) == ["0.000007000"]

    async def test_stream_continues_if_client_does_not_read(
        self, slow: Gateway, raw: RawServer
    ) -> None:
        """The client is disconnected after a timeout. The call continues; its response is stored up
        to the size limit."""
        texts = [event(number, b"x" * 65_000) for number in range(1, 241)]
        raw.script = in_turn([answering(STREAM, *texts, done(240))])
        path, body = "/v1/chat/completions", chat(stream=True, max_tokens=300)
        async with slow.http.stream("POST", path, json=body, headers=KEY, timeout=60) as got:
            assert got.status_code == 200
            again = await self._ended(slow, body)
            assert error_of(again)["code"] == "idempotent_answer_not_kept"
        assert await self._costs(slow) == ["0.000481000"]

    async def _ended(self, gateway: Gateway, body: dict[str, Any]) -> httpx.Response:
        """The first response that is not a 409 with Retry-After."""
        async with asyncio.timeout(20):
            while True:
                got = await post(gateway, body)
                if got.status_code != 409 or "retry-after" not in got.headers:
                    return got
                await asyncio.sleep(0.1)

    async def _taken(self, raw: RawServer) -> None:
        async with asyncio.timeout(10):
            while not raw.requests:  # noqa: ASYNC110  # the socket tells nobody
                await asyncio.sleep(0.01)

    async def _costs(self, gateway: Gateway) -> list[str]:
        """The costs of all calls that are not free."""
        await nothing_is_held(gateway)
        async with gateway.parts.database.transaction() as session:
            rows = await builders.list_usage(session, account_id=gateway.account.id, limit=1000)
        costs = [builders.usage_to_json(row)["cost"] for row in rows]
        return [cost for cost in costs if cost != "0.000000000"]


class TestLargeResponse:
    @pytest.mark.parametrize("stream", [False, True])
    async def test_response_over_size_limit_is_sent_but_not_replayable(
        self, database_url: str, tmp_path: Path, raw: RawServer, stream: bool
    ) -> None:
        text = b"x" * (4 << 20)
        plain = answer(3, padding=len(text))
        raw.script = answering(STREAM + event(3, text) + done(3) if stream else plain)
        async with run_before(raw, database_url, tmp_path, max_answer_bytes=8 << 20) as gateway:
            first = await post(gateway, chat(stream=stream))
            assert first.status_code == 200
            assert len(first.content) > 4 << 20
            second = await post(gateway, chat(stream=stream))
            assert second.status_code == 409
            assert error_of(second)["code"] == "idempotent_answer_not_kept"
            assert len(raw.requests) == 1

    async def test_response_at_size_limit_is_replayed(
        self, database_url: str, tmp_path: Path, raw: RawServer
    ) -> None:
        head, _, body = answer().partition(b"\r\n\r\n")
        assert head
        raw.script = answering(answer(3, padding=(4 << 20) - len(body)))
        async with run_before(raw, database_url, tmp_path, max_answer_bytes=8 << 20) as gateway:
            first = await post(gateway, chat())
            assert len(first.content) == 4 << 20
            assert (await post(gateway, chat())).content == first.content
