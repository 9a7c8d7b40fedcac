"""What stands in for a model that cannot be reached: admitted, told and billed as itself."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.upstream.http1 import Connection, ConnectionPool, Origin
from models.catalog import Catalog
from tests.support import builders
from tests.support.builders import (
    CATALOG,
    CHAT,
    PLENTY,
    SPECIALIST,
    Gateway,
    Limited,
    credit,
    run_gateway,
)
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.choices import SWIFT, chat, two
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held


@pytest.fixture
async def both(limited: Limited) -> AsyncIterator[Gateway]:
    async with limited(PLENTY, catalog=two()) as gateway:
        yield gateway


@asynccontextmanager
async def one_down(
    database_url: str,
    data_dir: Path,
    upstream: FakeUpstream,
    terms: builders.AccountLimits = PLENTY,
    catalog: Catalog | None = None,
) -> AsyncIterator[Gateway]:
    """A gateway to which CHAT's server takes no connection, while the others' do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = f"http://127.0.0.1:{listener.getsockname()[1]}"
    urls = f"{CHAT}={dead},{upstream.url}"
    configured = builders.settings(database_url, data_dir, urls, credit_wait_s=0.3)
    async with run_gateway(configured, terms=terms, catalog=catalog or two()) as gateway:
        yield gateway


@pytest.fixture
async def halved(
    database_url: str, tmp_path: Path, upstream: FakeUpstream
) -> AsyncIterator[Gateway]:
    """At whose end nothing may be held."""
    async with one_down(database_url, tmp_path, upstream) as gateway:
        yield gateway
        await nothing_is_held(gateway)


