"""Models that a deployment serves: no others are listed, quoted, selected or accepted for jobs."""

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
from gateway.upstream.load_balancer import Router
from gateway.upstream.server_specs import parse_upstreams
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
    """A gateway whose model server has all models of the catalog except these."""
    upstream.models = {one: True for one in CATALOG.models if one not in absent}
    configured = builders.settings(database_url, tmp_path, upstream.url)
    async with builders.run_gateway(configured) as gateway:
        yield gateway


@pytest.fixture
async def plain(
    upstream: FakeUpstream, database_url: str, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """A gateway whose model server has no optional extra."""
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


class TestUninstalledModel:
    async def test_uninstalled_model_is_not_listed(self, plain: Gateway) -> None:
        listed = (await plain.http.get("/v1/models")).json()["data"]
        assert {one["id"] for one in listed} == set(CATALOG.models) - OPTIONAL

    @pytest.mark.parametrize(
        "path",
        ["/v1/models/{}", "/v2/models/{}", "/v2/models/{}/ready", "/v2/models/{}/versions/1"],
    )
    async def test_uninstalled_model_metadata_returns_model_not_served(
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
    async def test_uninstalled_model_call_and_quote_return_model_not_served(
        self, plain: Gateway, upstream: FakeUpstream, path: str, body: dict[str, Any]
    ) -> None:
        answer = await plain.http.post(path, json=body)
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (404, "model_not_served")
        assert error["param"] == "model"
        assert upstream.received == []

    @pytest.mark.parametrize("path", ["/v1/quote", "/v1/fine_tuning/jobs"])
    async def test_fine_tuning_of_uninstalled_model_returns_model_not_served(
        self, plain: Gateway, path: str
    ) -> None:
        body = {"model": SURFACE, "training_file": await file_of(plain)}
        answer = await plain.http.post(path, json=body)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "model_not_served")
        assert (await plain.http.get("/v1/fine_tuning/jobs")).json()["data"] == []

    async def test_vector_store_creation_names_missing_embedding_model(
        self, plain: Gateway
    ) -> None:
        answer = await plain.http.post("/v1/vector_stores", json={"name": "manuals"})
        assert answer.status_code == 404
        assert error_of(answer)["message"].startswith(MESSAGE.format(MULTILINGUAL))

    async def test_uninstalled_model_is_not_selected(self, plain: Gateway) -> None:
        question = {"input": "Scratches and dents on pictures of a steel surface: which defect?"}
        answer = (await plain.http.post("/v1/route", json=question)).json()
        named = [answer["model"], *(name for one in answer["runners_up"] for name in one["models"])]
        assert SURFACE not in named

    async def test_variant_of_uninstalled_model_is_not_served_and_can_be_deleted(
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

    async def test_model_is_listed_after_installation_of_its_extra(
        self, plain: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.models = {**upstream.models, SURFACE: True}
        await plain.parts.availability.refresh()
        listed = (await plain.http.get("/v1/models")).json()["data"]
        assert SURFACE in {one["id"] for one in listed}

    async def _variant(self, gateway: Gateway) -> str:
        """A variant that a fine-tuning job created before the extra was removed."""
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
class TestServerModelLists:
    """Model lists of our own model servers and of others."""

    async def test_model_listed_by_server_is_served(self) -> None:
        async with run_fake_upstream() as upstream:
            upstream.listed = [CHAT]
            availability = await self._asked(upstream.url)
            assert set(availability.catalog.models) == {CHAT}

    async def test_server_without_model_list_serves_configured_models(self) -> None:
        async with run_fake_upstream() as upstream:
            assert set((await self._asked(upstream.url)).catalog.models) == set(CATALOG.models)
            named = await self._asked(f"{EMBEDDING}={upstream.url}")
            assert set(named.catalog.models) == {EMBEDDING}

    async def test_model_listed_by_any_server_is_served(self) -> None:
        async with run_fake_upstream() as one, run_fake_upstream() as other:
            one.models, other.models = {CHAT: True}, {SPECIALIST: False}
            availability = await self._asked(f"{one.url},{other.url}")
            assert set(availability.catalog.models) == {CHAT, SPECIALIST}

    async def test_unreachable_server_keeps_its_last_model_list(self) -> None:
        async with run_fake_upstream() as upstream:
            upstream.models = {CHAT: True}
            availability = await self._asked(upstream.url)
        await availability.refresh()
        assert set(availability.catalog.models) == {CHAT}

    async def test_models_without_extras_are_served_before_first_model_list(self) -> None:
        availability = await self._asked("http://127.0.0.1:9")
        assert set(CATALOG.models) - OPTIONAL <= set(availability.catalog.models)

    async def _asked(self, servers: str) -> Availability:
        router = Router(parse_upstreams(servers), SystemClock())
        availability = Availability(CATALOG, router, UpstreamClient(1.0))
        await availability.refresh()
        return availability


class TestModelsCommand:
    async def test_models_command_shows_extras_that_are_not_installed(self, maas: Maas) -> None:
        async with run_fake_upstream() as upstream:
            upstream.models = {one: True for one in CATALOG.models if one not in OPTIONAL}
            environment = {**maas.environment, "MAAS_SERVING_URL": upstream.url}
            rows = await replace(maas, environment=environment).say("models")
        served = {row["id"]: row["served"] for row in rows}
        assert served[SURFACE] == "not installed: extra vision"
        assert served[MULTILINGUAL] == "not installed: extra multilingual"
        assert {served[one] for one in set(served) - OPTIONAL} == {"yes"}
