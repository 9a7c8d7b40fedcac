"""Dify adds models, which sends a trial request of each, and uses them."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from infra.database.database import Database
from models.catalog import Catalog, Task
from tests.gateway.dify.reading import read_stream
from tests.gateway.dify.requests import HEADERS, PING, QUESTION, SYSTEM, chat_body
from tests.support import builders
from tests.support.builders import CATALOG, CHAT, EMBEDDING, PLENTY, Gateway, run_gateway
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.gateway.errors import error_of

RANKER = "ranker"
_RANKER = replace(CATALOG.models[EMBEDDING], id=RANKER, task=Task.RERANK, retrieval=None)
DOCUMENTS = ["Carson City is a capital.", "Washington, D.C., is the capital of the United States."]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[FakeUpstream]:
    async with run_fake_upstream() as fake:
        yield fake


@pytest.fixture(scope="module")
async def dify(
    postgres: str,
    emptying: builders.Emptying,
    lasting: tuple[Database, Database],
    server: FakeUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateway]:
    """A gateway with a reranker, for all tests of this module."""
    catalog = Catalog({**CATALOG.models, RANKER: _RANKER}, CATALOG.retired)
    with emptying.keeping():
        folder = tmp_path_factory.mktemp("dify")
        configured = builders.impatient(postgres, folder, server.url, builders.TIMING)
        async with run_gateway(configured, None, PLENTY, catalog) as running:
            yield running


async def post(gateway: Gateway, path: str, body: dict[str, Any]) -> httpx.Response:
    answer = await gateway.http.post(f"/v1{path}", json=body, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    return answer


class TestAddingAModel:
    @pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
    async def test_trial_of_a_chat_model_gets_a_chat_completion(
        self, dify: Gateway, limit: str
    ) -> None:
        answer = await post(dify, "/chat/completions", {"model": CHAT, limit: 5, **PING})
        assert answer.json()["object"] == "chat.completion"

    async def test_streamed_trial_is_accepted(self, dify: Gateway) -> None:
        body = {"model": CHAT, "max_tokens": 10, "stream": True, **PING}
        assert read_stream((await post(dify, "/chat/completions", body)).text).text

    async def test_trial_in_completion_mode_gets_a_text_completion(self, dify: Gateway) -> None:
        body = {"model": CHAT, "max_tokens": 5, "prompt": "ping"}
        assert (await post(dify, "/completions", body)).json()["object"] == "text_completion"

    async def test_trial_of_an_embedding_model_names_the_model(self, dify: Gateway) -> None:
        answer = await post(dify, "/embeddings", {"input": "ping", "model": EMBEDDING})
        assert answer.json()["model"] == EMBEDDING

    async def test_every_listed_model_has_an_id(self, dify: Gateway) -> None:
        listed = (await dify.http.get("/v1/models")).json()["data"]
        assert {CHAT, EMBEDDING, RANKER} <= {one["id"] for one in listed}


class TestChats:
    async def test_streamed_chat_has_its_text_and_usage(
        self, dify: Gateway, server: FakeUpstream
    ) -> None:
        server.received.clear()
        body = chat_body(CHAT, [SYSTEM, QUESTION])
        answer = read_stream((await post(dify, "/chat/completions", body)).text)
        words = len(QUESTION["content"].split())
        assert answer.text
        assert answer.finish_reason == "length"
        assert (answer.usage["prompt_tokens"], answer.usage["completion_tokens"]) == (words, 8)
        assert server.received[0]["stop"] == body["stop"]
        assert "user" not in server.received[0]

    async def test_responses_api_streams_the_text(self, dify: Gateway) -> None:
        question = [{"role": "developer", "content": "Answer briefly."}, QUESTION]
        sampling = {"temperature": 0.7, "top_p": 1, "max_output_tokens": 8}
        body = {"model": CHAT, "input": question, **sampling, "safety_identifier": "u-1"}
        answer = await post(dify, "/responses", {**body, "stream": True})
        events = [json.loads(one[6:]) for one in answer.text.splitlines() if one[:6] == "data: "]
        deltas = [one["delta"] for one in events if one["type"] == "response.output_text.delta"]
        assert "".join(deltas)
        assert events[-1]["response"]["usage"]["output_tokens"] == 8

    @pytest.mark.parametrize("wanted", ["text", "json_object", "json_schema"])
    async def test_response_format_reaches_the_model(
        self, dify: Gateway, server: FakeUpstream, wanted: str
    ) -> None:
        server.received.clear()
        schema = {"name": "finding", "schema": {"type": "object", "properties": {}}}
        made = {"type": wanted} | ({"json_schema": schema} if wanted == "json_schema" else {})
        await post(dify, "/chat/completions", chat_body(CHAT, [QUESTION], response_format=made))
        assert server.received[0]["response_format"] == made

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("functions", [{"name": "read_pump", "description": "", "parameters": {}}]),
            ("chat_template_kwargs", {"enable_thinking": False, "thinking": False}),
            ("enable_thinking", False),
            ("thinking", {"type": "disabled"}),
            ("web_search", True),
        ],
    )
    async def test_settings_that_the_recipe_excludes_are_refused_by_name(
        self, dify: Gateway, field: str, value: Any
    ) -> None:
        body = chat_body(CHAT, [QUESTION], **{field: value})
        answer = await dify.http.post("/v1/chat/completions", json=body)
        assert (answer.status_code, error_of(answer)["param"]) == (400, field)


class TestKnowledge:
    @pytest.mark.parametrize("fields", [{}, {"encoding_format": "float", "user": "u-1"}])
    async def test_chunks_get_one_vector_each_and_a_usage(
        self, dify: Gateway, fields: dict[str, Any]
    ) -> None:
        body = {"model": EMBEDDING, "input": ["seal leaks", "bearing noise"], **fields}
        answer = (await post(dify, "/embeddings", body)).json()
        assert all(isinstance(one["embedding"][0], float) for one in answer["data"])
        assert len(answer["data"]) == 2
        assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] == 4

    @pytest.mark.parametrize(
        "fields", [{"top_n": 2}, {"top_n": None, "return_documents": True}, {"top_n": 3}]
    )
    async def test_passages_are_scored_with_their_positions(
        self, dify: Gateway, fields: dict[str, Any]
    ) -> None:
        body = {"model": RANKER, "query": "What is the capital?", "documents": DOCUMENTS}
        found = (await post(dify, "/rerank", body | fields)).json()["results"]
        assert [one["index"] for one in found] == [1, 0]
        assert found[0]["relevance_score"] > found[1]["relevance_score"]
        if fields.get("return_documents"):
            assert found[0]["document"]["text"] == DOCUMENTS[1]
