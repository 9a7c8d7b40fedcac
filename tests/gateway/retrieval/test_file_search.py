"""`file_search` in chats through the official client: cost and rejections."""

import json

import pytest
from openai import APIStatusError

from tests.gateway.retrieval.asking import ask, chats, tool
from tests.gateway.retrieval.firm import MANUAL, RETRIEVING, Firm
from tests.support import builders
from tests.support.builders import CATALOG, CHAT, Limited, credit
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import another, client, code_of
from tests.support.gateway.errors import error_of

pytestmark = pytest.mark.usefixtures("cut_in_process")

PRICES = CATALOG.models[CHAT].prices["CNY"]


class TestFileSearchCost:
    async def test_search_and_chat_are_billed_as_two_linked_rows(self, firm: Firm) -> None:
        store = await firm.store("grease the bearing", name="a.txt")
        body = {
            "model": CHAT,
            "messages": [{"role": "user", "content": "which grease"}],
            "tools": [tool(store)],
            "max_tokens": 5,
        }
        headers = {"x-maas-tags": "order=7"}
        told = await firm.gateway.http.post("/v1/chat/completions", json=body, headers=headers)
        searched, answered, _ = await firm.gateway.rows(3)
        assert (answered["model"], answered["operation"]) == (CHAT, "chat")
        assert (searched["model"], searched["operation"]) == (RETRIEVING.id, "embeddings")
        assert searched["tags"] == {"order": "7", "vector_store": store}
        assert answered["input_tokens"] > 40
        assert (searched["parent_id"], answered["parent_id"]) == (answered["request_id"], None)
        both = float(searched["cost"]) + float(answered["cost"])
        assert float(searched["cost"]) > 0
        assert float(told.headers["x-maas-cost"]) == pytest.approx(both, abs=1e-12)
        assert (await firm.gateway.reconciled()).differences == ()

    async def test_chat_over_its_cost_limit_is_rejected_before_the_search(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        """The cost limit covers the search but not the chat."""
        store = await firm.store("grease the bearing", name="a.txt")
        body = {
            "model": CHAT,
            "messages": [{"role": "user", "content": "which grease"}],
            "tools": [tool(store)],
            "max_tokens": 5,
        }
        quote = (await firm.gateway.http.post("/v1/quote", json=body)).json()
        before = len(upstream.received)
        headers = {"x-max-cost": quote["file_search_max_cost"]}
        answer = await firm.gateway.http.post("/v1/chat/completions", json=body, headers=headers)
        assert error_of(answer)["code"] == "max_cost_exceeded"
        assert len(upstream.received) == before
        refused, _ = await firm.gateway.rows(2)
        assert (refused["operation"], refused["settlement"]) == ("chat", "refused")
        assert (await firm.gateway.reconciled()).differences == ()

    @pytest.mark.parametrize("question", ["fault", "too-long"])
    async def test_failed_chat_is_not_charged_for_its_search(
        self, firm: Firm, question: str
    ) -> None:
        store = await firm.store("grease the bearing", name="a.txt")
        # Passages precede the question; the fake engine needs its verb as the first word.
        body = {
            "model": CHAT,
            "messages": [
                {"role": "user", "content": "which grease"},
                {"role": "assistant", "content": question},
            ],
            "tools": [tool(store)],
            "max_tokens": 5,
        }
        answer = await firm.gateway.http.post("/v1/chat/completions", json=body)
        assert answer.status_code >= 400
        searched, answered, _ = await firm.gateway.rows(3)
        assert searched["parent_id"] == answered["request_id"]
        assert searched["settlement"] == answered["settlement"] != "complete"
        assert (searched["cost"], answered["cost"]) == ("0.000000000", "0.000000000")
        assert (await firm.gateway.reconciled()).differences == ()

    async def test_chat_with_search_counts_as_one_request_for_rate_limits(self, firm: Firm) -> None:
        store = await firm.store("grease the bearing", name="a.txt")
        body = {
            "model": CHAT,
            "messages": [{"role": "user", "content": "which grease"}],
            "tools": [tool(store)],
            "max_tokens": 5,
        }
        one, two = [
            await firm.gateway.http.post("/v1/chat/completions", json=body) for _ in range(2)
        ]
        left = [int(each.headers["x-ratelimit-remaining-requests"]) for each in (one, two)]
        assert left[0] - left[1] == 1

    async def test_quote_covers_the_cost_of_search_and_passages(self, firm: Firm) -> None:
        store = await firm.store(*[f"{n} {'grease ' * 200}" for n in range(5)], name="a.txt")
        body = {
            "model": CHAT,
            "messages": [{"role": "user", "content": "grease"}],
            "tools": [tool(store, max_num_results=3)],
            "max_tokens": 5,
        }
        quote = (await firm.gateway.http.post("/v1/quote", json=body)).json()
        plain = (await firm.gateway.http.post("/v1/quote", json={**body, "tools": None})).json()
        await firm.gateway.http.post("/v1/chat/completions", json=body)
        searched, answered, *_ = await firm.gateway.rows(7)
        cost = float(answered["cost"]) + float(searched["cost"])
        assert float(plain["max_cost"]) < cost <= float(quote["max_cost"])
        assert answered["input_tokens"] <= quote["input_tokens"]
        assert 0 < float(quote["file_search_max_cost"]) < float(quote["max_cost"])
        assert "file_search_max_cost" not in plain

    async def test_replayed_call_searches_once(self, firm: Firm, upstream: FakeUpstream) -> None:
        store = await firm.store(MANUAL)
        body = {
            "model": CHAT,
            "messages": [{"role": "user", "content": "F30001"}],
            "tools": [tool(store)],
            "max_tokens": 5,
        }
        first, again = [
            await firm.gateway.http.post(
                "/v1/chat/completions", json=body, headers={"idempotency-key": "k"}
            )
            for _ in range(2)
        ]
        assert first.content == again.content
        assert len(chats(upstream)) == 1
        assert sum("input" in body for body in upstream.received) == 2

    async def test_chat_with_search_without_credit_is_rejected(self, limited: Limited) -> None:
        async with limited(credit(1)) as gateway, client(gateway.url, gateway.key.secret) as openai:
            firm = Firm(gateway, openai)
            store = (await openai.vector_stores.create()).id
            with pytest.raises(APIStatusError) as caught:
                await ask(firm, "F30001", tool(store))
            assert code_of(caught.value) == "credit_exhausted"


class TestFileSearchRejection:
    async def test_store_of_another_account_is_not_found(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        store = await firm.store(MANUAL)
        own = (await firm.openai.vector_stores.create()).id
        async with another(firm.gateway) as openai:
            theirs = Firm(firm.gateway, openai)
            mine = (await openai.vector_stores.create()).id
            for ids in ([store], [mine, store], [own]):
                with pytest.raises(APIStatusError) as caught:
                    await ask(theirs, "F30001", {"type": "file_search", "vector_store_ids": ids})
                assert code_of(caught.value) == "vector_store_not_found"
        assert chats(upstream) == []

    async def test_second_tool_or_empty_question_is_rejected(self, firm: Firm) -> None:
        store = (await firm.openai.vector_stores.create()).id
        with pytest.raises(APIStatusError, match="more than once"):
            await ask(firm, "x", tool(store), tool(store))
        with pytest.raises(APIStatusError, match="last user message"):
            await ask(firm, " ", tool(store))

    async def test_unavailable_embedding_model_returns_503(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        store = await firm.store(MANUAL)
        upstream.embeddings_do = "fault"
        with pytest.raises(APIStatusError) as caught:
            await ask(firm, "F30001", tool(store))
        assert caught.value.status_code == 503

    async def test_store_of_another_embedding_version_is_rejected(self, firm: Firm) -> None:
        store = await firm.store(MANUAL)
        async with firm.gateway.parts.database.transaction() as session:
            await session.execute(builders.text("update vector_store set embedding_version = 'x'"))
        for asking in (ask(firm, "F30001", tool(store)), firm.finds(store, "F30001")):
            with pytest.raises(APIStatusError) as caught:
                await asking
            assert code_of(caught.value) == "embedding_model_changed"

    async def test_store_of_a_removed_embedding_model_rejects_search_and_files(
        self, firm: Firm
    ) -> None:
        store, file = await firm.store(MANUAL), await firm.sends()
        replacement = f"Use {builders.EMBEDDING!r} instead"
        change = "update vector_store set embedding_model = 'minilm-l6-v2'"
        async with firm.gateway.parts.database.transaction() as session:
            await session.execute(builders.text(change))
        for call in (
            ask(firm, "F30001", tool(store)),
            firm.finds(store, "F30001"),
            firm.openai.vector_stores.files.create(store, file_id=file),
        ):
            with pytest.raises(APIStatusError, match=replacement) as caught:
                await call
            assert (caught.value.status_code, code_of(caught.value)) == (
                409,
                "embedding_model_changed",
            )
        assert (await firm.openai.vector_stores.retrieve(store)).id == store
        assert (await firm.openai.vector_stores.delete(store)).deleted


async def test_auto_model_receives_file_search_passages(firm: Firm, upstream: FakeUpstream) -> None:
    store = await firm.store(MANUAL)
    answer = await ask(firm, "F30001", tool(store), model="auto", max_tokens=5)
    assert answer.file_search["results"]
    assert json.dumps(chats(upstream)[0]).count("F30001") > 1


async def test_stream_cut_by_credit_includes_file_search_results(
    limited: Limited, upstream: FakeUpstream
) -> None:
    terms = credit(20_000 * PRICES["input_tokens"] + 1200 * PRICES["output_tokens"])
    async with limited(terms) as gateway, client(gateway.url, gateway.key.secret) as openai:
        firm = Firm(gateway, openai)
        store = await firm.store("grease", name="a.txt")
        upstream.says = "The grease is grease. " * 400
        stream = await ask(firm, "endless grease", tool(store), stream=True)
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].file_search["results"][0]["filename"] == "a.txt"
