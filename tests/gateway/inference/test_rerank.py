"""`/v1/rerank` with a configured reranker: order, price, invalid requests, and no model."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from models.catalog import Catalog, Task
from tests.support.builders import CATALOG, EMBEDDING, PLENTY, Gateway, Limited
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of

RANKER = "ranker"
MODEL = replace(CATALOG.models[EMBEDDING], id=RANKER, task=Task.RERANK, retrieval=None)
DOCUMENTS = ["seal", "the mechanical seal leaks", "bearing noise"]


@pytest.fixture
async def ranking(limited: Limited) -> AsyncIterator[Gateway]:
    catalog = Catalog({**CATALOG.models, RANKER: MODEL}, CATALOG.retired)
    async with limited(PLENTY, catalog=catalog) as gateway:
        yield gateway


async def rank(gateway: Gateway, **fields: Any) -> Any:
    body = {"model": RANKER, "query": "which seal", "documents": DOCUMENTS, **fields}
    return await gateway.http.post("/v1/rerank", json=body)


async def test_documents_are_ordered_by_relevance_without_fields_of_the_engine(
    ranking: Gateway,
) -> None:
    answer = await rank(ranking)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [one["index"] for one in found["results"]] == [1, 2, 0]
    assert found["results"][0] == {"index": 1, "relevance_score": 0.25}
    assert found["model"] == RANKER
    assert found.keys() == {"object", "model", "results", "usage"}


async def test_top_n_and_documents_are_returned_as_requested(
    ranking: Gateway, upstream: FakeUpstream
) -> None:
    answer = await rank(
        ranking, top_n=1, return_documents=True, documents=[{"text": one} for one in DOCUMENTS]
    )
    assert [one["document"]["text"] for one in answer.json()["results"]] == [DOCUMENTS[1]]
    assert upstream.received[0]["documents"] == DOCUMENTS


async def test_tokens_of_all_pairs_are_billed_within_what_was_reserved(ranking: Gateway) -> None:
    answer = await rank(ranking)
    row = await ranking.row()
    assert (row["operation"], row["settlement"]) == ("rerank", "complete")
    assert row["input_tokens"] == answer.json()["usage"]["total_tokens"] == 13
    price = MODEL.prices["CNY"]["input_tokens"]
    assert round(float(row["cost"]) * 1e9) == 13 * price
    body = {"model": RANKER, "query": "q" * 50, "documents": ["d"] * 10}
    quote = (await ranking.http.post("/v1/quote", json=body)).json()
    assert quote["input_tokens"] >= 10 * 51  # the query counts with each document


@pytest.mark.parametrize(
    "fields",
    [
        {"documents": []},
        {"documents": [""]},
        {"documents": [{"text": "a", "title": "b"}]},
        {"query": ""},
        {"top_n": 0},
        {"truncate": True},
    ],
)
async def test_invalid_request_is_rejected_before_it_is_sent(
    ranking: Gateway, upstream: FakeUpstream, fields: dict[str, Any]
) -> None:
    assert (await rank(ranking, **fields)).status_code == 400
    assert not upstream.received


async def test_without_a_reranker_the_model_is_not_found(gateway: Gateway) -> None:
    assert error_of(await rank(gateway))["code"] == "model_not_found"
    other = await rank(gateway, model=EMBEDDING)
    assert (other.status_code, error_of(other)["code"]) == (400, "model_not_supported")
