"""Streams: what the client sees, what is billed when either side breaks off."""

import asyncio
import json
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI

from tests.gateway.inference.stream_events import events
from tests.support.builders import CHAT, PLENTY, Gateway, Limited
from tests.support.fakes.upstream import FakeUpstream


class TestWhole:
    async def test_the_official_client_reads_it(self, gateway: Gateway) -> None:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            stream = await client.chat.completions.create(
                model=CHAT,
                messages=[{"role": "user", "content": "one two"}],
                max_tokens=4,
                stream=True,
            )
            texts = [chunk.choices[0].delta.content async for chunk in stream]
        assert texts == [f' "usage":{{{count}}}' for count in range(1, 5)]
        row = await gateway.row()
        # 2 x 500 + 4 x 2000 = 9,000 nano-yuan.
        assert (row["settlement"], row["cost"]) == ("complete", "0.000009000")
        assert (row["input_tokens"], row["output_tokens"], row["streamed"]) == (2, 4, True)
        assert row["first_chunk_ms"] is not None

    async def test_usage_that_was_not_asked_for_is_hidden(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await gateway.chat("one two", stream=True)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-request-id"].startswith("req_")
        *chunks, last = events(answer)
        assert last == "[DONE]"
        assert len(chunks) == 5
        assert not any("usage" in chunk for chunk in chunks)
        assert upstream.received[0]["stream_options"] == {
            "include_usage": True,
            "continuous_usage_stats": True,
        }

    async def test_usage_at_the_end(self, gateway: Gateway) -> None:
        answer = await gateway.chat("a b", stream=True, stream_options={"include_usage": True})
        *chunks, total, last = events(answer)
        assert last == "[DONE]"
        assert not any("usage" in chunk for chunk in chunks)
        assert (total["choices"], total["usage"]["completion_tokens"]) == ([], 5)

    async def test_usage_in_every_chunk(self, gateway: Gateway) -> None:
        options = {"include_usage": True, "continuous_usage_stats": True}
        *chunks, _ = events(await gateway.chat("a b", stream=True, stream_options=options))
        counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
        assert counts == [1, 2, 3, 4, 5, 5]

    @pytest.mark.parametrize("prompt", ["no-usage", "bad-usage"])
    async def test_an_engine_that_tells_no_usage_is_not_billed_nothing(
        self, gateway: Gateway, prompt: str
    ) -> None:
        """Unknown is not zero: the row says so, for reconciliation."""
        *_, last = events(await gateway.chat(prompt, stream=True))
        assert last == "[DONE]"
        row = await gateway.row()
        assert (row["settlement"], row["output_tokens"]) == ("unknown", None)


class TestBroken:
    @pytest.mark.parametrize(
        ("prompt", "code"),
        [
            ("die-midway", "model_failed"),
            ("error-midway", "model_failed"),
            ("rubbish-midway", "model_failed"),
            ("no-done", "model_failed"),
            ("stall-midway", "model_timeout"),
            ("endless-event", "model_failed"),
        ],
    )
    async def test_the_client_sees_the_fault_and_pays_nothing(
        self, gateway: Gateway, prompt: str, code: str
    ) -> None:
        answer = await gateway.chat(prompt, stream=True)
        *chunks, last = events(answer)
        assert len(chunks) >= 3
        assert set(last["error"]) == {"message", "type", "param", "code"}
        assert last["error"]["code"] == code
        assert "/opt" not in answer.text
        row = await gateway.row()
        assert (row["settlement"], row["error_code"]) == ("platform_fault", code)
        assert row["cost"] == "0.000000000"
        assert (await gateway.chat("still alive")).status_code == 200

    async def test_the_official_client_raises(self, gateway: Gateway) -> None:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            stream = await client.chat.completions.create(
                model=CHAT, messages=[{"role": "user", "content": "die-midway"}], stream=True
            )
            with pytest.raises(APIError, match="stopped in the middle"):
                async for _ in stream:
                    pass

    async def test_a_refusal_before_the_first_token_has_its_status(self, gateway: Gateway) -> None:
        answer = await gateway.chat("refuse-late", stream=True)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "response_format"


class TestAborts:
    async def test_what_was_generated_is_billed(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            stream = await client.chat.completions.create(
                model=CHAT,
                messages=[{"role": "user", "content": "drip two three"}],
                max_tokens=1000,
                stream=True,
            )
            async for _ in stream:
                break
            await stream.close()
        row = await gateway.row()
        assert (row["settlement"], row["status"]) == ("client_abort", 499)
        assert row["input_tokens"] == 3
        assert 0 <= upstream.generated - row["output_tokens"] <= 1
        assert row["cost"] == f"{(3 * 500 + row['output_tokens'] * 2000) / 1e9:.9f}"
        assert upstream.cancelled == 1

    async def test_a_client_that_takes_nothing_is_let_go(self, limited: Limited) -> None:
        """Its bytes pile up nowhere: the stream waits, then ends as an abort."""
        # The same patience is with the model server and the books, of which neither may be late.
        async with limited(PLENTY, idle_timeout_s=4.0) as gateway:
            row = await self._flooded(gateway)
        assert row["settlement"] == "client_abort"
        assert 0 < row["output_tokens"] < 200_000

    async def _flooded(self, gateway: Gateway) -> dict[str, Any]:
        """The row of a call whose client takes nothing."""
        host, port = gateway.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        body = json.dumps(
            {
                "model": CHAT,
                "messages": [{"role": "user", "content": "flood"}],
                "max_tokens": 200_000,
                "stream": True,
            }
        ).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: Bearer " + gateway.key.secret.encode() + b"\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        await writer.drain()
        row = await asyncio.wait_for(self._row(gateway), 30)
        writer.close()
        return row

    async def _row(self, gateway: Gateway) -> dict[str, Any]:
        while True:
            try:
                return await gateway.row()
            except AssertionError:
                await asyncio.sleep(0.1)
