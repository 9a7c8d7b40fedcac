"""The ingress of the text models: routing by model, errors, and responses of an engine's parts."""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from infra.lazy_import import LazyModule
from serving.text.messages import EVENT_STREAM, Operation, ResponseStart, TextRequest
from tests.support.heavy import NEEDS_RAY

if TYPE_CHECKING:
    from serving.text import ingress
else:
    ingress = LazyModule("serving.text.ingress")

pytestmark = NEEDS_RAY
CHAT = "/v1/chat/completions"
COMPLETE = ResponseStart(200, "application/json", '{"id":"1"}')


@dataclass
class Server:
    """The handle of an engine's deployment that answers with given parts."""

    parts: Iterable[Any] = (COMPLETE,)
    requests: list[TextRequest] = field(default_factory=list)

    def options(self, *, stream: bool) -> "Server":
        assert stream
        return self

    @property
    def respond(self) -> "Server":
        return self

    async def remote(self, request: TextRequest) -> AsyncIterator[Any]:
        self.requests.append(request)
        for part in self.parts:
            yield part


def client(server: Server) -> httpx.AsyncClient:
    """A client of an ingress with the engine `base`, which also serves `adapter`."""
    handles: Any = {"base": server}
    app = ingress.TextIngress(handles, {"adapter": "base"})

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        response = await app(Request(scope, receive))
        await response(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(serve), base_url="http://ingress")


@pytest.mark.parametrize("model", ["base", "adapter", "adapter:0123abcd"])
@pytest.mark.parametrize(
    ("path", "operation"), [(CHAT, Operation.CHAT), ("/v1/completions", Operation.COMPLETIONS)]
)
async def test_request_reaches_engine_of_its_model_unchanged(
    path: str, operation: Operation, model: str
) -> None:
    server = Server()
    async with client(server) as http:
        body = json.dumps({"model": model, "other": [1, None]}).encode()
        response = await http.post(path, content=body, headers={"traceparent": "00-1"})
    (request,) = server.requests
    assert (request.operation, request.body) == (operation, body)
    assert request.headers["traceparent"] == "00-1"
    assert (response.status_code, response.json()) == (200, {"id": "1"})


async def test_error_of_the_engine_keeps_status_and_has_no_mark_of_texts_for_customers() -> None:
    server = Server([ResponseStart(400, "application/json", '{"error":{"message":"n"}}')])
    async with client(server) as http:
        response = await http.post(CHAT, json={"model": "base"})
    assert (response.status_code, response.json()["error"]["message"]) == (400, "n")
    assert "x-maas-error" not in response.headers


async def test_events_of_a_stream_are_sent_in_order() -> None:
    server = Server([ResponseStart(200, EVENT_STREAM, "data: 1\n\n"), "data: 2\n\n", "data: 3\n\n"])
    async with client(server) as http:
        response = await http.post(CHAT, json={"model": "base", "stream": True})
    assert response.headers["content-type"].startswith(EVENT_STREAM)
    assert response.text == "data: 1\n\ndata: 2\n\ndata: 3\n\n"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"model": 5}', b'"base"', b"\xff", b"[" * 9_999]
)
async def test_body_that_is_no_object_with_a_model_is_rejected(body: bytes) -> None:
    server = Server()
    async with client(server) as http:
        response = await http.post(CHAT, content=body)
    assert (response.status_code, server.requests) == (400, [])


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": ""}, {"model": "other"}])
async def test_unknown_model_is_not_found(body: dict[str, Any]) -> None:
    async with client(Server()) as http:
        response = await http.post(CHAT, json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


async def test_models_are_listed_with_those_that_have_no_engine_of_their_own() -> None:
    async with client(Server()) as http:
        listed = (await http.get("/v1/models")).json()["data"]
    assert [model["id"] for model in listed] == ["base", "adapter"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", CHAT, 405), ("POST", "/v1/models", 405), ("POST", "/v1/audio/speech", 404)],
)
async def test_other_routes_and_methods_are_rejected(method: str, path: str, status: int) -> None:
    async with client(Server()) as http:
        assert (await http.request(method, path)).status_code == status
