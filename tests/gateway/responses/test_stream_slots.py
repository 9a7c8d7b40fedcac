"""Open streams of stored responses are limited: each asks the database several times a second."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from gateway.call.stream_slots import MAX_STREAMS_OF_ACCOUNT
from tests.support.builders import Gateway
from tests.support.gateway.background_responses import BACKGROUND, PATH, PATIENCE_S, saved
from tests.support.gateway.errors import error_of
from tests.support.waiting import until_true


@pytest.fixture
async def queued(gateway: Gateway) -> AsyncIterator[str]:
    """The id of a response that stays queued during the test."""
    await gateway.parts.background_runner.stop()
    yield (await gateway.http.post(PATH, json=BACKGROUND)).json()["id"]
    await gateway.parts.background_runner.start()


@asynccontextmanager
async def followed(gateway: Gateway, response: str, count: int) -> AsyncIterator[list[int]]:
    """Streams of a response that are opened at once; yields their sorted statuses."""
    async with AsyncExitStack() as streams:
        asked = [
            gateway.http.build_request("GET", f"{PATH}/{response}", params={"stream": True})
            for _ in range(count)
        ]
        sent = (gateway.http.send(one, stream=True) for one in asked)
        answers: list[httpx.Response] = await asyncio.gather(*sent)
        for answer in answers:
            streams.push_async_callback(answer.aclose)
        yield sorted(answer.status_code for answer in answers)


def open_streams(gateway: Gateway) -> int:
    return gateway.parts.response_streams.count(gateway.account.id)


async def test_streams_that_are_opened_at_once_do_not_pass_the_limit_together(
    gateway: Gateway, queued: str
) -> None:
    most = MAX_STREAMS_OF_ACCOUNT
    async with followed(gateway, queued, most + 3) as statuses:
        assert statuses == [200] * most + [429] * 3
        refused = await gateway.http.get(f"{PATH}/{queued}", params={"stream": True})
        assert error_of(refused)["code"] == "concurrent_streams_exceeded"
        assert refused.headers["retry-after"] == "5"
        assert (await gateway.http.get(f"{PATH}/{queued}")).status_code == 200


async def test_streams_whose_clients_are_gone_give_their_slots_back(
    gateway: Gateway, queued: str
) -> None:
    async with followed(gateway, queued, 2):
        assert open_streams(gateway) == 2

    async def are_free() -> bool:
        return open_streams(gateway) == 0

    await until_true(are_free)


@pytest.mark.usefixtures("queued")
async def test_stream_of_a_new_response_gives_its_slot_back_at_its_end(gateway: Gateway) -> None:
    body = {**BACKGROUND, "stream": True}
    async with (
        asyncio.timeout(PATIENCE_S),
        gateway.http.stream("POST", PATH, json=body) as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        created = json.loads((await anext(lines)).removeprefix("data: "))
        assert open_streams(gateway) == 1
        await gateway.http.post(f"{PATH}/{created['response']['id']}/cancel")
        assert [line async for line in lines]
    assert open_streams(gateway) == 0


async def test_stream_of_a_new_response_beyond_the_limit_is_refused_and_queues_nothing(
    gateway: Gateway, queued: str
) -> None:
    body = {**BACKGROUND, "stream": True}
    async with followed(gateway, queued, MAX_STREAMS_OF_ACCOUNT), asyncio.timeout(PATIENCE_S):
        answer = await gateway.http.post(PATH, json=body)
        assert (answer.status_code, error_of(answer)["code"]) == (
            429, "concurrent_streams_exceeded")  # fmt: skip
        assert len(await saved(gateway)) == 1
        assert (await gateway.http.post(PATH, json=BACKGROUND)).status_code == 200
