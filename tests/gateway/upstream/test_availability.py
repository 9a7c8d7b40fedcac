"""Which models a deployment serves: nothing else is listed, quoted, chosen or accepted as a job."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from billing.accounts.accounts import ACCOUNT_ID_PREFIX as ACCOUNT_PREFIX
from gateway.upstream.availability import Availability
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router, parse_upstreams
from infra import ids
from infra.clock import SystemClock
from models.catalog import Task
from models.extras import required_extra
from tests.support import builders
from tests.support.builders import CATALOG, CHAT, EMBEDDING, SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.gateway.commands import Maas

SURFACE = CATALOG.with_task(Task.IMAGE_CLASSIFICATION)[0].id
MULTILINGUAL = next(one.id for one in CATALOG.models.values() if one.retrieval is not None)
MESSAGE = "This deployment does not serve the model `{}`."
OPTIONAL = {one.id for one in CATALOG.models.values() if required_extra(one) is not None}
INFER = {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["x"]}]}


@asynccontextmanager
async def without(
    upstream: FakeUpstream, database_url: str, tmp_path: Path, absent: set[str]
) -> AsyncIterator[Gateway]:
    """A gateway whose serving has all models of the catalog but these."""
    upstream.models = {one: True for one in CATALOG.models if one not in absent}
    configured = builders.settings(database_url, tmp_path, upstream.url)
    async with builders.run_gateway(configured) as gateway:
        yield gateway


@pytest.fixture
async def plain(
    upstream: FakeUpstream, database_url: str, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """One without any optional extra."""
    async with without(upstream, database_url, tmp_path, OPTIONAL) as gateway:
        yield gateway


def error_of(answer: httpx.Response) -> Any:
    found = answer.json()
    return (
        found["error"] if isinstance(found["error"], dict) else found | {"message": found["error"]}
    )


async def file_of(gateway: Gateway) -> str:
    files = {"file": ("a.jsonl", b'{"image": "", "label": "x"}\n')}
    data = {"purpose": "fine-tune"}
    answer = await gateway.http.post("/v1/files", files=files, data=data)
    return str(answer.json()["id"])


class TestNotInstalled:
    async def test_a_model_that_is_not_installed_is_not_listed(self, plain: Gateway) -> None:
        listed = (await plain.http.get("/v1/models")).json()["data"]
        assert {one["id"] for one in listed} == set(CATALOG.models) - OPTIONAL

    @pytest.mark.parametrize(
        "path",
        ["/v1/models/{}", "/v2/models/{}", "/v2/models/{}/ready", "/v2/models/{}/versions/1"],
    )
    async def test_reading_a_model_that_is_not_installed_says_so(
        self, plain: Gateway, path: str
    ) -> None:
        answer = await plain.http.get(path.format(SURFACE))
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (404, "model_not_served")
        assert error["message"].startswith(MESSAGE.format(SURFACE))

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/v1/predictions", {"model": SURFACE, "instances": [{"image": "x"}]}),
            (f"/v2/models/{SURFACE}/infer", INFER),
            ("/v1/quote", {"model": SURFACE, "instances": [{"image": "x"}]}),
            ("/v1/embeddings", {"model": MULTILINGUAL, "input": "x"}),
            ("/v1/quote", {"model": MULTILINGUAL, "input": "x"}),
        ],
    )
    async def test_a_model_that_is_not_installed_is_neither_called_nor_quoted(
        self, plain: Gateway, upstream: FakeUpstream, path: str, body: dict[str, Any]
    ) -> None:
        answer = await plain.http.post(path, json=body)
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (404, "model_not_served")
        assert error["param"] == "model"
        assert upstream.received == []

    @pytest.mark.parametrize("path", ["/v1/quote", "/v1/fine_tuning/jobs"])
    async def test_a_job_for_a_model_that_is_not_installed_is_refused(
        self, plain: Gateway, path: str
    ) -> None:
        body = {"model": SURFACE, "training_file": await file_of(plain)}
        answer = await plain.http.post(path, json=body)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "model_not_served")
        assert (await plain.http.get("/v1/fine_tuning/jobs")).json()["data"] == []

    async def test_a_vector_store_without_an_embedding_model_is_refused_by_its_name(
        self, plain: Gateway
    ) -> None:
        answer = await plain.http.post("/v1/vector_stores", json={"name": "manuals"})
        assert answer.status_code == 404
        assert error_of(answer)["message"].startswith(MESSAGE.format(MULTILINGUAL))

    async def test_auto_does_not_choose_a_model_that_is_not_installed(self, plain: Gateway) -> None:
        question = {"input": "Scratches and dents on pictures of a steel surface: which defect?"}
        answer = (await plain.http.post("/v1/route", json=question)).json()
        named = [answer["model"], *(name for one in answer["runners_up"] for name in one["models"])]
        assert SURFACE not in named

    async def test_an_own_variant_of_a_model_that_is_not_installed_says_so(
        self, plain: Gateway
    ) -> None:
        name = await self._variant(plain)
        body = {"model": name, "instances": [{"image": "x"}]}
        for answer in (
            await plain.http.post("/v1/predictions", json=body),
            await plain.http.get(f"/v1/models/{name}"),
            await plain.http.get(f"/v2/models/{name}"),
        ):
            assert answer.status_code == 404
            assert error_of(answer)["message"].startswith(MESSAGE.format(SURFACE))
        listed = (await plain.http.get("/v1/models")).json()["data"]
        assert name not in {one["id"] for one in listed}
        assert (await plain.http.delete(f"/v1/models/{name}")).status_code == 200

    async def test_a_model_is_listed_as_soon_as_its_extra_is_installed(
        self, plain: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.models = {**upstream.models, SURFACE: True}
        await plain.parts.availability.refresh()
        listed = (await plain.http.get("/v1/models")).json()["data"]
        assert SURFACE in {one["id"] for one in listed}

    async def _variant(self, gateway: Gateway) -> str:
        """As a job left one, before the extra was removed."""
        async with gateway.parts.database.transaction() as session:
            await session.execute(text("set local session_replication_role = replica"))
            await session.execute(
                text(
                    "insert into variant (id, account_id, adaptation_id, base, name, version, "
                    "artefact, current, created_at, live_at) values (gen_random_uuid(), :account, "
                    "gen_random_uuid(), :base, 'line-3', 1, '', true, now(), now())"
                ),
                {"account": gateway.account.id, "base": SURFACE},
            )
        shown = ids.format_id(ACCOUNT_PREFIX, gateway.account.id)
        return f"ft:{SURFACE}:{shown}:line-3"


@pytest.mark.usefixtures("network")
class TestServers:
    """What a server says that it has, of our own kind and of others."""

    async def test_a_model_is_served_where_its_server_lists_it(self) -> None:
        async with run_fake_upstream() as upstream:
            upstream.listed = [CHAT]
            availability = await self._asked(upstream.url)
            assert set(availability.catalog.models) == {CHAT}

    async def test_a_server_that_lists_nothing_serves_what_it_is_configured_for(self) -> None:
        async with run_fake_upstream() as upstream:
            assert set((await self._asked(upstream.url)).catalog.models) == set(CATALOG.models)
            named = await self._asked(f"{EMBEDDING}={upstream.url}")
            assert set(named.catalog.models) == {EMBEDDING}

    async def test_several_servers_serve_what_any_of_them_lists(self) -> None:
        async with run_fake_upstream() as one, run_fake_upstream() as other:
            one.models, other.models = {CHAT: True}, {SPECIALIST: False}
            availability = await self._asked(f"{one.url},{other.url}")
            assert set(availability.catalog.models) == {CHAT, SPECIALIST}

    async def test_a_server_that_is_away_is_taken_for_what_it_said_last(self) -> None:
        async with run_fake_upstream() as upstream:
            upstream.models = {CHAT: True}
            availability = await self._asked(upstream.url)
        await availability.refresh()
        assert set(availability.catalog.models) == {CHAT}

    async def test_before_any_server_has_answered_only_installed_extras_count(self) -> None:
        availability = await self._asked("http://127.0.0.1:9")
        assert set(CATALOG.models) - OPTIONAL <= set(availability.catalog.models)

    async def _asked(self, servers: str) -> Availability:
        router = Router(parse_upstreams(servers), SystemClock())
        availability = Availability(CATALOG, router, UpstreamClient(1.0))
        await availability.refresh()
        return availability


class TestCommand:
    async def test_the_list_of_models_says_which_are_not_installed(self, maas: Maas) -> None:
        async with run_fake_upstream() as upstream:
            upstream.models = {one: True for one in CATALOG.models if one not in OPTIONAL}
            environment = {**maas.environment, "MAAS_SERVING_URL": upstream.url}
            rows = await replace(maas, environment=environment).say("models")
        served = {row["id"]: row["served"] for row in rows}
        assert served[SURFACE] == "not installed: extra vision"
        assert served[MULTILINGUAL] == "not installed: extra multilingual"
        assert {served[one] for one in set(served) - OPTIONAL} == {"yes"}
