"""Usage and costs in OpenAI's response format, read with the official OpenAI client."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.admin.organization.usage_embeddings_response import (
    DataResultOrganizationUsageEmbeddingsResult,
)
from openai.types.admin.organization.usage_images_response import (
    DataResultOrganizationUsageImagesResult,
)

from infra import ids
from tests.support.billing.making import count_all_usage
from tests.support.builders import (
    CHAT,
    CONTROL_CHART,
    EMBEDDING,
    PICTURES,
    PLENTY,
    SPECIALIST,
    Gateway,
    Limited,
    customer,
)

DAY = 86_400
# The address, its query and the parameter that is invalid.
INVALID: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("usage/completions", {}, "start_time"),
    ("usage/completions", {"start_time": "x"}, "start_time"),
    ("usage/completions", {"start_time": -1}, "start_time"),
    ("usage/completions", {"start_time": 10**13}, "start_time"),
    ("usage/completions", {"start_time": 0, "end_time": 0}, "end_time"),
    ("usage/completions", {"start_time": 0, "bucket_width": "1m"}, "bucket_width"),
    ("usage/completions", {"start_time": 0, "limit": 32}, "limit"),
    ("usage/completions", {"start_time": 0, "page": "x"}, "page"),
    ("usage/completions", {"start_time": 0, "page": "page_x"}, "page"),
    ("usage/completions", {"start_time": 0, "group_by": "user_id"}, "group_by"),
    ("usage/completions", {"start_time": 0, "api_key_ids": "x"}, "api_key_ids"),
    ("usage/completions", {"start_time": 0, "user_ids[]": "x"}, "user_ids"),
    ("usage/embeddings", {}, "start_time"),
    ("usage/embeddings", {"start_time": 0, "bucket_width": "1m"}, "bucket_width"),
    ("usage/embeddings", {"start_time": 0, "group_by": "batch"}, "group_by"),
    ("usage/embeddings", {"start_time": 0, "models": "", "page": "page_x"}, "page"),
    ("usage/images", {}, "start_time"),
    ("usage/images", {"start_time": 0, "group_by": "size"}, "group_by"),
    ("usage/images", {"start_time": 0, "sources": "image.edit"}, "sources"),
    ("usage/images", {"start_time": 0, "sizes[]": "256x256"}, "sizes"),
    ("costs", {"start_time": 0, "bucket_width": "1h"}, "bucket_width"),
    ("costs", {"start_time": 0, "group_by[]": "model"}, "group_by"),
    ("costs", {"start_time": 0, "limit": 181}, "limit"),
)


@pytest.fixture
async def used(gateway: Gateway) -> Gateway:
    """Two chats with 1 and 2 input and 5 output tokens each, and one embedding of 3 tokens."""
    await gateway.chat("w")
    await gateway.chat("w w")
    body = {"model": EMBEDDING, "input": "a b c"}
    await gateway.http.post("/v1/embeddings", json=body)
    await count_all_usage(gateway.parts.database, gateway.parts.clock)
    return gateway


@pytest.fixture
async def client(used: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{used.url}/v1", api_key=used.key.secret, admin_api_key=used.key.secret
    ) as made:
        yield made


def today() -> int:
    return int(datetime.now(UTC).timestamp()) // DAY * DAY


async def asked(gateway: Gateway, what: str, **query: Any) -> Any:
    return (await gateway.http.get(f"/v1/organization/{what}", params=query)).json()


class TestOrganizationUsageWithOpenAiClient:
    async def test_completions_usage_is_bucketed_by_day(self, client: AsyncOpenAI) -> None:
        page = await client.admin.organization.usage.completions(start_time=today() - DAY)
        assert (page.object, page.has_more, page.next_page) == ("page", False, None)
        yesterday, bucket = page.data
        assert yesterday.results == []
        (result,) = bucket.results
        assert result.object == "organization.usage.completions.result"
        assert (result.input_tokens, result.output_tokens, result.num_model_requests) == (3, 10, 2)
        assert (result.model, result.api_key_id, result.project_id) == (None, None, None)

    async def test_completions_usage_is_grouped_by_model_and_key(
        self, client: AsyncOpenAI, used: Gateway
    ) -> None:
        page = await client.admin.organization.usage.completions(
            start_time=today(),
            bucket_width="1h",
            group_by=["model", "api_key_id", "project_id"],
            models=[CHAT],
            api_key_ids=[ids.format_id("key", used.key.row.id)],
        )
        results = [result for bucket in page.data for result in bucket.results]
        assert {result.model for result in results} == {CHAT}
        assert {result.api_key_id for result in results} == {ids.format_id("key", used.key.row.id)}
        assert {result.project_id for result in results} == {ids.format_id("proj", used.account.id)}
        assert sum(result.num_model_requests for result in results) == 2

    async def test_embeddings_usage_is_grouped_by_model_and_key(
        self, client: AsyncOpenAI, used: Gateway
    ) -> None:
        page = await client.admin.organization.usage.embeddings(
            start_time=today() - DAY, group_by=["model", "api_key_id", "project_id"]
        )
        assert (page.object, page.has_more, page.next_page) == ("page", False, None)
        yesterday, bucket = page.data
        assert yesterday.results == []
        (result,) = bucket.results
        assert isinstance(result, DataResultOrganizationUsageEmbeddingsResult)
        assert result.object == "organization.usage.embeddings.result"
        assert (result.input_tokens, result.num_model_requests) == (3, 1)
        assert (result.model, result.user_id) == (EMBEDDING, None)
        assert result.api_key_id == ids.format_id("key", used.key.row.id)
        assert result.project_id == ids.format_id("proj", used.account.id)

    async def test_embeddings_result_has_exactly_the_client_fields(self, used: Gateway) -> None:
        answer = await asked(used, "usage/embeddings", start_time=today(), bucket_width="1h")
        results = [one for bucket in answer["data"] for one in bucket["results"]]
        known = DataResultOrganizationUsageEmbeddingsResult.model_fields.keys()
        assert [set(one) for one in results] == [set(known)]
        assert len(answer["data"]) >= 1
        other = await asked(used, "usage/embeddings", start_time=today(), models=CHAT)
        assert other["data"][-1]["results"] == []

    async def test_embeddings_usage_is_paged(self, client: AsyncOpenAI) -> None:
        usage = client.admin.organization.usage
        start, end = today() - 2 * DAY, today() + DAY
        first = await usage.embeddings(start_time=start, end_time=end, limit=2)
        assert [len(bucket.results) for bucket in first.data] == [0, 0]
        assert first.next_page is not None
        rest = await usage.embeddings(start_time=start, end_time=end, limit=2, page=first.next_page)
        assert [len(bucket.results) for bucket in rest.data] == [1]
        assert (rest.has_more, rest.next_page) == (False, None)

    async def test_images_usage_counts_image_calls_only(self, limited: Limited) -> None:
        """Two calls with 3 and 2 images count; a chat and another specialist's rows do not."""
        async with limited(PLENTY, catalog=PICTURES) as gateway:
            for model, rows in ((SPECIALIST, 3), (SPECIALIST, 2), (CONTROL_CHART, 7)):
                body = {"model": model, "instances": [{"x": 1}] * rows}
                await gateway.http.post("/v1/predictions", json=body)
            await gateway.chat("w")
            await count_all_usage(gateway.parts.database, gateway.parts.clock)
            made = AsyncOpenAI(
                base_url=f"{gateway.url}/v1",
                api_key=gateway.key.secret,
                admin_api_key=gateway.key.secret,
            )
            async with made as client:
                usage = client.admin.organization.usage
                page = await usage.images(start_time=today() - DAY)
                grouped = await usage.images(start_time=today(), group_by=["model", "api_key_id"])
                answer = await asked(gateway, "usage/images", start_time=today())
        yesterday, bucket = page.data
        assert yesterday.results == []
        (result,) = bucket.results
        assert isinstance(result, DataResultOrganizationUsageImagesResult)
        assert (result.images, result.num_model_requests, result.model) == (5, 2, None)
        (one,) = grouped.data[-1].results
        assert isinstance(one, DataResultOrganizationUsageImagesResult)
        assert (one.images, one.model) == (5, SPECIALIST)
        assert one.api_key_id == ids.format_id("key", gateway.key.row.id)
        known = DataResultOrganizationUsageImagesResult.model_fields.keys()
        assert set(answer["data"][-1]["results"][0]) == set(known)

    async def test_costs_are_grouped_by_line_item(self, client: AsyncOpenAI) -> None:
        """Chats cost 3 x 500 + 10 x 2000 nano-yuan, the embedding 3 x 100."""
        page = await client.admin.organization.usage.costs(
            start_time=today(), group_by=["line_item"]
        )
        amounts = {result.line_item: result.amount for result in page.data[-1].results}
        assert {name: amount.value for name, amount in amounts.items()} == {
            CHAT: 0.0000215,
            EMBEDDING: 0.0000003,
        }
        assert {amount.currency for amount in amounts.values()} == {"cny"}

    async def test_costs_are_paged(self, client: AsyncOpenAI) -> None:
        start, end = today() - 4 * DAY, today()
        page = await client.admin.organization.usage.costs(start_time=start, end_time=end, limit=3)
        assert ([bucket.start_time for bucket in page.data], page.has_more) == (
            [start, start + DAY, start + 2 * DAY],
            True,
        )
        assert page.next_page is not None
        rest = await client.admin.organization.usage.costs(
            start_time=start, end_time=end, limit=3, page=page.next_page
        )
        assert [(one.start_time, one.end_time) for one in rest.data] == [(end - DAY, end)]
        assert (rest.has_more, rest.next_page) == (False, None)


