"""Variants of language models: training, calls by name, uploads, versions, isolation."""

import asyncio
from typing import Any

import pytest
from openai import APIStatusError

from tests.gateway.fine_tuning.variants import adapted, known, removed, version
from tests.support.builders import CHAT, word_tokenizer
from tests.support.fakes.learner import SECONDS
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Talker, another, code_of
from tests.support.gateway.dialogues import INDUSTRY, SECOND


async def streamed(talker: Talker, name: str) -> list[Any]:
    chunks = await talker.says(name, stream=True, stream_options={"include_usage": True})
    return [chunk async for chunk in chunks]


class TestLanguageModelTraining:
    async def test_training_creates_a_named_model_billed_by_the_second(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        job = await talker.adapts()
        assert (job.status, job.error) == ("succeeded", None)
        assert job.fine_tuned_model == f"ft:{INDUSTRY}:{job.organization_id}:line-3"
        assert upstream.learner.files == [talker.content("8")]
        events = await talker.openai.fine_tuning.jobs.list_events(job.id)
        assert events.data[0].message == f"Version 1 of {job.fine_tuned_model} is ready for calls."
        row = await talker.gateway.row()
        assert (row["model"], row["operation"]) == (INDUSTRY, "adaptation")
        assert row["cost"] == f"{SECONDS * SECOND / 1e9:.9f}"

    async def test_training_cancelled_midway_is_not_charged(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        job = await talker.asks("hang")
        await upstream.learner.learning.wait()
        assert (await talker.openai.fine_tuning.jobs.cancel(job.id)).status == "cancelled"
        row = await talker.gateway.row()
        assert (row["settlement"], row["cost"]) == ("refused", "0.000000000")
        assert upstream.learner.cancelled == 1
        assert INDUSTRY in {model.id for model in (await talker.openai.models.list()).data}


class TestLanguageVariantCalls:
    async def test_plain_and_streamed_calls_return_the_variant_name(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        name = await adapted(talker)
        answer = await talker.says(name)
        assert (answer.model, answer.usage.completion_tokens) == (name, 5)
        chunks = await streamed(talker, name)
        assert {chunk.model for chunk in chunks if chunk.choices} == {name}
        assert chunks[-1].usage.completion_tokens == 5
        (variant,) = upstream.learner.variants
        assert {asked["model"] for asked in upstream.received} == {f"{CHAT}:{variant}"}

    async def test_usage_rows_have_the_base_model_and_a_variant_tag(self, talker: Talker) -> None:
        name = await adapted(talker)
        await talker.says(name)
        await streamed(talker, name)
        rows = await talker.gateway.rows(3)
        assert {row["model"] for row in rows} == {INDUSTRY}
        called = {"variant": name, "variant_version": "1"}
        assert [row["tags"] for row in rows] == [called, called, {"variant": name}]
        assert [row["streamed"] for row in rows] == [True, False, False]

    async def test_concurrent_calls_upload_the_adapter_once(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        name = await adapted(talker)
        answers = await asyncio.gather(
            *(talker.says(name) for _ in range(4)), *(streamed(talker, name) for _ in range(4))
        )
        assert len(answers) == 8
        assert upstream.learner.puts == 1
        (given,) = upstream.learner.variants.values()
        assert (given["base"], given["name"], given["version"]) == (INDUSTRY, name, "1")

    async def test_adapter_is_uploaded_again_after_the_server_loses_it(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        name = await adapted(talker)
        await talker.says(name)
        upstream.learner.variants.clear()
        chunks = await streamed(talker, name)
        assert chunks[-1].usage.completion_tokens == 5
        assert upstream.learner.puts == 2

    async def test_call_without_adapter_capacity_returns_503_unbilled(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        name = await adapted(talker)
        upstream.learner.full = True
        with pytest.raises(APIStatusError) as caught:
            await talker.says(name)
        assert (caught.value.status_code, code_of(caught.value)) == (503, "service_unavailable")
        upstream.learner.full = False
        assert (await talker.says(name)).model == name
        rows = await talker.gateway.rows(3)
        assert [row["settlement"] for row in rows] == ["complete", "platform_fault", "complete"]

    async def test_variant_of_another_account_is_not_found(self, talker: Talker) -> None:
        name = await adapted(talker)
        async with another(talker.gateway) as openai:
            with pytest.raises(APIStatusError) as caught:
                await Talker(talker.gateway, openai).says(name)
            assert (caught.value.status_code, code_of(caught.value)) == (404, "model_not_found")
            with pytest.raises(APIStatusError) as caught:
                await openai.models.retrieve(name)
            assert caught.value.status_code == 404

    async def test_predictions_call_of_a_language_variant_is_rejected(self, talker: Talker) -> None:
        name = await adapted(talker)
        answer = await talker.predicts(name)
        assert answer.json()["error"]["code"] == "model_not_supported"


class TestLanguageVariantVersions:
    async def test_newest_version_is_current_until_another_is_chosen(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        name = await adapted(talker)
        await talker.adapts()
        await version(talker, name, 2)
        await talker.says(name)
        await talker.gateway.http.put(f"/v1/models/{name}/current", json={"version": 1})
        await version(talker, name, 1)
        await talker.says(name)
        assert [one["version"] for one in upstream.learner.variants.values()] == ["2", "1"]

    async def test_deleted_variant_is_not_found(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        name = await adapted(talker)
        await talker.says(name)
        (variant,) = upstream.learner.variants
        assert (await talker.openai.models.delete(name)).deleted
        await removed(upstream, [f"/v2/adapters/{variant}"])
        await known(talker, name, there=False)
        with pytest.raises(APIStatusError) as caught:
            await talker.says(name)
        assert (caught.value.status_code, code_of(caught.value)) == (404, "model_not_found")


class TestLanguageVariantTokenCount:
    async def test_quote_counts_tokens_with_the_base_model_tokenizer(self, talker: Talker) -> None:
        word_tokenizer(talker.gateway.parts.settings.data_dir)
        name = await adapted(talker)
        message = {"role": "user", "content": "pump three leaks"}
        body = {"model": name, "messages": [message], "max_tokens": 5}
        quote = (await talker.gateway.http.post("/v1/quote", json=body)).json()
        assert (quote["model"], quote["input_tokens_are"]) == (INDUSTRY, "counted")
        assert quote["input_tokens"] == 3
        assert (await talker.says(name, "pump three leaks")).usage.prompt_tokens == 3
