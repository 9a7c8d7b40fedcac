"""`industrial-assistant`: answers from the handbook and from vector stores that are named.

The fake model server's vectors have another dimension than the handbook's: keywords decide.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import APIStatusError

from gateway.access.api_keys import IssuedKey, create_key
from gateway.access.key_scopes import Scope, change_scope
from gateway.identity.audit_log import CLI_ACTOR
from gateway.retrieval import ingestion
from infra.secrets.secret_key import secret_key
from tests.gateway.retrieval.asking import ask, chats, tool
from tests.gateway.retrieval.firm import RETRIEVING, Firm, cut_here
from tests.gateway.retrieval.rows import newest
from tests.support.builders import CATALOG, INDUSTRIAL, Emptying, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import another, client, code_of
from tests.support.gateway.lasting import Lasting, run_lasting

ASSISTANT = next(one for one in CATALOG.models.values() if one.assistant is not None)
QUESTION, CHINESE_QUESTION = "The pump is cavitating. What do I check first?", "水泵气蚀先查什么？"
RIGHT = "Cavitation means that liquid boils at the impeller inlet."
CHINESE_RIGHT = "先查吸入侧：吸水池液位，进口阀是否全开。"


@pytest.fixture(scope="module")
async def served(postgres: str, emptying: Emptying, lasting: object) -> AsyncIterator[Lasting]:
    """One gateway for the module, which chunks files without subprocesses."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ingestion, "chunk_in_subprocess", cut_here)
        async with run_lasting(postgres, emptying) as running:
            yield running


@pytest.fixture(scope="module")
def firm(served: Lasting) -> Firm:
    return Firm(served.gateway, served.openai)


@pytest.fixture
def upstream(served: Lasting) -> FakeUpstream:
    """The fake model server, without the requests of earlier tests."""
    served.upstream.received.clear()
    served.upstream.embeddings_do, served.upstream.says = "", RIGHT
    return served.upstream


async def asked(firm: Firm, question: str = QUESTION, *tools: Any, **more: Any) -> Any:
    """Ask the assistant, with the tools if there are any."""
    more |= {"tools": list(tools)} if tools else {}
    message: Any = {"role": "user", "content": question}
    return await firm.openai.chat.completions.create(model=ASSISTANT.id, messages=[message], **more)


async def restricted_key(gateway: Gateway) -> IssuedKey:
    """A key of the account that may call the assistant only."""
    parts, account_id = gateway.parts, gateway.account.id
    pepper, scope = secret_key(parts.settings), Scope(models=[ASSISTANT.id])
    async with parts.database.transaction() as session:
        key = await create_key(session, parts.clock, pepper, account_id, "assistant")
        await change_scope(session, parts.clock, CLI_ACTOR, account_id, key.row.id, scope)
    return key


