"""Read endpoints for accounts and operators: models, usage, limits, health, metrics and /docs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from billing.metering.quotas import set_budget
from tests.support import builders
from tests.support.builders import CATALOG, CHAT, SPECIALIST, Gateway, customer
from tests.support.gateway.subscribing import LARGE, SMALL, choose, offer


class TestModelsEndpoint:
    async def test_official_client_lists_and_retrieves_models(self, gateway: Gateway) -> None:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            listed = await client.models.list()
            one = await client.models.retrieve(CHAT)
        assert {model.id for model in listed.data} == set(CATALOG.models)
        assert one.id == CHAT

    async def test_prices_are_in_the_account_currency(self, gateway: Gateway) -> None:
        model = (await gateway.http.get(f"/v1/models/{CHAT}")).json()
        assert model["currency"] == "CNY"
        assert model["price_nano_per_unit"] == dict(CATALOG.models[CHAT].prices["CNY"])

    async def test_unknown_model_returns_404(self, gateway: Gateway) -> None:
        answer = await gateway.http.get("/v1/models/nope")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")

    async def test_request_without_an_api_key_returns_401(self, gateway: Gateway) -> None:
        gateway.http.headers.pop("authorization")
        answer = await gateway.http.get("/v1/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_api_key")


class TestUsageEndpoint:
    async def test_paging_returns_every_call_once(self, gateway: Gateway) -> None:
        for number in range(5):
            await gateway.chat(" ".join(["w"] * (number + 1)))
        seen: list[int] = []
        query: dict[str, Any] = {"limit": 2}
        while True:
            page = (await gateway.http.get("/v1/usage", params=query)).json()
            seen += [row["input_tokens"] for row in page["data"]]
            if not page["has_more"]:
                break
            query["before"] = page["data"][-1]["request_id"]
        assert seen == [5, 4, 3, 2, 1]

    async def test_usage_of_another_account_is_not_visible(self, gateway: Gateway) -> None:
        await gateway.chat("mine")
        mine = (await gateway.http.get("/v1/usage")).json()["data"][0]
        parts = gateway.parts
        _, key = await customer(parts.database, parts.settings, "Other")
        gateway.http.headers["authorization"] = f"Bearer {key.secret}"
        for query in ({}, {"before": mine["request_id"]}):
            assert (await gateway.http.get("/v1/usage", params=query)).json()["data"] == []

    @pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=5000", "before=x"])
    async def test_invalid_query_parameter_is_rejected_by_name(
        self, gateway: Gateway, query: str
    ) -> None:
        answer = await gateway.http.get(f"/v1/usage?{query}")
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, query.split("=")[0])


class TestOpenInferenceMetadata:
    async def test_health_readiness_and_metadata_are_available(self, gateway: Gateway) -> None:
        for path in ("/v2/health/live", "/v2/health/ready", f"/v2/models/{SPECIALIST}/ready"):
            assert (await gateway.http.get(path)).status_code == 200
        about = await gateway.http.get(f"/v2/models/{SPECIALIST}")
        assert about.json()["name"] == SPECIALIST

    @pytest.mark.parametrize("name", ["nope", CHAT])
    async def test_model_that_is_no_specialist_returns_404(
        self, gateway: Gateway, name: str
    ) -> None:
        answer = await gateway.http.get(f"/v2/models/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")


class TestOperatorEndpoints:
    async def test_health_endpoints_return_ok(self, gateway: Gateway) -> None:
        assert (await gateway.http.get("/health/live")).json() == {"status": "ok"}
        ready = await self._ready(gateway)
        assert ready.json() == {"status": "ok", "database": True, "models": True}

    async def test_readiness_is_503_when_no_model_is_reachable(
        self, database_url: str, tmp_path: Path
    ) -> None:
        configured = builders.settings(database_url, tmp_path, "http://127.0.0.1:9")
        async with builders.run_gateway(configured) as gateway:
            answer = await self._ready(gateway)
            alone = await gateway.http.get("/health/ready?models=false")
        assert (alone.status_code, alone.json()) == (200, {"status": "ok", "database": True})
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "database": True, "models": False}

    async def _ready(self, gateway: Gateway) -> httpx.Response:
        """The readiness response after the gateway's periodic check has read the database."""
        for _ in range(400):
            answer = await gateway.http.get("/health/ready")
            if answer.json()["database"]:
                break
            await asyncio.sleep(0.05)
        return answer

    async def test_metrics_count_calls_without_account_or_key_ids(self, gateway: Gateway) -> None:
        await gateway.chat("one two")
        text = (await gateway.http.get("/metrics")).text
        labels = f'model="{CHAT}",operation="chat",settlement="complete",status="200"'
        assert f"maas_calls_total{{{labels}}} 1.0" in text
        assert f'maas_spend_total{{currency="CNY",model="{CHAT}"}} 1.1e-05' in text
        for name in (gateway.account.id.hex, gateway.key.secret, gateway.key.row.id.hex):
            assert name not in text


