"""Events of background responses while they are generated: live, numbered, in few writes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from sqlalchemy import event, text, update

from gateway.responses import runner
from gateway.responses.attempts import AttemptSpan
from gateway.responses.recording import FLUSH_S, EventRecorder, WriteEvents
from gateway.tables import SavedResponse
from infra import ids
from infra.database.database import DatabaseUnavailable
from tests.support.builders import Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.background_responses import (
    BACKGROUND,
    END_PROCESS,
    PATH,
    PATIENCE_S,
    ended,
    saved,
)

STALLING: dict[str, Any] = {
    **BACKGROUND, "input": "stall-midway please", "max_output_tokens": 8,
}  # fmt: skip
DELTA = "response.output_text.delta"


async def told(stream: Any, kind: str) -> list[Any]:
    """The events of a stream up to the first one of a type."""
    events: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in stream:
            events.append(event)
            if event.type == kind:
                break
    return events


@asynccontextmanager
async def statements(gateway: Gateway, beginning: str) -> AsyncIterator[list[str]]:
    """The statements with this beginning that the gateway executes in the block."""
    found: list[str] = []
    async with gateway.parts.database.transaction() as session:
        engine: Any = session.get_bind()

    def note(*arguments: Any) -> None:
        if arguments[2].lower().startswith(beginning):
            found.append(arguments[2])

    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


async def test_text_arrives_while_the_model_generates_and_a_later_client_gets_it_too(
    gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
) -> None:
    upstream.says = "the pump has a pressure of 3 bar"
    stream = await client.responses.create(**STALLING, stream=True)
    first = await told(stream, DELTA)
    assert upstream.running == 1
    assert "".join(event.delta for event in first if event.type == DELTA)
    later = await client.responses.retrieve(
        first[0].response.id, stream=True, starting_after=first[1].sequence_number
    )
    assert (await told(later, DELTA))[-1] == first[-1]
    await gateway.http.post(f"{PATH}/{first[0].response.id}/cancel")
    errors: list[Any] = [event async for event in stream if event.type == "error"]
    (error,) = errors
    assert error.code == "response_cancelled"


async def test_stream_that_was_recorded_is_the_same_when_it_has_ended(
    gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
) -> None:
    upstream.says = "3 bar at the pump"
    stream = await client.responses.create(**BACKGROUND, stream=True)
    live: list[Any] = [event async for event in stream]
    again = await client.responses.retrieve(live[0].response.id, stream=True)
    replayed: list[Any] = [event async for event in again]
    assert replayed[1:] == live[1:]
    texts = [event.delta for event in live if event.type == DELTA]
    assert len(texts) > 1
    assert "".join(texts) == live[-1].response.output_text == "3 bar at the pump"
    after = await client.responses.retrieve(
        live[0].response.id, stream=True, starting_after=live[-2].sequence_number
    )
    assert [event async for event in after] == live[-1:]


async def test_hundreds_of_events_are_few_statements(gateway: Gateway, client: AsyncOpenAI) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with statements(gateway, "insert into response_events") as inserts:
        stream = await client.responses.create(
            **{**BACKGROUND, "max_output_tokens": 400}, stream=True
        )
        events: list[Any] = [event async for event in stream]
    most = 3 + (loop.time() - began) / FLUSH_S
    assert len(events) > 400
    assert 0 < len(inserts) <= most


async def test_lost_commit_of_events_is_repeated_without_a_second_attempt(
    gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first commit succeeds, its result is lost. Before, every later one was rejected."""
    spans: list[AttemptSpan] = []

    def losing(write: WriteEvents, *rest: Any) -> EventRecorder:
        async def write_and_lose(span: AttemptSpan, events: bytes) -> bool:
            spans.append(span)
            is_wanted = await write(span, events)
            if len(spans) == 1:
                raise DatabaseUnavailable
            return is_wanted

        return EventRecorder(write_and_lose, *rest)

    monkeypatch.setattr(runner, "EventRecorder", losing)
    upstream.says = "3 bar at the pump"
    stream = await client.responses.create(**BACKGROUND, stream=True)
    live: list[Any] = [event async for event in stream]
    assert "".join(event.delta for event in live if event.type == DELTA) == upstream.says
    numbers = [event.sequence_number for event in live]
    assert numbers == list(range(len(numbers)))
    assert spans[0] == spans[1]
    assert [row.attempts for row in await saved(gateway)] == [1]


async def test_answer_that_is_generated_again_never_follows_a_part_of_the_first(
    gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
) -> None:
    stream = await client.responses.create(**STALLING, stream=True)
    first = await told(stream, DELTA)
    runner = gateway.parts.background_runner
    await runner.stop()
    upstream.does, upstream.says = ["go"], "3 bar"
    await runner.start()
    rest: list[Any] = [event async for event in stream if event.type != DELTA]
    (error,) = rest
    assert (error.type, error.code) == ("error", "response_restarted")
    response_id = first[0].response.id
    second: list[Any] = [
        event async for event in await client.responses.retrieve(response_id, stream=True)
    ]
    assert second[-1].response.output_text == "3 bar"
    assert "".join(event.delta for event in second if event.type == DELTA) == "3 bar"
    numbers = [event.sequence_number for event in first[1:] + second[1:]]
    assert numbers == sorted(set(numbers))
    stale = await client.responses.retrieve(
        response_id, stream=True, starting_after=first[-1].sequence_number
    )
    none: list[Any] = [event async for event in stale]
    (error,) = none
    assert error.code == "response_restarted"


async def test_events_of_an_answer_that_was_lost_before_it_was_stored_are_not_doubled(
    gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
) -> None:
    upstream.says = "3 bar"
    stream = await client.responses.create(**BACKGROUND, stream=True)
    (before,) = await saved(gateway)
    live: list[Any] = [event async for event in stream]
    # As if the process had been lost before it stored the response.
    async with gateway.parts.database.transaction() as session:
        values = {"status": "in_progress", "process_id": ids.new_id()}
        values |= {"request": before.request, "response": before.response}
        await session.execute(update(SavedResponse).values(**values))
        await session.execute(text(END_PROCESS))
    found = await ended(client, live[0].response.id)
    assert found.output_text == "3 bar"
    again = await client.responses.retrieve(live[0].response.id, stream=True)
    assert [event async for event in again][1:-1] == live[1:-1]
    assert len(upstream.received) == 1


async def test_call_that_fails_midway_is_repeated_and_fails_the_response_if_it_is_final(
    client: AsyncOpenAI,
) -> None:
    stream = await client.responses.create(
        **{**BACKGROUND, "input": "refuse-late text"}, stream=True
    )
    events: list[Any] = [event async for event in stream]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.code == "invalid_prompt"


async def test_deleted_response_leaves_no_events(gateway: Gateway, client: AsyncOpenAI) -> None:
    stream = await client.responses.create(**BACKGROUND, stream=True)
    events: list[Any] = [event async for event in stream]
    await client.responses.delete(events[0].response.id)
    async with gateway.parts.database.transaction() as session:
        assert (await session.execute(text("select 1 from response_events"))).all() == []
