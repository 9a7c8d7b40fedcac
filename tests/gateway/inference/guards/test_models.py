"""Guard models: asked before and after calls, each question with its own row and price."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.gateway.inference.stream_events import events
from tests.support.builders import CHAT, EMBEDDING, PLENTY, Gateway, Limited
from tests.support.fakes.guard_model import FakeGuardModel, run_fake_guard_model
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.checking import set_guard
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held
from tests.support.gateway.moderating import GUARD, MODERATOR, QWEN_GUARD, moderating

RULE: dict[str, Any] = {"kind": "model", "model": GUARD, "action": "refuse", "applies_to": "both"}
PRICE_OF_A_QUESTION = 206_000


@pytest.fixture
async def safety() -> AsyncIterator[FakeGuardModel]:
    async with run_fake_guard_model() as fake:
        yield fake


@pytest.fixture
async def asked(
    limited: Limited, safety: FakeGuardModel, upstream: FakeUpstream
) -> AsyncIterator[Gateway]:
    upstream.listed = [CHAT, EMBEDDING]  # own servers do not have the guard models
    async with limited(PLENTY, catalog=moderating(safety.url)) as gateway:
        await set_guard(gateway, RULE)
        yield gateway


def nano(text: str) -> int:
    return round(float(text) * 1e9)


async def test_questions_are_linked_calls_in_the_cost_of_the_call(
    asked: Gateway, safety: FakeGuardModel, upstream: FakeUpstream
) -> None:
    upstream.says = "It is a seal."
    answer = await asked.chat("what is it", max_tokens=20)
    assert answer.status_code == 200
    assert safety.texts == ["what is it", "It is a seal."]
    assert safety.received[1]["messages"][0] == {"role": "user", "content": "what is it"}
    rows = await asked.rows(3)
    parent = next(row for row in rows if row["operation"] == "chat")
    questions = [row for row in rows if row["operation"] == "moderation"]
    assert [nano(row["cost"]) for row in questions] == [PRICE_OF_A_QUESTION] * 2
    assert {row["parent_id"] for row in questions} == {parent["request_id"]}
    total = sum(nano(row["cost"]) for row in rows)
    assert nano(answer.headers["x-maas-cost"]) == total
    await nothing_is_held(asked)


async def test_refused_request_pays_the_question_only(
    asked: Gateway, upstream: FakeUpstream
) -> None:
    answer = await asked.chat("build a bomb")
    assert (answer.status_code, error_of(answer)["code"]) == (400, "content_filter")
    assert upstream.received == []
    rows = await asked.rows(2)
    costs = {row["operation"]: nano(row["cost"]) for row in rows}
    assert costs == {"chat": 0, "moderation": PRICE_OF_A_QUESTION}
    await nothing_is_held(asked)


async def test_refused_answer_has_no_text(asked: Gateway, upstream: FakeUpstream) -> None:
    upstream.says = "You want a bomb."
    answer = await asked.chat("hi", max_tokens=20)
    (choice,) = answer.json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")


@pytest.mark.parametrize("says", ["It is a seal. It leaks.", "It is a seal. It is a bomb."])
async def test_stream_is_sent_once_its_answer_is_checked(
    asked: Gateway, upstream: FakeUpstream, says: str
) -> None:
    upstream.says = says
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, total, done = events(await asked.chat("hi", max_tokens=60, **options))
    text = "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks)
    is_refused = "bomb" in says
    assert text.strip() == ("" if is_refused else says)
    assert chunks[-1]["choices"][0]["finish_reason"] == ("content_filter" if is_refused else "stop")
    assert (done, nano(total["x_maas_cost"]) > 2 * PRICE_OF_A_QUESTION) == ("[DONE]", True)


@pytest.mark.parametrize("streamed", [False, True])
async def test_refused_answer_of_a_response_and_of_a_message(
    asked: Gateway, upstream: FakeUpstream, streamed: bool
) -> None:
    upstream.says = "You want a bomb."
    body = {"model": CHAT, "input": "hi", "max_output_tokens": 40, "stream": streamed}
    response = await asked.http.post("/v1/responses", json=body)
    assert '"reason":"content_filter"' in response.text.replace(" ", "")
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": CHAT, "max_tokens": 40, "messages": messages, "stream": streamed}
    message = await asked.http.post("/v1/messages", json=body)
    assert '"stop_reason":"refusal"' in message.text.replace(" ", "")
    assert "bomb" not in response.text + message.text


async def test_texts_of_embeddings_are_checked_before_they_are_sent(
    asked: Gateway, upstream: FakeUpstream
) -> None:
    body = {"model": EMBEDDING, "input": ["a bomb"]}
    assert (await asked.http.post("/v1/embeddings", json=body)).status_code == 400
    assert upstream.received == []


@pytest.mark.parametrize(("on_failure", "status"), [("allow", 200), ("refuse", 502)])
async def test_rule_decides_about_a_text_whose_check_failed(
    asked: Gateway, safety: FakeGuardModel, on_failure: str, status: int
) -> None:
    safety.says = "perhaps"
    await set_guard(asked, {**RULE, "applies_to": "input", "on_failure": on_failure})
    assert (await asked.chat("hi")).status_code == status
    questions = [row for row in await asked.rows(2) if row["operation"] == "moderation"]
    assert [nano(row["cost"]) for row in questions] == [0]


@pytest.mark.parametrize(
    ("text", "on_controversial", "status"),
    [
        ("a seal", "refuse", 200),
        ("a bomb", "allow", 400),
        ("an insult", "refuse", 400),
        ("an insult", "allow", 200),
    ],
)
async def test_rule_decides_about_a_text_that_qwen_guard_calls_controversial(
    asked: Gateway, safety: FakeGuardModel, text: str, on_controversial: str, status: int
) -> None:
    rule = {**RULE, "model": QWEN_GUARD, "on_controversial": on_controversial}
    await set_guard(asked, rule)
    assert (await asked.chat(text)).status_code == status
    assert safety.texts[0] == text
    assert len(safety.texts) == (2 if status == 200 else 1)


async def test_model_that_does_not_answer_is_left_after_its_time(
    asked: Gateway, safety: FakeGuardModel
) -> None:
    safety.hangs = True
    await set_guard(asked, {**RULE, "applies_to": "input", "timeout_ms": 100})
    async with asyncio.timeout(30):
        answer = await asked.chat("hi")
    assert answer.status_code == 504
    await nothing_is_held(asked)


async def test_moderation_model_is_asked_about_all_parts_at_once(
    asked: Gateway, safety: FakeGuardModel
) -> None:
    await set_guard(asked, {**RULE, "model": MODERATOR, "applies_to": "input"})
    assert (await asked.chat("word " * 2_000)).status_code == 200
    (question,) = safety.received
    assert "".join(question["input"]) == "word " * 2_000
    assert len(question["input"]) > 1


async def test_questions_count_for_the_highest_cost(
    asked: Gateway, safety: FakeGuardModel, upstream: FakeUpstream
) -> None:
    message = {"role": "user", "content": "hi"}
    body = {"model": CHAT, "messages": [message], "max_tokens": 5}
    headers = {"X-Max-Cost": "0.001"}
    answer = await asked.http.post("/v1/chat/completions", json=body, headers=headers)
    assert error_of(answer)["code"] == "max_cost_exceeded"
    assert (safety.received, upstream.received) == ([], [])
    await nothing_is_held(asked)
