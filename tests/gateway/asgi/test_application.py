"""Paths that are served without Litestar's router, and their unexpected errors."""

from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from litestar import get

from gateway.api.inference import CallAdapter, InferenceComponents, direct_applications
from gateway.asgi.application import DirectApplication
from infra.clock import SystemClock


class BrokenPipeline:
    """A pipeline with an error that nothing foresees, before or after a response has begun."""

    def __init__(self, starts: bool) -> None:
        self._starts = starts

    async def serve(self, call: Any, client: Any) -> None:
        if self._starts:
            await client.start(200, {"content-length": "1"})
        raise ValueError("a secret")


@get("/routed")
async def routed() -> str:
    """Answer through the router."""
    return "routed"


async def direct(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr(scope["path_params"]).encode()})


def client_of(app: DirectApplication) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def broken_app(starts: bool) -> DirectApplication:
    components = SimpleNamespace(pipeline=BrokenPipeline(starts), clock=SystemClock())
    return DirectApplication(
        direct_applications(CallAdapter(cast(InferenceComponents, components)))
    )


async def test_direct_path_is_served_without_the_router_and_others_by_it() -> None:
    app = DirectApplication({"/direct": direct}, route_handlers=[routed])
    async with client_of(app) as http:
        assert (await http.get("/direct")).text == "{}"
        assert (await http.get("/routed")).text == "routed"
        assert (await http.get("/direct/")).status_code == 404


async def test_unexpected_error_of_a_call_is_answered_without_its_details() -> None:
    async with client_of(broken_app(starts=False)) as http:
        answer = await http.post("/v1/chat/completions", content=b"{}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


async def test_unexpected_error_after_the_start_of_a_response_is_raised_to_the_server() -> None:
    async with client_of(broken_app(starts=True)) as http:
        with pytest.raises(ValueError, match="a secret"):
            await http.post("/v1/chat/completions", content=b"{}")


async def test_other_method_of_a_direct_path_is_refused() -> None:
    async with client_of(broken_app(starts=False)) as http:
        answer = await http.get("/v1/chat/completions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