class TestFallbacks:
    @pytest.mark.parametrize("stream", [False, True])
    async def test_the_next_answers_and_is_billed_as_itself(
        self, halved: Gateway, stream: bool
    ) -> None:
        """Also when the circuit is open, as after the second failure."""
        for _ in range(4):
            answer = await halved.http.post("/v1/chat/completions", json=chat(stream=stream))
            assert answer.status_code == 200
            assert answer.headers["x-maas-model"] == SWIFT
            told = answer.headers["x-maas-route-reason"]
            assert told == f"fallback for {CHAT}, which is not reachable"
        rows = await halved.rows(4)
        assert {(row["model"], row["cost"], row["settlement"]) for row in rows} == {
            (SWIFT, "0.000077000", "complete")
        }

    async def test_a_model_asked_for_by_name_has_none(self, halved: Gateway) -> None:
        answer = await halved.http.post("/v1/chat/completions", json=chat(CHAT))
        assert (answer.status_code, error_of(answer)["code"]) == (503, "model_unavailable")
        assert (await halved.row())["model"] == CHAT

    async def test_unless_the_client_allows_it(self, halved: Gateway) -> None:
        headers = {"X-Maas-Fallback": "allow"}
        answer = await halved.http.post("/v1/chat/completions", json=chat(CHAT), headers=headers)
        assert (answer.status_code, answer.headers["x-maas-model"]) == (200, SWIFT)
        assert (await halved.row())["model"] == SWIFT

    async def test_who_denies_it_has_none(self, halved: Gateway) -> None:
        headers = {"X-Maas-Fallback": "deny"}
        answer = await halved.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert (answer.status_code, error_of(answer)["code"]) == (503, "model_unavailable")

    async def test_what_is_neither_is_refused(self, halved: Gateway) -> None:
        headers = {"X-Maas-Fallback": "perhaps"}
        answer = await halved.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert (answer.status_code, error_of(answer)["param"]) == (400, "X-Maas-Fallback")

    async def test_a_call_whose_first_model_was_written_down_already(
        self, halved: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """To find out that a server is away may take longer than an intent waits."""
        take = ConnectionPool.acquire

        async def slowly(pool: ConnectionPool, origin: Origin) -> Connection:
            await asyncio.sleep(0.05)
            return await take(pool, origin)

        monkeypatch.setattr(ConnectionPool, "acquire", slowly)
        for stream in (False, True):
            body = chat(stream=stream)
            answer = await halved.http.post("/v1/chat/completions", json=body)
            assert (answer.status_code, answer.headers["x-maas-model"]) == (200, SWIFT)
        assert {row["model"] for row in await halved.rows(2)} == {SWIFT}

    async def test_tags_go_with_it(self, halved: Gateway) -> None:
        headers = {"X-Maas-Tags": "order=A-17"}
        await halved.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert (await halved.row())["tags"] == {"order": "A-17"}

    async def test_an_idempotency_key_keeps_its_answer(self, halved: Gateway) -> None:
        headers = {"Idempotency-Key": "k"}
        first, second = [
            await halved.http.post("/v1/chat/completions", json=chat(), headers=headers)
            for _ in range(2)
        ]
        assert (first.status_code, first.content) == (200, second.content)

    async def test_a_limit_is_that_of_the_model_that_answers(
        self, database_url: str, tmp_path: Path, upstream: FakeUpstream
    ) -> None:
        """The credit is enough for the one that is down, not for the one that stands in."""
        async with one_down(database_url, tmp_path, upstream, credit(300_000)) as gateway:
            answer = await gateway.http.post("/v1/chat/completions", json=chat())
            assert (answer.status_code, error_of(answer)["code"]) == (429, "credit_exhausted")
            assert answer.headers["x-maas-model"] == SWIFT
            row = await gateway.row()
            assert (row["model"], row["settlement"]) == (SWIFT, "refused")
            await nothing_is_held(gateway)

    async def test_where_none_is_left(
        self, database_url: str, tmp_path: Path, upstream: FakeUpstream
    ) -> None:
        own = two()
        alone = replace(own.models[CHAT], fallbacks=())
        only = Catalog({**own.models, CHAT: alone})
        async with one_down(database_url, tmp_path, upstream, catalog=only) as gateway:
            answer = await gateway.http.post("/v1/chat/completions", json=chat())
            assert (answer.status_code, error_of(answer)["code"]) == (503, "model_unavailable")
            await nothing_is_held(gateway)

    @pytest.mark.parametrize("prompt", ["fault", "die"])
    async def test_what_broke_off_is_not_asked_again(
        self, both: Gateway, upstream: FakeUpstream, prompt: str
    ) -> None:
        """The call may be what brought the server down: it would bring down the next one too."""
        answer = await both.http.post("/v1/chat/completions", json=chat(prompt=prompt))
        assert (answer.status_code, error_of(answer)["code"]) == (502, "model_failed")
        assert len(upstream.received) == 1

    async def test_a_server_that_does_not_know_the_model(self, both: Gateway) -> None:
        """So says Ray Serve of a model whose application is not there; of both, in this test."""
        answer = await both.http.post("/v1/chat/completions", json=chat(prompt="unserved"))
        assert (answer.status_code, answer.headers["x-maas-model"]) == (503, SWIFT)
        assert error_of(answer)["code"] == "service_unavailable"

    async def test_under_the_protocol_too(
        self, database_url: str, tmp_path: Path, upstream: FakeUpstream
    ) -> None:
        first = CATALOG.models[SPECIALIST]
        spare = replace(first, id="spare")
        own = Catalog(
            {**CATALOG.models, SPECIALIST: replace(first, fallbacks=("spare",)), "spare": spare}
        )
        with socket.create_server(("127.0.0.1", 0)) as listener:
            dead = f"http://127.0.0.1:{listener.getsockname()[1]}"
        configured = builders.settings(
            database_url, tmp_path, f"{SPECIALIST}={dead},{upstream.url}"
        )
        tensor = {"name": "torque", "shape": [1], "datatype": "FP32", "data": [1]}
        async with run_gateway(configured, catalog=own) as gateway:
            answer = await gateway.http.post(
                f"/v2/models/{SPECIALIST}/infer",
                json={"inputs": [tensor]},
                headers={"X-Maas-Fallback": "allow"},
            )
            assert (answer.status_code, answer.json()["model_name"]) == (200, "spare")
            assert (await gateway.row())["model"] == "spare"