class TestApiReference:
    async def test_openapi_describes_every_path_and_its_references_resolve(
        self, gateway: Gateway
    ) -> None:
        document = (await gateway.http.get("/openapi.json")).json()
        for path in (
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/embeddings",
            "/v1/predictions",
            "/v2/models/{name}/infer",
        ):
            assert "post" in document["paths"][path]
        for path in ("/v1/models", "/v1/usage", "/health/ready", "/metrics"):
            assert "get" in document["paths"][path]
        self._references_resolve(document)

    async def test_docs_page_loads_only_local_assets(self, gateway: Gateway) -> None:
        page = (await gateway.http.get("/docs")).text
        assert "https://" not in page.replace("https://json-schema.org", "")
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "swagger-ui-standalone-preset.js"):
            assert f"/docs/assets/{name}" in page
            assert (await gateway.http.get(f"/docs/assets/{name}")).status_code == 200

    def _references_resolve(self, document: dict[str, Any]) -> None:
        text = json.dumps(document)
        for part in text.split('"$ref": "')[1:]:
            node: Any = document
            for name in part.split('"')[0].removeprefix("#/").split("/"):
                node = node[name]


class TestLimitsEndpoint:
    async def test_new_account_is_limited_by_its_credit_limit(self, gateway: Gateway) -> None:
        limits = (await gateway.http.get("/v1/limits")).json()
        assert limits["object"] == "limits"
        assert limits["available"] == limits["account_available"]
        assert limits["available"]["limited_by"] == "credit_limit"
        assert limits["available"]["amount"] == limits["available"]["limit"]
        assert [one["kind"] for one in limits["limits"]] == ["credit"]

    async def test_smaller_key_budget_limits_the_available_amount(self, gateway: Gateway) -> None:
        parts = gateway.parts
        async with parts.database.transaction() as session:
            await set_budget(
                session, parts.clock, gateway.account.id, gateway.key.row.id, 2 * 10**9
            )
        limits = (await gateway.http.get("/v1/limits")).json()
        assert limits["available"] == {
            "amount": "2.000000000",
            "currency": "CNY",
            "limited_by": "key_budget",
            "limit": "2.000000000",
        }
        assert limits["account_available"]["limited_by"] == "credit_limit"
        assert [(one["kind"], one["name"]) for one in limits["limits"]] == [
            ("credit", None),
            ("budget", "test"),
        ]

    async def test_spend_cap_of_the_new_plan_applies_after_an_upgrade(
        self, gateway: Gateway
    ) -> None:
        capped = SMALL + 'spend_cap = "20.00"\n'
        raised = LARGE + 'spend_cap = "80.00"\n'
        await offer(gateway, capped, raised)
        for plan, cap in (("small", "20.000000000"), ("large", "80.000000000")):
            taken = (await choose(gateway, plan, key=plan)).json()
            limits = (await gateway.http.get("/v1/limits")).json()
            shown = (await gateway.http.get("/v1/subscription")).json()
            for available in (taken["available"], limits["available"], shown["available"]):
                assert (available["limited_by"], available["limit"]) == ("spend_cap", cap)