class TestOrganizationUsageResponses:
    async def test_amounts_are_json_numbers_with_all_digits(self, used: Gateway) -> None:
        path = f"/v1/organization/costs?start_time={today()}"
        text = (await used.http.get(path)).text
        answer = json.loads(text, parse_float=Decimal)
        amount = answer["data"][-1]["results"][0]["amount"]
        assert amount == {"value": Decimal("0.000021800"), "currency": "cny"}
        assert '"value":0.000021800' in text

    async def test_group_by_accepts_names_with_and_without_brackets(self, used: Gateway) -> None:
        for name in ("group_by", "group_by[]"):
            query = {"start_time": today(), name: ["model", "api_key_id"]}
            results = (await asked(used, "usage/completions", **query))["data"][-1]["results"]
            assert [result["model"] for result in results] == [CHAT]

    async def test_as_of_is_the_time_up_to_which_usage_is_counted(self, used: Gateway) -> None:
        as_of = (await asked(used, "usage/completions", start_time=today()))["as_of"]
        assert abs(datetime.now(UTC) - datetime.fromtimestamp(as_of, UTC)) < timedelta(minutes=1)

    async def test_usage_of_an_unknown_project_is_empty(self, used: Gateway) -> None:
        query = {"start_time": today(), "project_ids": "acct_x"}
        answer = await asked(used, "usage/completions", **query)
        assert answer["data"][-1]["results"] == []

    async def test_usage_of_another_account_is_not_visible(self, used: Gateway) -> None:
        _, key = await customer(used.parts.database, used.parts.settings, "Other")
        used.http.headers["authorization"] = f"Bearer {key.secret}"
        for what in ("usage/completions", "usage/embeddings", "usage/images", "costs"):
            answer = await asked(used, what, start_time=today())
            assert answer["data"][-1]["results"] == []

    async def test_invalid_query_parameter_is_rejected_by_name(self, gateway: Gateway) -> None:
        for what, query, param in INVALID:
            answer = await gateway.http.get(f"/v1/organization/{what}", params=query)
            error = answer.json()["error"]
            found = (answer.status_code, error["code"], error["param"])
            assert found == (400, "invalid_value", param), (what, query)
