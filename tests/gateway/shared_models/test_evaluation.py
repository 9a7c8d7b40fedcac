"""Evaluation requests: retries while the model server is unavailable, and sample sizes."""

from collections.abc import AsyncIterator

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.shared_models import evaluation
from gateway.shared_models.evaluation import Contender, LoadOnMissTransport, sample_size
from models.industrial_llm.examples import Example

pytestmark = pytest.mark.usefixtures("network")


class Restarted:
    """A server whose first three requests fail: connection closed, 503, 502."""

    def __init__(self) -> None:
        self.failing = ["cut off", "503", "502"]
        self.asked = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        how = self.failing.pop(0) if self.failing else "well"
        if how == "cut off":
            assert request.transport is not None
            request.transport.close()
        return web.json_response({}, status=200 if how in ("well", "cut off") else int(how))


@pytest.fixture
async def restarted(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Restarted, str]]:
    monkeypatch.setattr(evaluation, "_RETRY_DELAY_S", 0.01)
    told, app = Restarted(), web.Application()
    app.router.add_post("/v1/chat/completions", told.answer)
    async with TestServer(app) as server:
        yield told, str(server.make_url("")).rstrip("/")


async def ask(url: str) -> httpx.Response:
    transport = LoadOnMissTransport(url, Contender(0, "model"))
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.post(f"{url}/v1/chat/completions", json={})


async def test_evaluation_request_is_retried_until_the_server_recovers(
    restarted: tuple[Restarted, str],
) -> None:
    told, url = restarted
    assert (await ask(url)).status_code == 200
    assert told.asked == 4


async def test_last_error_is_returned_after_the_maximum_retries(
    restarted: tuple[Restarted, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "_MAX_RETRIES", 2)
    told, url = restarted
    assert (await ask(url)).status_code == 502
    assert told.asked == 3


async def test_client_error_is_returned_without_a_retry(restarted: tuple[Restarted, str]) -> None:
    told, url = restarted
    told.failing = ["400"]
    assert (await ask(url)).status_code == 400
    assert told.asked == 1


@pytest.mark.parametrize(("letters", "asked"), [(1, 200), (100, 200), (250, 80), (5_000, 60)])
def test_sample_size_is_smaller_for_tasks_with_long_answers(letters: int, asked: int) -> None:
    examples = [Example("terms", "own", "en", f"{number}", "x" * letters) for number in range(300)]
    assert sample_size(examples) == asked
    assert sample_size([]) == 200
