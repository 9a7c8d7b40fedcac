"""Input that no client library sends: each is a 400 in the documented shape, never a 500."""

import json
from typing import Any

import pytest

from gateway.asgi.server_protocol import is_valid_host
from tests.support.builders import CHAT, EMBEDDING, Gateway
from tests.support.raw_http import is_unharmed, wire_to

NUL, DIGITS = "a\x00b", "000000005" + "9" * 5_000
MESSAGES = [{"role": "user", "content": "a"}]


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: no test of this module leaves data that another test reads."""
    return shared_gateway


class TestHostHeader:
    @pytest.mark.parametrize(
        "host",
        [
            *("a:b", "x:1, y", "x:1:2", "x:99999", "[::1", "::1]", "[zz]", "[1.2.3.4]", "[::1]x"),
            *("x/y", "user@x", "x?y", "x#y", "x y", "x:-1", "x:\xb2", "\xff", "x,y", "http://x"),
        ],
    )
    @pytest.mark.parametrize("path", ["/health/live", "/v1/models", "/v1/chat/completions"])
    async def test_malformed_host_is_refused_before_authentication(
        self, gateway: Gateway, path: str, host: str
    ) -> None:
        async with wire_to(gateway.url) as wire:
            head = f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"
            await wire.send(head.encode("latin-1"))
            answer = await wire.answer()
            assert answer is not None
            assert (answer.status, answer.error["code"]) == (400, "malformed_request")
            assert await wire.closed()
        assert await is_unharmed(gateway.url)

    @pytest.mark.parametrize(
        "host", ["x", "X.example:8000", "maas_gateway", "127.0.0.1:80", "[::1]:8000", "x:", ""]
    )
    def test_usual_host_is_accepted(self, host: str) -> None:
        assert is_valid_host(host.encode())


class TestRequestTarget:
    @pytest.mark.parametrize(
        "path",
        [
            *("/v1/models/%00", "/v1/vector_stores/vs%00", "/v1/usage?before=%00", "/nowhere%00"),
            *("/v1/outcomes/evidence?contract=%00", "/v1/invoices?after=a%00"),
        ],
    )
    async def test_nul_in_request_target_is_refused(self, gateway: Gateway, path: str) -> None:
        async with wire_to(gateway.url) as wire:
            await wire.send(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            answer = await wire.answer()
            assert answer is not None
            assert (answer.status, answer.error["code"]) == (400, "malformed_request")

    async def test_number_of_thousands_of_digits_is_refused(self, gateway: Gateway) -> None:
        paths = [
            f"/v2/models/failure-class/versions/{DIGITS}/infer",
            f"/v1/organization/usage/completions?start_time=0&page=page_{DIGITS}",
        ]
        for path in paths:
            method = "POST" if path.startswith("/v2") else "GET"
            answer = await gateway.http.request(method, path, json={})
            assert 400 <= answer.status_code < 500, answer.text


class TestRequestHeaders:
    @pytest.mark.parametrize(
        "headers",
        [
            {"x-maas-latency-ms": DIGITS},
            {"inference-header-content-length": DIGITS},
            {"x-maas-tags": "order=%00"},
            {"x-maas-tags": "order=%ED%A0%80"},
            {"idempotency-key": "a\x7fb"},
            {"x-max-cost": "9" * 400},
        ],
    )
    async def test_unreadable_header_is_refused(
        self, gateway: Gateway, headers: dict[str, str]
    ) -> None:
        body: dict[str, Any] = {"model": "auto", "messages": MESSAGES, "max_tokens": 1}
        path = "/v1/chat/completions"
        if "inference-header-content-length" in headers:
            path, body = "/v2/models/failure-class/infer", {"inputs": []}
        answer = await gateway.http.post(path, json=body, headers=headers)
        assert answer.status_code == 400, answer.text


class TestRequestBodies:
    @pytest.mark.parametrize("text", [NUL, "\\ud800", "\\udfff\\ud800"])
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/v1/vector_stores", {"name": "TEXT"}),
            ("/v1/vector_stores", {"name": "a", "metadata": {"TEXT": "c"}}),
            ("/v1/vector_stores", {"name": "a", "metadata": {"b": "TEXT"}}),
            ("/v1/feedback", {"request_id": "TEXT", "rating": "bad", "comment": "TEXT"}),
            ("/v1/fine_tuning/jobs", {"model": "TEXT", "training_file": "TEXT"}),
            ("/v1/alerts", {"url": "https://hook.example/TEXT", "percentages": [80]}),
            ("/v1/outcomes", {"contract": "TEXT", "evidence": "TEXT"}),
            ("/v1/outcomes/attesters", {"contract": "TEXT", "kind": "sign_off", "name": "TEXT",
                                        "public_key": "TEXT"}),
            ("/v1/chat/completions", {"model": "TEXT", "messages": MESSAGES}),
            ("/v1/embeddings", {"model": "TEXT", "input": "a"}),
            ("/v1/subscription", {"plan": "TEXT"}),
            ("/v1/agents", {"template": "TEXT", "asset": "TEXT", "name": "TEXT"}),
            ("/v1/agents", {"template": "quality-gate", "asset": "TEXT", "name": "TEXT"}),
            ("/v1/quote", {"model": "TEXT", "messages": MESSAGES}),
            ("/v1/route", {"task": "TEXT", "model": "TEXT", "messages": MESSAGES}),
        ],
    )  # fmt: skip
    async def test_text_that_cannot_be_stored_never_returns_500(
        self, gateway: Gateway, path: str, body: dict[str, Any], text: str
    ) -> None:
        escaped = text.replace("\x00", "\\u0000")
        sent = json.dumps(body).replace("TEXT", escaped)
        headers = {"content-type": "application/json"}
        answer = await gateway.http.post(path, content=sent.encode(), headers=headers)
        # Endpoints that neither store nor look up the text accept a NUL.
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

    async def test_search_filter_with_a_nul_never_returns_500(self, gateway: Gateway) -> None:
        made = await gateway.http.post("/v1/vector_stores", json={"name": "a"})
        store, where = made.json()["id"], {"type": "eq", "key": NUL, "value": NUL}
        search = {"query": NUL, "filters": where}
        answer = await gateway.http.post(f"/v1/vector_stores/{store}/search", json=search)
        assert answer.status_code < 500, answer.text
        tool = {"type": "file_search", "vector_store_ids": [store], "filters": where}
        body = {"model": CHAT, "messages": MESSAGES, "max_tokens": 1, "tools": [tool]}
        answer = await gateway.http.post("/v1/chat/completions", json=body)
        assert answer.status_code < 500, answer.text

    @pytest.mark.parametrize("name", ["a\x00.jsonl", "a%00.jsonl", "\ud800.jsonl"])
    async def test_file_name_that_cannot_be_stored_never_returns_500(
        self, gateway: Gateway, name: str
    ) -> None:
        part = b"--b\r\ncontent-disposition: form-data; name=%b\r\n\r\n%b\r\n"
        shown = name.encode(errors="surrogatepass")
        body = part % (b"purpose", b"fine-tune") + part % (b'file; filename="%b"' % shown, b"{}")
        headers = {"content-type": "multipart/form-data; boundary=b"}
        sent = body + b"--b--\r\n"
        answer = await gateway.http.post("/v1/files", content=sent, headers=headers)
        assert answer.status_code < 500, answer.text

    async def test_embedding_input_with_a_nul_returns_200(self, gateway: Gateway) -> None:
        answer = await gateway.http.post("/v1/embeddings", json={"model": EMBEDDING, "input": NUL})
        assert answer.status_code == 200, answer.text
