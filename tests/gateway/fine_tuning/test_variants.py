"""Variants of specialists: calls by name and version, version choice, deletion, isolation."""

import asyncio
from typing import Any

import pytest
import tritonclient.http as triton
from openai import APIStatusError

from gateway.registry import variants
from tests.gateway.fine_tuning.variants import adapted, known, removed, version
from tests.support.builders import REMAINING_LIFE
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, another
from tests.support.gateway.errors import error_of
from tests.support.nightly import at_length, nightly


class TestVariantCalls:
    async def test_concurrent_calls_upload_the_variant_once(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        name = await adapted(customer)
        answers = await asyncio.gather(*(customer.predicts(name) for _ in range(5)))
        assert [answer.status_code for answer in answers] == [200] * 5
        assert answers[0].json()["model"] == name
        assert upstream.learner.puts == 1
        (given,) = upstream.learner.variants.values()
        assert (given["base"], given["name"], given["version"]) == (REMAINING_LIFE, name, "1")
        rows = await customer.gateway.rows(6)
        # Calls are billed as calls of the base model; the training row has the variant's tag too.
        assert {row["model"] for row in rows} == {REMAINING_LIFE}
        called = {"variant": name, "variant_version": "1"}
        assert [row["tags"] for row in rows] == [*([called] * 5), {"variant": name}]

    async def test_variant_is_uploaded_again_after_the_server_loses_it(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        name = await adapted(customer)
        await customer.predicts(name)
        upstream.learner.variants.clear()
        assert (await customer.predicts(name)).status_code == 200
        assert upstream.learner.puts == 2

    @pytest.mark.parametrize(("elsewhere", "status"), [(2, 200), (3, 503)])
    async def test_variant_is_uploaded_to_each_replica_behind_an_address(
        self, customer: Customer, upstream: FakeUpstream, elsewhere: int, status: int
    ) -> None:
        name = await adapted(customer)
        upstream.learner.elsewhere = elsewhere
        assert (await customer.predicts(name)).status_code == status
        assert upstream.learner.puts == 3

    async def test_metadata_is_returned_when_each_replica_has_the_variant(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        name = await adapted(customer)
        upstream.learner.elsewhere = 2
        headers = {"authorization": f"Bearer {customer.gateway.key.secret}"}
        answer = await customer.gateway.http.get(f"/v2/models/{name}", headers=headers)
        assert answer.status_code == 200
        assert upstream.learner.puts == 3

    async def test_variant_answers_open_inference_by_name_and_version(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        name = await adapted(customer)
        url, secret = customer.gateway.url, customer.gateway.key.secret
        headers = {"authorization": f"Bearer {secret}"}

        def ask() -> Any:
            server = triton.InferenceServerClient(url.removeprefix("http://"))
            assert server.is_model_ready(name, headers=headers)
            assert server.is_model_ready(name, "1", headers=headers)
            metadata = server.get_model_metadata(name, headers=headers)
            return metadata

        metadata = await asyncio.to_thread(ask)
        assert metadata["name"] == name
        tensor = {"name": "T24", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
        for path in (name, f"{name}/versions/1"):
            answer = await customer.gateway.http.post(
                f"/v2/models/{path}/infer", json={"inputs": [tensor]}
            )
            assert answer.status_code == 200
        answer = await customer.gateway.http.post(
            f"/v2/models/{name}/versions/7/infer", json={"inputs": [tensor]}
        )
        assert (answer.status_code, answer.json()["param"]) == (404, "version")

    async def test_variant_of_another_account_is_not_found(self, customer: Customer) -> None:
        name = await adapted(customer)
        async with another(customer.gateway) as openai:
            for call in (openai.models.retrieve, openai.models.delete):
                with pytest.raises(APIStatusError) as caught:
                    await call(name)
                assert caught.value.status_code == 404
            body = {"model": name, "instances": [{"T24": [1.0]}]}
            with pytest.raises(APIStatusError) as caught:
                await openai.post("/predictions", body=body, cast_to=object)
            assert caught.value.status_code == 404
            with pytest.raises(APIStatusError) as caught:
                await openai.put(f"/models/{name}/current", body={"version": 1}, cast_to=object)
            assert caught.value.status_code == 404


class TestVariantVersions:
    async def test_newest_version_is_current_until_another_is_chosen(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        name = await adapted(customer)
        await customer.adapts()
        await version(customer, name, 2)
        await customer.predicts(name)
        chosen = await customer.gateway.http.put(f"/v1/models/{name}/current", json={"version": 1})
        assert chosen.status_code == 200
        await version(customer, name, 1)
        await customer.predicts(name)
        assert [one["version"] for one in upstream.learner.variants.values()] == ["2", "1"]
        model: Any = await customer.openai.models.retrieve(name)
        assert model.versions == [1, 2]

    async def test_choosing_an_unknown_or_invalid_version_is_rejected(
        self, customer: Customer
    ) -> None:
        name = await adapted(customer)
        wanted: list[dict[str, Any]] = [{"version": 2}, {"version": 0}, {"version": "1"}, {}]
        for one in wanted:
            answer = await customer.gateway.http.put(f"/v1/models/{name}/current", json=one)
            assert answer.status_code in (400, 404), one
            assert error_of(answer)["param"] == "version", one

    @nightly
    async def test_oldest_versions_over_the_limit_are_deleted(
        self, customer: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        most = at_length(variants.MAX_VERSIONS, 2)
        monkeypatch.setattr(variants, "MAX_VERSIONS", most)
        for _ in range(most + 2):
            name = (await customer.adapts()).fine_tuned_model
        await version(customer, name, most + 2)
        model: Any = await customer.openai.models.retrieve(name)
        assert model.versions == list(range(3, most + 3))


class TestVariantDeletion:
    async def test_deleted_variant_is_not_found_and_version_numbers_continue(
        self, customer: Customer, upstream: FakeUpstream
    ) -> None:
        name = await adapted(customer)
        await customer.predicts(name)
        (variant,) = upstream.learner.variants
        assert (await customer.openai.models.delete(name)).deleted
        await removed(upstream, [f"/v2/models/{variant}"])
        await known(customer, name, there=False)
        answer = await customer.predicts(name)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "model_not_found")
        with pytest.raises(APIStatusError):
            await customer.openai.models.delete(name)
        # The next variant of that name continues the version numbers.
        await customer.adapts()
        await version(customer, name, 2)

    async def test_variant_is_deleted_when_no_model_server_answers(
        self, customer: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = await adapted(customer)
        router = customer.gateway.parts.router
        monkeypatch.setattr(router, "server_urls", lambda _: ("http://127.0.0.1:9",))
        assert (await customer.openai.models.delete(name)).deleted
        await known(customer, name, there=False)
