"""A stream with a slot frees it however its response ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest
from litestar.testing import RequestFactory

from gateway.asgi.slotted_stream import SlottedStream

EVENTS = {"content-type": "text/event-stream; charset=utf-8"}


async def two_events() -> AsyncIterator[bytes]:
    yield b"1"
    yield b"2"


async def endless() -> AsyncIterator[bytes]:
    yield b"1"
    await asyncio.Event().wait()


@pytest.fixture
def freed() -> list[str]:
    """Gets an entry each time that the slot is freed."""
    return []


@pytest.fixture
def slot(freed: list[str]) -> ExitStack:
    held = ExitStack()
    held.callback(freed.append, "slot")
    return held


async def respond(events: AsyncIterator[bytes], slot: ExitStack, receive: Any, send: Any) -> None:
    """Send the response to a client."""
    request: Any = RequestFactory().get("/")
    await SlottedStream(events, slot, EVENTS).to_asgi_response(None, request)(
        request.scope, receive, send
    )


async def stay() -> Any:
    """A client that stays."""
    await asyncio.Event().wait()


async def leave() -> Any:
    """A client that is gone."""
    return {"type": "http.disconnect"}


async def test_whole_stream_is_sent_and_frees_the_slot_at_its_end(
    slot: ExitStack, freed: list[str]
) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        assert freed == []
        sent.append(message)
        if message.get("more_body") is False:
            gone.set()

    gone = asyncio.Event()

    async def receive() -> Any:
        await gone.wait()
        return await leave()

    await respond(two_events(), slot, receive, send)
    assert sent[0]["status"] == 200
    assert (b"content-type", EVENTS["content-type"].encode()) in sent[0]["headers"]
    assert [message["body"] for message in sent[1:]] == [b"1", b"2", b""]
    assert freed == ["slot"]


async def test_slot_is_freed_if_the_client_is_gone(slot: ExitStack, freed: list[str]) -> None:
    async def send(_message: Any) -> None:
        pass

    await respond(endless(), slot, leave, send)
    assert freed == ["slot"]


async def test_slot_is_freed_if_the_connection_breaks_before_the_first_event(
    slot: ExitStack, freed: list[str]
) -> None:
    async def send(message: Any) -> None:
        assert message["type"] == "http.response.start"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await respond(two_events(), slot, stay, send)
    assert freed == ["slot"]
