"""Answers from passages through `/v1/messages`: checked, corrected and billed as in a chat."""

from typing import Any

import httpx
import pytest

from tests.gateway.retrieval.asking import chats, tool
from tests.gateway.retrieval.firm import MANUAL, Firm
from tests.gateway.retrieval.rows import newest
from tests.support.builders import CATALOG, CHAT
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.lasting import Lasting
from tests.support.gateway.message_events import events, text_of

ASSISTANT = next(one for one in CATALOG.models.values() if one.assistant is not None)
QUESTION = "The pump is cavitating. What do I check first?"
RIGHT = "Cavitation means that liquid boils at the impeller inlet"
WRONG = "The impeller must be replaced every 4711 hours."


@pytest.fixture(scope="module")
def firm(served: Lasting) -> Firm:
    return Firm(served.gateway, served.openai)


@pytest.fixture
def upstream(served: Lasting) -> FakeUpstream:
    """The fake model server, without the requests of earlier tests."""
    served.upstream.received.clear()
    served.upstream.embeddings_do, served.upstream.says = "", RIGHT
    return served.upstream


async def asked(firm: Firm, question: str = QUESTION, **fields: Any) -> httpx.Response:
    body = {"model": ASSISTANT.id, "max_tokens": 40, **fields}
    body["messages"] = [{"role": "user", "content": question}]
    answer = await firm.gateway.http.post("/v1/messages", json=body)
    assert answer.status_code == 200, answer.text
    return answer


async def test_message_from_the_handbook_is_verified_and_has_its_passages(
    firm: Firm, upstream: FakeUpstream
) -> None:
    answer = await asked(firm)
    message = answer.json()
    assert RIGHT in message["content"][0]["text"]
    assert message["file_search"]["grounding"] == "verified"
    assert QUESTION in chats(upstream)[0]["messages"][0]["content"]
    searched, answered = await newest(firm, 2)
    assert (answered["operation"], searched["parent_id"]) == ("messages", answered["request_id"])
    cost = float(searched["cost"]) + float(answered["cost"])
    assert float(answer.headers["x-maas-cost"]) == pytest.approx(cost)


async def test_streamed_message_has_passages_and_the_whole_cost_at_its_end(
    firm: Firm, upstream: FakeUpstream
) -> None:
    found = events(await asked(firm, stream=True))
    assert RIGHT in text_of(found)
    ending, stop = found[-2:]
    assert (ending["type"], stop["type"]) == ("message_delta", "message_stop")
    assert ending["file_search"]["grounding"] == "verified"
    searched, answered = await newest(firm, 2)
    cost = float(searched["cost"]) + float(answered["cost"])
    assert float(ending["x_maas_cost"]) == pytest.approx(cost)


@pytest.mark.parametrize("stream", [False, True])
async def test_statement_of_no_passage_is_corrected_before_it_is_sent(
    firm: Firm, upstream: FakeUpstream, stream: bool
) -> None:
    upstream.says = WRONG
    answer = await asked(firm, stream=stream)
    text = text_of(events(answer)) if stream else answer.json()["content"][0]["text"]
    assert text
    assert "4711" not in text


async def test_file_search_tool_answers_from_the_accounts_documents(
    firm: Firm, upstream: FakeUpstream
) -> None:
    store = await firm.store(MANUAL)
    upstream.says = "Fault F30001 means overcurrent of the power unit."
    answer = await asked(firm, "What is fault F30001?", model=CHAT, tools=[tool(store)])
    assert answer.json()["file_search"]["grounding"] == "verified"
    assert "tools" not in chats(upstream)[0]
