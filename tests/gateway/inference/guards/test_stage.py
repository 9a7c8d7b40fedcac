"""Guards of accounts in metered calls: refused and masked input, checked answers and streams."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError

from gateway.identity.audit_log import CLI_ACTOR
from gateway.registry.guards import remove_policy
from tests.gateway.inference.stream_events import events
from tests.support.builders import CHAT, EMBEDDING, Gateway, customer
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.checking import set_guard
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held
from tests.support.openai_client import openai_client

MOBILE = "13812345678"
PHONES: dict[str, Any] = {"kind": "personal_data", "action": "mask", "applies_to": "both",
                          "categories": ["phone"]}  # fmt: skip
FALCON: dict[str, Any] = {"kind": "words", "action": "refuse", "applies_to": "both",
                          "words": ["falcon", "猎鹰"]}  # fmt: skip


@pytest.fixture
async def guarded(gateway: Gateway) -> Gateway:
    """A gateway whose account refuses a word and masks phone numbers, in both directions."""
    await set_guard(gateway, FALCON, PHONES)
    return gateway


@pytest.fixture
async def openai(guarded: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with openai_client(guarded) as client:
        yield client


def prompt(text: str) -> Any:
    return [{"role": "user", "content": text}]


class TestInput:
    async def test_refused_input_costs_nothing_and_is_not_sent(
        self, guarded: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await guarded.chat("introduce 猎鹰 to me")
        error = error_of(answer)
        assert (answer.status_code, error["code"], error["param"]) == (
            400, "content_filter", "messages"
        )  # fmt: skip
        assert "猎鹰" not in answer.text
        row = await guarded.row()
        assert (row["status"], row["error_code"], row["cost"]) == (
            400,
            "content_filter",
            "0.000000000",
        )
        assert upstream.received == []
        await nothing_is_held(guarded)

    async def test_masked_input_is_what_is_sent(
        self, guarded: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await guarded.chat(f"call {MOBILE} now")
        assert (answer.status_code, answer.headers["x-maas-guard"]) == (200, "input-masked")
        assert upstream.received[0]["messages"] == prompt("call <PHONE> now")

    async def test_openai_client_reports_the_refusal(self, openai: AsyncOpenAI) -> None:
        with pytest.raises(BadRequestError) as raised:
            await openai.embeddings.create(model=EMBEDDING, input=["fine", "the falcon"])
        assert raised.value.code == "content_filter"
        with pytest.raises(BadRequestError) as raised:
            await openai.responses.create(model=CHAT, input="the falcon")
        assert raised.value.code == "content_filter"

    async def test_texts_of_embeddings_and_prompts_are_masked(
        self, guarded: Gateway, openai: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        await openai.embeddings.create(model=EMBEDDING, input=[f"call {MOBILE}"])
        await openai.completions.create(model=CHAT, prompt=f"call {MOBILE}", max_tokens=2)
        assert upstream.received[0]["input"] == ["call <PHONE>"]
        assert upstream.received[1]["prompt"] == "call <PHONE>"

    async def test_decision_about_a_refused_text_is_refused(
        self, guarded: Gateway, upstream: FakeUpstream
    ) -> None:
        question = {"type": "predicate", "instructions": "It flies."}
        item = {"role": "user", "content": [{"type": "input_text", "text": "A falcon."}]}
        body = {"model": CHAT, "input": [item], "questions": [question]}
        answer = await guarded.http.post("/v1/decisions", json=body)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "content_filter")
        assert upstream.received == []

    async def test_anthropic_error_has_its_shape(self, guarded: Gateway) -> None:
        body = {"model": CHAT, "max_tokens": 5, "messages": prompt("hi"), "system": "a falcon"}
        answer = await guarded.http.post("/v1/messages", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"

    async def test_guard_of_one_account_leaves_another_alone(
        self, guarded: Gateway, upstream: FakeUpstream
    ) -> None:
        settings = guarded.parts.settings
        _, key = await customer(guarded.parts.database, settings, name="Other")
        headers = {"authorization": f"Bearer {key.secret}"}
        body = {"model": CHAT, "max_tokens": 5, "messages": prompt(f"falcon {MOBILE}")}
        answer = await guarded.http.post("/v1/chat/completions", json=body, headers=headers)
        assert (answer.status_code, "x-maas-guard" in answer.headers) == (200, False)
        assert upstream.received[0]["messages"] == body["messages"]

    async def test_removed_guard_checks_nothing(
        self, guarded: Gateway, upstream: FakeUpstream
    ) -> None:
        async with guarded.parts.database.transaction() as session:
            await remove_policy(session, guarded.parts.clock, CLI_ACTOR, guarded.account.id)
        await guarded.caught_up()
        assert (await guarded.chat("the falcon")).status_code == 200


class TestAnswer:
    async def test_refused_answer_is_billed_and_has_no_text(
        self, guarded: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.says = "This is the falcon."
        answer = await guarded.chat("one two", max_tokens=40)
        (choice,) = answer.json()["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")
        row = await guarded.row()
        assert (row["settlement"], row["error_code"]) == ("complete", "content_filter")
        assert row["output_tokens"] == answer.json()["usage"]["completion_tokens"] > 0
        assert row["cost"] == answer.headers["x-maas-cost"]

    async def test_masked_answer(self, guarded: Gateway, upstream: FakeUpstream) -> None:
        upstream.says = f"Call {MOBILE}."
        answer = await guarded.chat("one two", max_tokens=40)
        assert answer.json()["choices"][0]["message"]["content"] == "Call <PHONE>."
        assert (await guarded.row())["error_code"] is None

    async def test_refused_stream_ends_with_usage_and_cost(
        self, guarded: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.says = "It is an owl. It is a falcon. It flies."
        options = {"stream": True, "stream_options": {"include_usage": True}}
        *chunks, total, done = events(await guarded.chat("one two", max_tokens=60, **options))
        text = "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks)
        assert text.strip() == "It is an owl."
        assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"
        assert done == "[DONE]"
        row = await guarded.row()
        assert (row["settlement"], row["error_code"]) == ("complete", "content_filter")
        assert row["output_tokens"] == total["usage"]["completion_tokens"]
        assert row["cost"] == total["x_maas_cost"]

    async def test_masked_stream_is_the_masked_answer(
        self, guarded: Gateway, openai: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = f"Call {MOBILE} today. Then wait."
        stream = await openai.chat.completions.create(
            model=CHAT, messages=prompt("one"), max_tokens=60, stream=True
        )
        chunks = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text.strip() == "Call <PHONE> today. Then wait."
        assert chunks[-1].choices[0].finish_reason == "stop"

    async def test_refused_response_is_incomplete(
        self, openai: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "This is the falcon."
        response = await openai.responses.create(model=CHAT, input="one", max_output_tokens=40)
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "content_filter"
        assert response.output_text == ""

    async def test_response_stream_has_the_checked_sentences(
        self, openai: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "It is an owl. It is a falcon. It flies."
        stream = await openai.responses.create(
            model=CHAT, input="one", max_output_tokens=60, stream=True
        )
        seen = [event async for event in stream]
        text = "".join(one.delta for one in seen if one.type == "response.output_text.delta")
        assert text.strip() == "It is an owl."
        assert seen[-1].type == "response.incomplete"

    @pytest.mark.parametrize("streamed", [False, True])
    async def test_message_ends_with_a_refusal(
        self, guarded: Gateway, upstream: FakeUpstream, streamed: bool
    ) -> None:
        upstream.says = "This is the falcon."
        body = {"model": CHAT, "max_tokens": 40, "messages": prompt("one"), "stream": streamed}
        answer = await guarded.http.post("/v1/messages", json=body)
        assert answer.status_code == 200
        assert '"stop_reason":"refusal"' in answer.text.replace(" ", "")
        assert "falcon" not in answer.text

    async def test_guard_for_input_leaves_answers_alone(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        await set_guard(gateway, {**FALCON, "applies_to": "input"})
        upstream.says = "This is the falcon."
        answer = await gateway.chat("one", max_tokens=40)
        assert "falcon" in answer.json()["choices"][0]["message"]["content"]

    async def test_actions_are_counted_by_rule_and_direction(
        self, guarded: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.says = f"Call {MOBILE}."
        await guarded.chat("one", max_tokens=40)
        await guarded.chat("falcon")
        metrics = (await guarded.http.get("/metrics")).text
        name = "maas_guard_actions_total"
        assert f'{name}{{action="mask",direction="output",rule="personal_data"}}' in metrics
        assert f'{name}{{action="refuse",direction="input",rule="words"}}' in metrics
