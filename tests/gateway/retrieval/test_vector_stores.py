"""Vector stores through the official client: creation, search, billing, deletion."""

import asyncio
from typing import Any

import pytest
from openai import APIStatusError

from gateway.retrieval import vector_stores
from tests.gateway.retrieval.firm import MANUAL, RETRIEVING, SMALL, Firm
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import another, code_of

pytestmark = pytest.mark.usefixtures("cut_in_process")

EQ_A = {"type": "eq", "key": "line", "value": "a"}


class TestVectorStores:
    async def test_store_is_created_updated_listed_and_deleted(self, firm: Firm) -> None:
        api = firm.openai.vector_stores
        made = await api.create(name="Manuals", metadata={"line": "3"})
        assert (made.status, made.usage_bytes, made.file_counts.total) == ("completed", 0, 0)
        assert made.expires_after is None
        changed = await api.update(
            made.id, name="手册", expires_after={"anchor": "last_active_at", "days": 2}
        )
        assert (changed.name, changed.metadata) == ("手册", {"line": "3"})
        assert changed.expires_at == (changed.last_active_at or 0) + 2 * 86_400
        second = await api.create()
        assert [one.id async for one in api.list(limit=1)] == [second.id, made.id]
        assert [one.id async for one in api.list(order="asc")] == [made.id, second.id]
        assert [one.id for one in (await api.list(before=made.id)).data] == [second.id]
        assert (await api.delete(made.id)).deleted
        with pytest.raises(APIStatusError) as caught:
            await api.retrieve(made.id)
        assert code_of(caught.value) == "vector_store_not_found"

    async def test_page_before_a_cursor_has_its_own_first_and_last_ids(self, firm: Firm) -> None:
        oldest, middle, newest = [(await firm.openai.vector_stores.create()).id for _ in range(3)]
        address = f"/v1/vector_stores?before={oldest}"
        page = (await firm.gateway.http.get(address)).json()
        assert [one["id"] for one in page["data"]] == [newest, middle]
        assert (page["first_id"], page["last_id"], page["has_more"]) == (newest, middle, False)
        near = (await firm.gateway.http.get(f"{address}&limit=1")).json()
        assert (near["first_id"], near["last_id"], near["has_more"]) == (middle, middle, True)

    async def test_store_of_another_account_is_not_found(self, firm: Firm) -> None:
        store = await firm.store(MANUAL)
        file = (await firm.openai.vector_stores.files.list(store)).data[0].id
        async with another(firm.gateway) as openai:
            api = openai.vector_stores
            assert (await api.list()).data == []
            calls = (
                api.retrieve(store),
                api.update(store, name="x"),
                api.search(store, query="x"),
                api.files.list(store),
                api.files.retrieve(file, vector_store_id=store),
                api.files.content(file, vector_store_id=store),
                api.files.delete(file, vector_store_id=store),
                api.files.create(store, file_id=file),
                api.file_batches.create(store, file_ids=[file]),
                api.delete(store),
                (await api.create()) and api.create(file_ids=[file]),
            )
            for call in calls:
                with pytest.raises(APIStatusError) as caught:
                    await call
                assert caught.value.status_code == 404
        assert (await firm.openai.vector_stores.retrieve(store)).file_counts.completed == 1

    async def test_concurrent_creations_stop_at_the_store_limit(
        self, firm: Firm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vector_stores, "MAX_STORES", 2)

        async def make() -> str:
            try:
                return (await firm.openai.vector_stores.create()).object
            except APIStatusError as error:
                return str(code_of(error))

        done = await asyncio.gather(*(make() for _ in range(5)))
        assert sorted(done) == ["too_many_vector_stores"] * 3 + ["vector_store"] * 2

    async def test_repeated_idempotency_key_creates_one_store(self, firm: Firm) -> None:
        headers = {"idempotency-key": "first"}
        first, again = [
            (await firm.gateway.http.post("/v1/vector_stores", json={}, headers=headers)).json()
            for _ in range(2)
        ]
        assert first["id"] == again["id"]
        assert len((await firm.openai.vector_stores.list()).data) == 1