class TestHandbook:
    @pytest.mark.parametrize(
        ("question", "said", "area", "language"),
        [(QUESTION, RIGHT, "Pumps", "en"), (CHINESE_QUESTION, CHINESE_RIGHT, "泵", "zh")],
    )
    async def test_answer_cites_area_and_title_in_the_questions_language(
        self,
        firm: Firm,
        upstream: FakeUpstream,
        question: str,
        said: str,
        area: str,
        language: str,
    ) -> None:
        upstream.says = said
        answer = await asked(firm, question)
        cited = answer.choices[0].message.annotations[0]
        assert (cited.file_id, cited.source) == ("handbook:pumps/pump-cavitation", "handbook")
        assert cited.filename.startswith(area)
        searched = answer.file_search
        assert searched["grounding"] == "verified"
        assert 1 <= len(searched["results"]) <= 3
        passage = searched["results"][cited.passage - 1]
        assert passage["attributes"]["area"] == area
        assert passage["cited"]
        prompt = chats(upstream)[0]["messages"][0]["content"]
        assert f"[{cited.passage}] {cited.filename}\n" in prompt
        assert prompt.endswith(question)
        assert answer.model == ASSISTANT.id

    async def test_search_is_a_linked_row_that_the_quote_includes(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        body = {
            "model": ASSISTANT.id,
            "messages": [{"role": "user", "content": QUESTION}],
            "max_tokens": 5,
        }
        quote = (await firm.gateway.http.post("/v1/quote", json=body)).json()
        await firm.gateway.http.post("/v1/chat/completions", json=body)
        searched, answered = await newest(firm, 2)
        assert (answered["model"], searched["model"]) == (ASSISTANT.id, RETRIEVING.id)
        assert searched["parent_id"] == answered["request_id"]
        assert searched["tags"] == {"vector_store": "handbook"}
        cost = float(searched["cost"]) + float(answered["cost"])
        assert 0 < cost <= float(quote["max_cost"])
        assert float(quote["file_search_max_cost"]) > 0

    async def test_handbook_is_searched_by_keywords_if_the_embedding_model_fails(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        upstream.embeddings_do = "fault"
        answer = await asked(firm)
        assert answer.file_search["grounding"] == "verified"
        (answered,) = await newest(firm, 1)
        assert (answered["operation"], answered["settlement"]) == ("chat", "complete")

    async def test_key_that_may_not_embed_finds_passages_by_keywords(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        key = await restricted_key(firm.gateway)
        async with client(firm.gateway.url, key.secret) as openai:
            answer = await asked(Firm(firm.gateway, openai))
        assert answer.file_search["grounding"] == "verified"
        assert not any("input" in body for body in upstream.received)

    @pytest.mark.parametrize("text", ["Hello!", "谢谢", " "])
    async def test_message_that_asks_nothing_is_answered_without_a_search(
        self, firm: Firm, upstream: FakeUpstream, text: str
    ) -> None:
        upstream.says = "Hello! How can I help?"
        answer = await asked(firm, text)
        assert answer.choices[0].message.content == "Hello! How can I help?"
        assert not hasattr(answer, "file_search") or answer.file_search is None
        assert not any("input" in body for body in upstream.received)

    async def test_question_about_the_plant_is_not_found(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        upstream.says = "I do not know."
        answer = await asked(firm, "Which pump of line 3 was repaired last week?")
        assert answer.choices[0].message.content == "This is not in your documents."
        assert answer.file_search["grounding"] == "not_found"

    async def test_answer_is_streamed(self, firm: Firm, upstream: FakeUpstream) -> None:
        stream = await asked(firm, stream=True)
        chunks = [chunk async for chunk in stream]
        text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
        assert text.startswith("Cavitation means")
        assert chunks[-1].file_search["results"][0]["source"] == "handbook"

    async def test_other_models_do_not_search_the_handbook(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        answer = await ask(firm, QUESTION, model=INDUSTRIAL, max_tokens=5)
        assert chats(upstream)[0]["messages"][0]["content"] == QUESTION
        assert not hasattr(answer, "file_search")


class TestNamedStores:
    async def test_documents_and_handbook_alternate(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        store = await firm.store("Pump P-7 cavitates below 2 m of suction level.", name="p7.txt")
        answer = await asked(firm, QUESTION, tool(store))
        sources = [one["source"] for one in answer.file_search["results"]]
        assert sources[:2] == ["vector_store", "handbook"]
        assert len(sources) <= 3
        assert answer.file_search["results"][0]["filename"] == "p7.txt"

    async def test_number_of_passages_is_the_tools(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        store = await firm.store("Pump P-7 cavitates below 2 m.", name="p7.txt")
        answer = await asked(firm, QUESTION, tool(store, max_num_results=1))
        assert [one["filename"] for one in answer.file_search["results"]] == ["p7.txt"]

    async def test_store_of_another_account_is_not_found(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        store = (await firm.openai.vector_stores.create()).id
        async with another(firm.gateway) as openai:
            with pytest.raises(APIStatusError) as caught:
                await asked(Firm(firm.gateway, openai), QUESTION, tool(store))
        assert code_of(caught.value) == "vector_store_not_found"
        assert chats(upstream) == []

    async def test_stores_that_are_not_named_are_not_searched(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        await firm.store("Pump P-9 cavitates.", name="p9.txt")
        answer = await asked(firm)
        assert {one["source"] for one in answer.file_search["results"]} == {"handbook"}

    async def test_embedding_failure_is_an_error_if_a_store_is_named(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        store = (await firm.openai.vector_stores.create()).id
        upstream.embeddings_do = "fault"
        with pytest.raises(APIStatusError) as caught:
            await asked(firm, QUESTION, tool(store))
        assert caught.value.status_code == 503
