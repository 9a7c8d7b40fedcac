"""Fallback models: a call to a model that cannot be reached is admitted, answered and billed as its
fallback."""

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
    """A gateway whose server of CHAT refuses connections, while the other models' server accepts
    them."""
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
    """A gateway without CHAT's server; checks afterwards that no quota units are still reserved."""
    async with one_down(database_url, tmp_path, upstream) as gateway:
        yield gateway
        await nothing_is_held(gateway)


class TestFallback:
    @pytest.mark.parametrize("stream", [False, True])
    async def test_fallback_responds_and_is_billed_under_its_own_model(
        self, halved: Gateway, stream: bool
    ) -> None:
        """Also while the circuit breaker is open, as after the second failure."""
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

    async def test_model_requested_by_name_has_no_fallback(self, halved: Gateway) -> None:
        answer = await halved.http.post("/v1/chat/completions", json=chat(CHAT))
        assert (answer.status_code, error_of(answer)["code"]) == (503, "model_unavailable")
        assert (await halved.row())["model"] == CHAT

    async def test_header_allow_enables_fallback_for_named_model(self, halved: Gateway) -> None:
        headers = {"X-Maas-Fallback": "allow"}
        answer = await halved.http.post("/v1/chat/completions", json=chat(CHAT), headers=headers)
        assert (answer.status_code, answer.headers["x-maas-model"]) == (200, SWIFT)
        assert (await halved.row())["model"] == SWIFT

    async def test_header_deny_disables_fallback_for_auto(self, halved: Gateway) -> None:
        headers = {"X-Maas-Fallback": "deny"}
        answer = await halved.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert (answer.status_code, error_of(answer)["code"]) == (503, "model_unavailable")

    async def test_invalid_fallback_header_is_rejected(self, halved: Gateway) -> None:
        headers = {"X-Maas-Fallback": "perhaps"}
        answer = await halved.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert (answer.status_code, error_of(answer)["param"]) == (400, "X-Maas-Fallback")

    async def test_fallback_after_intent_of_first_model_is_written(
        self, halved: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Detecting that a server is down can take longer than the delay before the intent is
        written."""
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

    async def test_fallback_row_keeps_tags(self, halved: Gateway) -> None:
        headers = {"X-Maas-Tags": "order=A-17"}
        await halved.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert (await halved.row())["tags"] == {"order": "A-17"}

    async def test_fallback_response_is_replayed_for_idempotency_key(self, halved: Gateway) -> None:
        headers = {"Idempotency-Key": "k"}
        first, second = [
            await halved.http.post("/v1/chat/completions", json=chat(), headers=headers)
            for _ in range(2)
        ]
        assert (first.status_code, first.content) == (200, second.content)

    async def test_credit_is_checked_at_the_price_of_the_fallback(
        self, database_url: str, tmp_path: Path, upstream: FakeUpstream
    ) -> None:
        """The credit covers the model that is down, not its fallback."""
        async with one_down(database_url, tmp_path, upstream, credit(300_000)) as gateway:
            answer = await gateway.http.post("/v1/chat/completions", json=chat())
            assert (answer.status_code, error_of(answer)["code"]) == (429, "credit_exhausted")
            assert answer.headers["x-maas-model"] == SWIFT
            row = await gateway.row()
            assert (row["model"], row["settlement"]) == (SWIFT, "refused")
            await nothing_is_held(gateway)

    async def test_auto_without_fallbacks_returns_503(
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
    async def test_call_that_failed_midway_is_not_sent_to_fallback(
        self, both: Gateway, upstream: FakeUpstream, prompt: str
    ) -> None:
        """The call may have crashed the server; it would crash the next one too."""
        answer = await both.http.post("/v1/chat/completions", json=chat(prompt=prompt))
        assert (answer.status_code, error_of(answer)["code"]) == (502, "model_failed")
        assert len(upstream.received) == 1

    async def test_server_without_the_model_triggers_fallback(self, both: Gateway) -> None:
        """Ray Serve responds like this for a missing application; in this test, for both models."""
        answer = await both.http.post("/v1/chat/completions", json=chat(prompt="unserved"))
        assert (answer.status_code, answer.headers["x-maas-model"]) == (503, SWIFT)
        assert error_of(answer)["code"] == "service_unavailable"

    async def test_open_inference_call_uses_fallback(
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
