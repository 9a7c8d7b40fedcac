"""`file_search` in responses: the search's item, citations, and cost of both rows."""

from decimal import Decimal
from typing import Any

import pytest

from tests.gateway.retrieval.asking import chats, tool
from tests.gateway.retrieval.firm import MANUAL, Firm
from tests.support.builders import CHAT
from tests.support.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.usefixtures("cut_in_process")
QUESTION = "What does fault F30001 mean?"
ANSWER = "Fault F30001 means overcurrent of the power unit."
INCLUDE: Any = ["file_search_call.results"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_answer_has_the_search_its_results_and_citations(
    firm: Firm, upstream: FakeUpstream, streamed: bool
) -> None:
    upstream.says = ANSWER
    store = await firm.store(MANUAL)
    body: dict[str, Any] = {"model": CHAT, "input": QUESTION, "tools": [tool(store)]}
    if streamed:
        async with firm.openai.responses.stream(**body, include=INCLUDE) as stream:
            response: Any = await stream.get_final_response()
    else:
        response = await firm.openai.responses.create(**body, include=INCLUDE)
    search, message = response.output
    assert (search.type, search.queries) == ("file_search_call", [QUESTION])
    assert "overcurrent" in search.results[0].text
    assert "overcurrent" in message.content[0].text
    (citation,) = message.content[0].annotations
    assert (citation.type, citation.filename) == ("file_citation", "manual.md")
    assert response.model_extra["grounding"] == "verified"
    assert response.tools[0].vector_store_ids == [store]
    (sent,) = chats(upstream)
    assert "overcurrent" in sent["messages"][-1]["content"]
    assert "tools" not in sent


async def test_cost_is_the_sum_of_the_search_and_the_answer(
    firm: Firm, upstream: FakeUpstream
) -> None:
    upstream.says = ANSWER
    store = await firm.store(MANUAL)
    body = {"model": CHAT, "input": QUESTION, "tools": [tool(store)]}
    answer = await firm.gateway.http.post("/v1/responses", json=body)
    searched, answered, _ = await firm.gateway.rows(3)
    assert searched["parent_id"] == answered["request_id"]
    total = Decimal(searched["cost"]) + Decimal(answered["cost"])
    assert Decimal(answer.headers["x-maas-cost"]) == total
    assert (await firm.gateway.reconciled()).differences == ()


async def test_unsupported_statement_is_replaced_in_a_stream(
    firm: Firm, upstream: FakeUpstream
) -> None:
    upstream.says = "Fault F30001 means a temperature of 512 °C."
    store = await firm.store(MANUAL)
    body: dict[str, Any] = {"model": CHAT, "input": QUESTION, "tools": [tool(store)]}
    async with firm.openai.responses.stream(**body) as stream:
        response: Any = await stream.get_final_response()
    assert "512" not in response.output_text
    assert response.model_extra["grounding"] == "quoted"
    assert response.output[-1].content[0].annotations


async def test_stored_conversation_searches_again(firm: Firm, upstream: FakeUpstream) -> None:
    upstream.says = ANSWER
    store = await firm.store(MANUAL)
    body: dict[str, Any] = {"model": CHAT, "tools": [tool(store)], "store": True}
    first = await firm.openai.responses.create(input=QUESTION, **body)
    second = await firm.openai.responses.create(
        input="What does F30001 mean, again?", previous_response_id=first.id, **body
    )
    assert second.output[0].type == "file_search_call"
    stored = await firm.openai.responses.retrieve(first.id)
    assert "overcurrent" in stored.output_text