class TestVectorStoreSearch:
    async def test_search_finds_passages_by_meaning_and_by_code(self, firm: Firm) -> None:
        store = await firm.store(MANUAL, chunking_strategy=SMALL)
        for query, expected in [
            ("F30001", "overcurrent"),
            ("6205 2rs", "lithium"),
            ("水泵", "过滤器"),
            ("how often is the spindle greased", "2000 hours"),
        ]:
            found = await firm.finds(store, query, max_num_results=2)
            assert expected in found[0].content[0].text, query
            assert 0 < found[0].score <= 1
            assert found[0].filename == "manual.md"

    async def test_exact_code_ranks_above_semantically_closer_texts(self, firm: Firm) -> None:
        near = [f"What does the maintenance message of unit {n} mean" for n in range(40, 46)]
        store = await firm.store("23-11070: radio panel.", *near, name="a.txt")
        question = "What does the maintenance message 23-11070 mean?"
        for query in (question, question.replace("23-11070", "23 11070")):
            assert "radio panel" in (await firm.finds(store, query))[0].content[0].text

    async def test_text_search_is_limited_to_its_store(self, firm: Firm) -> None:
        first = await firm.store("F30001 overcurrent", name="a.txt")
        second = await firm.store("F30002 undervoltage", name="b.txt")
        words: Any = {"hybrid_search": {"embedding_weight": 0, "text_weight": 1}}
        for store, name in ((first, "a.txt"), (second, "b.txt")):
            for query in ("F30001", "F30002"):
                found = await firm.finds(store, query, ranking_options=words)
                assert [one.filename for one in found] == [name] * (
                    query[-1] == "12"[store == second]
                )

    async def test_several_queries_return_passages_of_each(self, firm: Firm) -> None:
        store = await firm.store(MANUAL, chunking_strategy=SMALL)
        found = await firm.finds(store, ["F30001", "水泵"], max_num_results=2)
        texts = " ".join(one.content[0].text for one in found)
        assert "overcurrent" in texts
        assert "过滤器" in texts

    async def test_search_and_ingestion_are_billed_as_embeddings(self, firm: Firm) -> None:
        store = await firm.store("grease the bearing", name="a.txt")
        await firm.gateway.http.post(
            f"/v1/vector_stores/{store}/search",
            json={"query": "which grease"},
            headers={"x-maas-tags": "order=7"},
        )
        asked, taken_in = await firm.gateway.rows(2)
        price = RETRIEVING.prices["CNY"]["input_tokens"]
        for row, tokens in ((asked, 3), (taken_in, 4)):  # with the prefix's word
            assert (row["model"], row["operation"]) == (RETRIEVING.id, "embeddings")
            assert (row["settlement"], row["input_tokens"]) == ("complete", tokens)
            assert row["cost"] == f"{tokens * price / 1e9:.9f}"
            assert row["tags"]["vector_store"] == store
        assert asked["tags"]["order"] == "7"
        assert (await firm.gateway.reconciled()).differences == ()

    async def test_query_and_passage_prefixes_are_sent_to_the_model(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        store = await firm.store("grease the bearing", name="a.txt")
        await firm.finds(store, "which grease")
        assert [one["input"] for one in upstream.received] == [
            ["passage: grease the bearing"],
            ["query: which grease"],
        ]

    async def test_attribute_filters_select_files(self, firm: Firm) -> None:
        api = firm.openai.vector_stores
        store = (await api.create()).id
        for line, year in (("a", 2020), ("b", 2024)):
            file = await firm.sends(f"grease of line {line}", "x.txt")
            await api.files.create(
                store, file_id=file, attributes={"line": line, "year": year, "old": year < 2022}
            )
        await firm.ready(store)
        cases: list[tuple[Any, str]] = [
            ({"type": "eq", "key": "line", "value": "a"}, "a"),
            ({"type": "ne", "key": "line", "value": "a"}, "b"),
            ({"type": "gt", "key": "year", "value": 2020}, "b"),
            ({"type": "gte", "key": "year", "value": 2020}, "ab"),
            ({"type": "lt", "key": "year", "value": 2024}, "a"),
            ({"type": "lte", "key": "year", "value": 2019}, ""),
            ({"type": "eq", "key": "old", "value": True}, "a"),
            ({"type": "in", "key": "line", "value": ["b", "c"]}, "b"),
            ({"type": "nin", "key": "line", "value": ["b", "c"]}, "a"),
            ({"type": "gt", "key": "line", "value": 1}, ""),
            ({"type": "eq", "key": "none", "value": "x"}, ""),
            ({"type": "ne", "key": "none", "value": "x"}, "ab"),
            ({"type": "or", "filters": [EQ_A, {"type": "eq", "key": "line", "value": "b"}]}, "ab"),
            ({"type": "and", "filters": [EQ_A, {"type": "gt", "key": "year", "value": 9999}]}, ""),
            ({"type": "eq", "key": "line') or true --", "value": "' or '1'='1"}, ""),
        ]
        for given, lines in cases:
            found = await firm.finds(store, "grease", filters=given)
            assert sorted(one.attributes["line"] for one in found) == list(lines), given

    async def test_hybrid_weights_and_score_threshold_apply(self, firm: Firm) -> None:
        store = await firm.store(MANUAL, chunking_strategy=SMALL)
        words: Any = {"hybrid_search": {"embedding_weight": 0, "text_weight": 1}}
        found = await firm.finds(store, "F30001", ranking_options=words)
        assert [one.score for one in found] == [1.0]
        strict: Any = {"score_threshold": 1.0}
        assert len(await firm.finds(store, "F30001", ranking_options=strict)) <= 1

    async def test_query_with_tsquery_operators_is_accepted(self, firm: Firm) -> None:
        store = await firm.store("it's a 'quoted' & (odd) text | 5'6:*", name="a.txt")
        for query in ("it's", "'", "& | !", "quoted:*", "\\", "a\x00b", "5'6", "🔧"):
            await firm.finds(store, query)

    async def test_very_long_query_is_shortened_before_embedding(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        store = await firm.store(MANUAL)
        found = await firm.finds(store, f"F30001 {'log line ' * 5000} why?")
        assert found
        assert len(upstream.received[-1]["input"][0]) < 3000
