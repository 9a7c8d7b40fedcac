"""Clients that disconnect while an answer is corrected: rows, amounts and the model server."""

import asyncio
from typing import Any

import pytest

from billing.money import nano_from_text
from models.catalog import Meter
from tests.gateway.retrieval.asking import chats, tool
from tests.gateway.retrieval.firm import Firm
from tests.gateway.retrieval.rows import added, newest
from tests.support.builders import CATALOG, CHAT
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.drafts import QUESTION, RIGHT, TEXT, WRONG, in_order
from tests.support.gateway.faults import nothing_is_held
from tests.support.gateway.lasting import Lasting
from tests.support.waiting import until_true

MANY = 1_000


@pytest.fixture(scope="module")
def firm(served: Lasting) -> Firm:
    return Firm(served.gateway, served.openai)


@pytest.fixture(scope="module")
async def store(firm: Firm) -> str:
    return await firm.store(TEXT, name="filter.txt")


@pytest.fixture
def upstream(served: Lasting, store: str) -> FakeUpstream:
    """The fake model server, which answers wrongly and then not at all."""
    fake = served.upstream
    fake.received.clear()
    fake.replies, fake.does, fake.names_role = in_order(WRONG, RIGHT), ["answer", "hang"], False
    return fake


def body_of(store: str, **values: Any) -> dict[str, Any]:
    message = {"role": "user", "content": QUESTION}
    return {
        "model": CHAT,
        "messages": [message],
        "tools": [tool(store)],
        "max_tokens": 10,
        **values,
    }


async def until_corrected(upstream: FakeUpstream) -> None:
    """Wait until the model server has received the request for the second answer."""

    async def has_arrived() -> bool:
        return len(chats(upstream)) == 2

    await until_true(has_arrived)


async def leave(firm: Firm, upstream: FakeUpstream, body: dict[str, Any]) -> None:
    """Send a chat and disconnect during the second answer, before anything was sent."""
    calling = asyncio.create_task(firm.gateway.http.post("/v1/chat/completions", json=body))
    await until_corrected(upstream)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def leave_stream(firm: Firm, upstream: FakeUpstream, body: dict[str, Any]) -> None:
    """The same of a stream after its first event."""
    async with firm.gateway.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        event = await anext(answer.aiter_lines())
        assert '"role":"assistant"' in event
        await until_corrected(upstream)


def list_cost(row: dict[str, Any]) -> int:
    """What the row's tokens cost by the price list, in nano-units."""
    prices = CATALOG.models[CHAT].prices["CNY"]
    return int(
        row["input_tokens"] * prices[Meter.INPUT_TOKENS]
        + row["output_tokens"] * prices[Meter.OUTPUT_TOKENS]
    )


@pytest.mark.parametrize(
    ("stream", "is_sent"),
    [(False, False), (True, False), (True, True)],
    ids=["plain", "unsent stream", "started stream"],
)
async def test_client_that_leaves_during_the_second_answer_pays_for_the_first_only(
    firm: Firm, store: str, upstream: FakeUpstream, stream: bool, is_sent: bool
) -> None:
    known, upstream.names_role = await newest(firm, MANY), is_sent
    leaving = leave_stream if is_sent else leave
    await leaving(firm, upstream, body_of(store, stream=stream))
    second, search, row = await added(firm, known)
    assert (row["settlement"], row["status"]) == ("client_abort", 499)
    assert (row["error_code"], row["streamed"]) == ("client_closed_request", stream)
    # A stream ends at the wrong sentence: its last tokens may not be generated.
    assert row["output_tokens"] in (range(1, 11) if stream else (10,))
    assert nano_from_text(row["cost"]) == list_cost(row) > 0
    assert (search["settlement"], search["parent_id"]) == ("complete", row["request_id"])
    assert (second["settlement"], second["parent_id"]) == ("waived", row["request_id"])
    assert (second["status"], second["error_code"]) == (499, "client_closed_request")
    assert (second["input_tokens"], second["output_tokens"]) == (None, None)
    assert second["cost"] == "0.000000000"
    await nothing_is_held(firm.gateway)

    async def is_idle() -> bool:
        return upstream.running == 0

    await until_true(is_idle)  # it would have generated for a minute


async def test_call_with_an_idempotency_key_is_corrected_after_its_client_left(
    firm: Firm, store: str, upstream: FakeUpstream
) -> None:
    known, upstream.does, upstream.delay_s = await newest(firm, MANY), [], 0.0
    headers = {"idempotency-key": "left"}
    body = body_of(store)
    calling = asyncio.create_task(
        firm.gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    )
    await until_corrected(upstream)
    calling.cancel()
    second, _search, row = await added(firm, known)
    assert (second["settlement"], row["settlement"]) == ("waived", "complete")
    again = await firm.gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    assert again.json()["choices"][0]["message"]["content"] == RIGHT
    assert again.headers["idempotent-replayed"] == "true"
    assert len(chats(upstream)) == 2
