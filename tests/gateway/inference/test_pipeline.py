"""Plain calls from the client's request to the usage row, with all failures."""

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI

from gateway.access.key_format import generate_api_key
from gateway.upstream.load_balancer import Router
from gateway.upstream.server_specs import parse_upstreams
from tests.support.builders import CHAT, EMBEDDING, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.asking import until
from tests.support.gateway.errors import error_of


class TestSuccessfulCall:
    async def test_chat_completion_returns_text_and_cost(self, gateway: Gateway) -> None:
        # 3 words in at 500 nano, 5 tokens out at 2000 nano: 1,500 + 10,000 = 11,500 nano-yuan.
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            answer = await client.chat.completions.with_raw_response.create(
                model=CHAT, messages=[{"role": "user", "content": "one two three"}], max_tokens=5
            )
        assert answer.parse().choices[0].message.content == "word " * 5
        assert answer.headers["x-maas-cost"] == "0.000011500"
        assert answer.headers["x-maas-currency"] == "CNY"
        row = await gateway.row()
        assert (row["settlement"], row["status"]) == ("complete", 200)
        assert (row["input_tokens"], row["output_tokens"]) == (3, 5)
        assert row["cost"] == "0.000011500"
        assert row["request_id"] == answer.headers["x-request-id"]

    async def test_cached_tokens_have_their_own_price(self, gateway: Gateway) -> None:
        # 3 in, 1 of them cached: 2 x 500 + 1 x 100 + 5 x 2000 = 11,100 nano-yuan.
        answer = await gateway.chat("cached two three")
        assert answer.headers["x-maas-cost"] == "0.000011100"

    async def test_text_completion_returns_text_and_writes_row(self, gateway: Gateway) -> None:
        body = {"model": CHAT, "prompt": "one two", "max_tokens": 3}
        answer = await gateway.http.post("/v1/completions", json=body)
        assert answer.json()["choices"][0]["text"] == "word word word "
        assert (await gateway.row())["operation"] == "text_completion"

    async def test_embeddings_are_billed_per_input_token(self, gateway: Gateway) -> None:
        # 5 words at 100 nano.
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            answer = await client.embeddings.create(
                model=EMBEDDING, input=["one two", "three four five"], encoding_format="float"
            )
        assert len(answer.data) == 2
        row = await gateway.row()
        assert (row["input_tokens"], row["output_tokens"]) == (5, None)
        assert row["cost"] == "0.000000500"

    async def test_request_body_is_forwarded_unchanged(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        """The upstream receives what the client sent; numbers keep their digits."""
        raw = (
            b'{"model":"%s","messages":[{"role":"user","content":"\\u4f60 hi"}],'
            b'"temperature":0.10,"top_k":7,"max_tokens":2}' % CHAT.encode()
        )
        answer = await gateway.http.post("/v1/chat/completions", content=raw)
        assert answer.status_code == 200
        assert upstream.received[0]["messages"][0]["content"] == "你 hi"
        assert upstream.received[0]["top_k"] == 7
        assert "authorization" not in {name.lower() for name in upstream.headers[0]}

    async def test_duplicate_field_uses_last_value_here_and_upstream(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        raw = '{"model":"x","max_tokens":1,"messages":[{"role":"user","content":"a"}],"model":"%s"}'
        answer = await gateway.http.post("/v1/chat/completions", content=raw % CHAT)
        assert answer.status_code == 200
        assert upstream.received[0]["model"] == CHAT


class TestInvalidRequest:
    @pytest.fixture
    def patience_s(self) -> float:
        return 1.0

    @pytest.mark.parametrize(
        ("body", "code", "param"),
        [
            (b"", "invalid_json", None),
            (b"{", "invalid_json", None),
            (b"[1]", "invalid_json", None),
            (b'"text"', "invalid_json", None),
            (b"\xff\xfe", "invalid_json", None),
            (b'{"a":' * 5000, "invalid_json", None),
            (b"{}", "invalid_value", "model"),
            (b'{"model":7}', "invalid_value", "model"),
            (b'{"model":"%s"}', "invalid_value", "messages"),
            (b'{"model":"%s","messages":[]}', "invalid_value", "messages"),
            (b'{"model":"%s","messages":"hi"}', "invalid_value", "messages"),
            (b'{"model":"%s","messages":[{"content":"x"}]}', "invalid_value", "messages[0].role"),
            (
                b'{"model":"%s","messages":[{"role":"king"}]}',
                "invalid_value",
                "messages[0].role",
            ),
            (
                b'{"model":"%s","messages":[{"role":"user","content":"x"}],"temperature":"hot"}',
                "invalid_value",
                "temperature",
            ),
            (
                b'{"model":"%s","messages":[{"role":"user","content":"x"}],"temperature":3}',
                "invalid_value",
                "temperature",
            ),
            (
                b'{"model":"%s","messages":[{"role":"user","content":"x"}],"n":0}',
                "invalid_value",
                "n",
            ),
            (
                b'{"model":"%s","messages":[{"role":"user","content":"x"}],"max_tokens":-1}',
                "invalid_value",
                "max_tokens",
            ),
            (
                b'{"model":"%s","messages":[{"role":"user","content":"x"}],'
                b'"stream_options":{"include_usage":true}}',
                "invalid_value",
                "stream_options",
            ),
            (
                b'{"model":"%s","messages":[{"role":"user","content":"x"}],"priority":-5}',
                "unknown_parameter",
                "priority",
            ),
            (
                b'{"model":"nope","messages":[{"role":"user","content":"x"}]}',
                "model_not_found",
                "model",
            ),
        ],
    )
    async def test_invalid_body_returns_error_code_and_writes_row(
        self,
        gateway: Gateway,
        upstream: FakeUpstream,
        body: bytes,
        code: str,
        param: str | None,
    ) -> None:
        content = body.replace(b"%s", CHAT.encode())
        answer = await gateway.http.post("/v1/chat/completions", content=content)
        assert answer.status_code == (404 if code == "model_not_found" else 400)
        error = error_of(answer)
        assert (error["code"], error["param"]) == (code, param)
        assert error["type"] == "invalid_request_error"
        row = await gateway.row()
        assert (row["settlement"], row["error_code"]) == ("refused", code)
        assert row["cost"] == "0.000000000"
        assert not upstream.received

    async def test_model_of_another_task_returns_model_not_supported(
        self, gateway: Gateway
    ) -> None:
        body = {"model": EMBEDDING, "messages": [{"role": "user", "content": "x"}]}
        answer = await gateway.http.post("/v1/chat/completions", json=body)
        assert error_of(answer)["code"] == "model_not_supported"

    async def test_body_over_size_limit_returns_413(self, gateway: Gateway) -> None:
        answer = await gateway.chat("x" * (65 << 10))
        assert answer.status_code == 413
        assert error_of(answer)["code"] == "request_too_large"
        assert (await gateway.row())["error_code"] == "request_too_large"

    async def test_chunked_body_over_size_limit_returns_413(self, gateway: Gateway) -> None:
        async def endless() -> Any:
            for _ in range(100):
                yield b"x" * 1024

        answer = await gateway.http.post("/v1/chat/completions", content=endless())
        assert answer.status_code == 413

    async def test_compressed_body_returns_415(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(
            "/v1/chat/completions", content=b"x", headers={"content-encoding": "gzip"}
        )
        assert answer.status_code == 415
        assert error_of(answer)["code"] == "unsupported_encoding"

    async def test_incomplete_body_returns_408(self, gateway: Gateway) -> None:
        host, port = gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            b"Authorization: Bearer " + gateway.key.secret.encode() + b"\r\n\r\n{"
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
        writer.close()
        assert b" 408 " in head
        assert (await gateway.row())["error_code"] == "request_timeout"

    async def test_wrong_method_returns_405(self, gateway: Gateway) -> None:
        answer = await gateway.http.get("/v1/chat/completions")
        assert answer.status_code == 405
        assert error_of(answer)["code"] == "method_not_allowed"

    @pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/audio/speech", "/v1/score/x"])
    async def test_unsupported_openai_path_returns_404_and_writes_row(
        self, gateway: Gateway, path: str
    ) -> None:
        answer = await gateway.http.post(path, json={"model": CHAT})
        assert answer.status_code == 404
        assert error_of(answer)["code"] == "unsupported_endpoint"
        assert (await gateway.row())["error_code"] == "unsupported_endpoint"

    async def test_unknown_path_returns_404(self, gateway: Gateway) -> None:
        answer = await gateway.http.get("/tokenize")
        assert answer.status_code == 404
        assert error_of(answer)["code"] == "unsupported_endpoint"


class TestAuthentication:
    async def test_missing_key_returns_401(self, gateway: Gateway) -> None:
        gateway.http.headers.pop("authorization")
        answer = await gateway.chat("hi")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert error_of(answer)["code"] == "missing_api_key"
        row = await gateway.row()
        assert (row["account_id"], row["error_code"]) == (None, "missing_api_key")

    @pytest.mark.parametrize("credentials", ["Basic abc", "Bearer", "Token maas_x", ""])
    async def test_malformed_credentials_return_401(
        self, gateway: Gateway, credentials: str
    ) -> None:
        gateway.http.headers["authorization"] = credentials
        assert (await gateway.chat("hi")).status_code == 401

    async def test_key_with_wrong_checksum_returns_401(self, gateway: Gateway) -> None:
        secret = gateway.key.secret
        gateway.http.headers["authorization"] = (
            f"Bearer {secret[:-1]}{'0' if secret[-1] != '0' else '1'}"
        )
        answer = await gateway.chat("hi")
        assert (answer.status_code, error_of(answer)["code"]) == (401, "invalid_api_key")

    async def test_key_of_another_deployment_returns_401(self, gateway: Gateway) -> None:
        """Well-formed, but created elsewhere."""
        gateway.http.headers["authorization"] = f"Bearer {generate_api_key()}"
        answer = await gateway.chat("hi")
        assert (answer.status_code, error_of(answer)["code"]) == (401, "invalid_api_key")
        assert (await gateway.row())["account_id"] is None


class TestUpstreamFaults:
    @pytest.fixture
    def patience_s(self) -> float:
        return 1.0

    @pytest.mark.parametrize(
        ("prompt", "status", "code"),
        [
            ("unserved", 503, "service_unavailable"),
            ("busy", 503, "model_overloaded"),
            ("fault", 502, "model_failed"),
            ("die", 502, "model_failed"),
            ("rubbish", 502, "model_failed"),
            ("huge", 502, "model_failed"),
            ("hang", 504, "model_timeout"),
        ],
    )
    @pytest.mark.parametrize("stream", [False, True])
    async def test_upstream_failure_returns_5xx_and_is_not_billed(
        self, gateway: Gateway, prompt: str, status: int, code: str, stream: bool
    ) -> None:
        answer = await gateway.chat(prompt, stream=stream)
        assert (answer.status_code, error_of(answer)["code"]) == (status, code)
        row = await gateway.row()
        assert (row["settlement"], row["status"]) == ("platform_fault", status)
        assert (row["error_code"], row["cost"]) == (code, "0.000000000")
        assert (await gateway.chat("still alive")).status_code == 200

    @pytest.mark.parametrize("stream", [False, True])
    async def test_prompt_over_context_length_returns_400(
        self, gateway: Gateway, stream: bool
    ) -> None:
        answer = await gateway.chat("too-long", stream=stream)
        assert answer.status_code == 400
        error = error_of(answer)
        assert error["code"] == "context_length_exceeded"
        assert "4096" in error["message"]
        assert (await gateway.row())["settlement"] == "refused"

    async def test_unexpected_upstream_rejection_is_not_forwarded(self, gateway: Gateway) -> None:
        answer = await gateway.chat("unknown-fault")
        assert answer.status_code == 400
        assert "secret" not in answer.text
        assert error_of(answer)["code"] == "invalid_request"

    async def test_unreachable_upstream_returns_503(self, gateway: Gateway) -> None:
        nowhere = Router(parse_upstreams("http://127.0.0.1:9"), gateway.parts.clock)
        gateway.parts.pipeline._stages.dispatcher._router = nowhere
        answer = await gateway.chat("hi")
        assert (answer.status_code, error_of(answer)["code"]) == (503, "model_unavailable")


class TestClientAbort:
    async def test_client_disconnect_cancels_plain_call_without_charge(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        """The generation is cancelled. Its usage is unknown and is not billed."""
        upstream.delay_s = 30
        asking = asyncio.create_task(gateway.chat("x"))
        async with asyncio.timeout(10):
            while not upstream.running:  # noqa: ASYNC110  # it has begun, however busy the host is
                await asyncio.sleep(0.01)
        asking.cancel()
        row = await gateway.row()
        assert (row["settlement"], row["status"]) == ("client_abort", 499)
        assert (row["input_tokens"], row["cost"]) == (None, "0.000000000")
        await until(lambda: upstream.cancelled == 1)
