"""`model: "auto"`: what is chosen, what is told of it, and what stands in where a model is down."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from billing.metering.usage import list_usage
from gateway.app import build_parts
from infra.clock import SystemClock
from models.catalog import Catalog, Task
from tests import builders
from tests.builders import (
    BEARING_LIFE,
    CATALOG,
    CHAT,
    MECHANISMS,
    REMAINING_LIFE,
    Gateway,
    customer,
    serve,
)
from tests.fakes.upstream import FakeUpstream
from tests.gateway.errors import error_of

TAGS = CATALOG.with_task(Task.ALIGNMENT)[0].id
QUESTION = "Write a friendly letter to our supplier about the late delivery of bearings."
BEARING = {
    "bearing": "ball",
    "dynamic_load_rating": 30000.0,
    "equivalent_load": 5000.0,
    "rotational_speed": 1500.0,
    "reliability": 90.0,
    "a_iso": 1.0,
}


async def chat(gateway: Gateway, text: str, **headers: str) -> Any:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "max_tokens": 5}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.http.post("/v1/chat/completions", json=body, headers=named)


class TestText:
    async def test_a_language_model_answers_and_is_billed(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await chat(gateway, QUESTION)
        assert answer.status_code == 200
        assert answer.headers["x-maas-model"] == CHAT
        assert answer.headers["x-maas-route-reason"].startswith("task language")
        assert "x-maas-suggested-model" not in answer.headers
        assert upstream.received[0]["model"] == CHAT
        assert (await gateway.row())["model"] == CHAT

    async def test_a_specialist_is_suggested(self, gateway: Gateway) -> None:
        answer = await chat(
            gateway, "把这些点位对应到标准概念：AHU1_SAT, AHU1_RAT, 2号机组送风温度"
        )
        assert answer.headers["x-maas-suggested-model"] == TAGS
        assert answer.headers["x-maas-model"] == CHAT

    async def test_a_stream_tells_it_too(self, gateway: Gateway) -> None:
        body = {"model": "auto", "messages": [{"role": "user", "content": QUESTION}]}
        stream = {**body, "stream": True, "max_tokens": 5}
        answer = await gateway.http.post("/v1/chat/completions", json=stream)
        assert answer.headers["x-maas-model"] == CHAT

    @pytest.mark.parametrize("budget", ["", "0", "-1", "1.5", "soon", "9" * 12])
    async def test_a_budget_that_is_none(self, gateway: Gateway, budget: str) -> None:
        answer = await chat(gateway, QUESTION, x_maas_latency_ms=budget)
        assert answer.status_code == 400
        assert error_of(answer)["param"] == "X-Maas-Latency-Ms"

    async def test_a_budget_that_none_holds(self, gateway: Gateway) -> None:
        answer = await chat(gateway, QUESTION, x_maas_latency_ms="1")
        assert answer.status_code == 200
        assert "the fastest" in answer.headers["x-maas-route-reason"]

    async def test_embeddings_are_not_chosen(self, gateway: Gateway) -> None:
        body = {"model": "auto", "input": "bearing"}
        answer = await gateway.http.post("/v1/embeddings", json=body)
        assert (answer.status_code, error_of(answer)["param"]) == (400, "model")


class TestRows:
    async def test_the_columns_decide(self, gateway: Gateway, upstream: FakeUpstream) -> None:
        body = {"model": "auto", "instances": [BEARING]}
        answer = await gateway.http.post("/v1/predictions", json=body)
        assert answer.status_code == 200
        assert answer.json()["model"] == BEARING_LIFE
        assert answer.headers["x-maas-model"] == BEARING_LIFE
        assert (await gateway.row())["model"] == BEARING_LIFE

    async def test_the_nearest_are_named(self, gateway: Gateway) -> None:
        row = {name: value for name, value in BEARING.items() if name != "a_iso"}
        answer = await gateway.http.post(
            "/v1/predictions", json={"model": "auto", "instances": [row]}
        )
        assert answer.status_code == 400
        error = error_of(answer)
        assert error["param"] == "instances"
        assert BEARING_LIFE in error["message"]
        assert "lacking 'a_iso'" in error["message"]


class TestRoute:
    async def test_tells_without_calling(self, gateway: Gateway, upstream: FakeUpstream) -> None:
        question = {"input": "C = 30 kN, P = 5 kN, 1500 rpm, ball bearing: L10h?"}
        answer = (await gateway.http.post("/v1/route", json=question)).json()
        assert answer["model"] == BEARING_LIFE
        assert answer["endpoint"] == "/v1/predictions"
        assert sorted(BEARING) == answer["columns"]
        assert answer["price_nano_per_unit"]["rows"] > 0
        assert len(answer["runners_up"]) == 3
        assert upstream.received == []
        async with gateway.parts.database.transaction() as session:
            assert await list_usage(session, account_id=None, limit=10) == []

    async def test_by_rows(self, gateway: Gateway) -> None:
        answer = (await gateway.http.post("/v1/route", json={"instances": [BEARING]})).json()
        assert (answer["model"], answer["confidence"]) == (BEARING_LIFE, None)

    @pytest.mark.parametrize(
        ("question", "param"),
        [
            ({}, "input"),
            ({"input": "  "}, "input"),
            ({"input": 7}, "input"),
            ({"input": "x", "latency_ms": 0}, "latency_ms"),
            ({"input": "x", "colour": "red"}, "colour"),
            ({"instances": [{"nothing": 1}]}, "instances"),
        ],
    )
    async def test_what_cannot_be_told(self, gateway: Gateway, question: Any, param: str) -> None:
        answer = await gateway.http.post("/v1/route", json=question)
        assert (answer.status_code, error_of(answer)["param"]) == (400, param)

    async def test_strangers_are_told_nothing(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(
            "/v1/route", json={"input": "x"}, headers={"authorization": "Bearer x"}
        )
        assert answer.status_code == 401


@pytest.fixture
async def doubled(
    database_url: str, tmp_path: Path, upstream: FakeUpstream
) -> AsyncIterator[Gateway]:
    """A gateway whose chat model is down, and which sells its double, which is not."""
    chat_model = CATALOG.models[CHAT]
    second = replace(chat_model, id="second", fallbacks=())
    first = replace(chat_model, fallbacks=("second",))
    models = {**CATALOG.models, CHAT: first, "second": second}
    configured = builders.settings(
        database_url, tmp_path, f"{upstream.url},{CHAT}=http://127.0.0.1:9"
    )
    parts = build_parts(configured, SystemClock(), Catalog(MappingProxyType(models)))
    account, key = await customer(parts.database, configured)
    async with serve(parts) as url:
        headers = {"authorization": f"Bearer {key.secret}"}
        async with builders.httpx.AsyncClient(base_url=url, headers=headers) as http:
            yield Gateway(url, parts, account, key, http)


class TestFallback:
    async def test_stands_in_where_auto_was_asked(self, doubled: Gateway) -> None:
        answer = await chat(doubled, QUESTION)
        assert answer.status_code == 200
        assert answer.headers["x-maas-model"] == "second"
        assert CHAT in answer.headers["x-maas-route-reason"]
        row = await doubled.row()
        assert (row["model"], row["settlement"]) == ("second", "complete")

    async def test_not_where_it_is_denied(self, doubled: Gateway) -> None:
        answer = await chat(doubled, QUESTION, x_maas_fallback="deny")
        assert answer.status_code == 503

    @pytest.mark.parametrize(("said", "status"), [(None, 503), ("allow", 200), ("perhaps", 400)])
    async def test_of_a_model_by_name_only_if_allowed(
        self, doubled: Gateway, said: str | None, status: int
    ) -> None:
        body = {"model": CHAT, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
        headers = {} if said is None else {"x-maas-fallback": said}
        answer = await doubled.http.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == status
        if status == 200:
            assert answer.headers["x-maas-model"] == "second"


def test_every_specialist_with_a_route_is_sold() -> None:
    routed = {model.id for model in CATALOG.models.values() if model.route is not None}
    assert {*MECHANISMS.values(), REMAINING_LIFE, TAGS, CHAT} <= routed
