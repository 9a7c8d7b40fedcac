"""Second answers that fail, time out or cannot be read: the client gets a quotation."""

from typing import Any

import pytest

from billing.money import nano_from_text
from tests.gateway.retrieval.asking import ask, chats, tool
from tests.gateway.retrieval.firm import Firm
from tests.gateway.retrieval.rows import added, newest
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.drafts import QUESTION, QUOTATION, RIGHT, TEXT, WRONG, in_order
from tests.support.gateway.faults import nothing_is_held
from tests.support.gateway.lasting import Lasting

MANY = 1_000


@pytest.fixture(scope="module")
def lasting_settings() -> dict[str, Any]:
    """The gateway waits for no answer longer than four seconds, more than a busy machine needs."""
    return {"first_byte_timeout_s": 4.0}


@pytest.fixture(scope="module")
def firm(served: Lasting) -> Firm:
    return Firm(served.gateway, served.openai)


@pytest.fixture(scope="module")
async def store(firm: Firm) -> str:
    return await firm.store(TEXT, name="filter.txt")


@pytest.fixture
def upstream(served: Lasting, store: str) -> FakeUpstream:
    """The fake model server, which answers wrongly first."""
    served.upstream.received.clear()
    served.upstream.replies = in_order(WRONG, RIGHT)
    return served.upstream


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("behaviour", "settlement", "status", "code"),
    [
        ("fault", "platform_fault", 502, "model_failed"),
        ("busy", "platform_fault", 503, "model_overloaded"),
        ("hang", "platform_fault", 504, "model_timeout"),
        ("die", "platform_fault", 502, "model_failed"),
        ("rubbish", "platform_fault", 502, "model_failed"),
        ("no-usage", "platform_fault", 502, "model_failed"),
        ("too-long", "refused", 400, "context_length_exceeded"),
        ("no-choices", "waived", 200, None),
    ],
)
async def test_failed_second_answer_is_replaced_by_a_quotation_and_costs_nothing(
    firm: Firm,
    store: str,
    upstream: FakeUpstream,
    behaviour: str,
    settlement: str,
    status: int,
    code: str | None,
    stream: bool,
) -> None:
    known, upstream.does = await newest(firm, MANY), ["answer", behaviour]
    if stream:
        chunks = [
            chunk
            async for chunk in await ask(firm, QUESTION, tool(store), stream=True, max_tokens=20)
        ]
        parts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        assert "".join(parts) == QUOTATION
        assert chunks[-1].file_search["grounding"] == "quoted"
    else:
        answer = await ask(firm, QUESTION, tool(store), max_tokens=20)
        assert answer.choices[0].message.content == QUOTATION
        assert answer.file_search["grounding"] == "quoted"
    assert len(chats(upstream)) == 2
    second, search, row = await added(firm, known)
    assert (row["settlement"], row["status"], row["streamed"]) == ("complete", 200, stream)
    assert nano_from_text(row["cost"]) > 0
    assert (search["settlement"], search["parent_id"]) == ("complete", row["request_id"])
    assert (second["settlement"], second["parent_id"]) == (settlement, row["request_id"])
    assert (second["status"], second["error_code"]) == (status, code)
    assert (second["cost"], second["streamed"]) == ("0.000000000", False)
    assert (second["output_tokens"] is None) == (settlement != "waived")
    await nothing_is_held(firm.gateway)
