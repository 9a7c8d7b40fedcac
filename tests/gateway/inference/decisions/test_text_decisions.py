"""Questions that the language model answers: probabilities, usage, limits, refusals and errors."""

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from openai.types.decision import (
    AnswerAnswerResourceChoice,
    AnswerAnswerResourcePredicate,
    AnswerAnswerResourceRefusal,
    AnswerAnswerResourceScore,
)

from tests.gateway.inference.decisions.asking import (
    CHANCES,
    FAULT,
    LEAK,
    URGENCY,
    decide,
    fields,
    refused,
)
from tests.support import builders
from tests.support.builders import CHAT, PLENTY, Gateway, Limited, credit
from tests.support.fakes.first_tokens import choosing
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.asking import until
from tests.support.gateway.faults import nothing_is_held


@pytest.fixture(autouse=True)
def letters(upstream: FakeUpstream) -> None:
    """The model knows the answers, and prefers the letter A."""
    upstream.chances = choosing(CHANCES, {"A": 4.0})


class TestAnswers:
    async def test_each_type_has_the_shape_of_the_official_client(self, gateway: Gateway) -> None:
        decision = await decide(gateway, LEAK, FAULT, URGENCY)
        predicate, choice, score = decision.answers
        assert isinstance(predicate, AnswerAnswerResourcePredicate)
        assert predicate.name == "leak"
        assert predicate.probability == pytest.approx(0.9)
        assert isinstance(choice, AnswerAnswerResourceChoice)
        assert choice.choice == "leak"
        assert choice.confidence == pytest.approx(0.7)
        assert [one.value for one in choice.probabilities] == ["leak", "blockage"]
        assert isinstance(score, AnswerAnswerResourceScore)
        assert [(one.label, one.value) for one in score.probabilities] == [
            ("low", 1),
            ("medium", 2),
            ("high", 3),
        ]
        assert score.score == pytest.approx(2.6, abs=0.1)
        assert decision.model == CHAT

    async def test_answers_say_that_the_model_is_not_calibrated(self, gateway: Gateway) -> None:
        (answer,) = (await decide(gateway, LEAK)).answers
        assert fields(answer)["source"] == {
            "type": "language_model",
            "model": CHAT,
            "calibrated": False,
        }

    async def test_each_question_is_asked_in_both_orders(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        await decide(gateway, FAULT)
        first, second = (one["messages"][-1]["content"] for one in upstream.received)
        assert "A. leak\nB. blockage: no flow" in first
        assert "A. blockage: no flow\nB. leak" in second
        assert first.startswith("Input:\n\nOil at the seal of pump P-101.")
        assert upstream.received[0]["max_tokens"] == 1
        assert upstream.received[0]["top_logprobs"] == 20

    async def test_choices_beyond_the_letters_are_asked_in_rounds(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.chances = choosing({"part 130": 1.0})
        question = {**FAULT, "choices": [{"value": f"part {number}"} for number in range(255)]}
        (answer,) = (await decide(gateway, question)).answers
        assert isinstance(answer, AnswerAnswerResourceChoice)
        assert answer.choice == "part 130"
        assert sum(one.probability for one in answer.probabilities) == pytest.approx(1)
        assert len(upstream.received) == 2 * (13 + 1)

    async def test_boolean_and_text_of_the_same_name_are_different_choices(
        self, gateway: Gateway
    ) -> None:
        question = {**FAULT, "choices": [{"value": True}, {"value": False}]}
        (answer,) = (await decide(gateway, question)).answers
        assert isinstance(answer, AnswerAnswerResourceChoice)
        assert answer.choice is True


class TestUsage:
    async def test_one_row_has_the_tokens_of_all_prompts(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        async with builders.client(gateway.url, dict(gateway.http.headers)) as http:
            body = {"model": CHAT, "input": "a b", "questions": [LEAK, FAULT]}
            answer = await http.post("/v1/decisions", json=body)
        prompts = [one["messages"][-1]["content"] for one in upstream.received]
        row = await gateway.row()
        assert (row["operation"], row["model"], row["settlement"]) == (
            "decisions",
            CHAT,
            "complete",
        )
        assert row["input_tokens"] == sum(len(prompt.split()) for prompt in prompts)
        assert row["output_tokens"] == len(prompts) == 4
        assert answer.headers["x-maas-cost"] == row["cost"]
        usage = answer.json()["usage"]
        assert usage["total_tokens"] == row["input_tokens"] + row["output_tokens"]
        assert not (await gateway.reconciled()).differences

    async def test_many_questions_share_few_connections(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.delay_s = 0.002
        questions = [{**LEAK, "name": f"q{number}"} for number in range(400)]
        decision = await decide(gateway, *questions)
        assert [answer.name for answer in decision.answers] == [one["name"] for one in questions]
        assert upstream.most_running <= 8
        assert (await gateway.row())["output_tokens"] == 800

    async def test_repeated_idempotency_key_replays_the_answer(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        headers = {"idempotency-key": "once"}
        first = await decide(gateway, LEAK, extra_headers=headers)
        again = await decide(gateway, LEAK, extra_headers=headers)
        assert again == first
        assert len(upstream.received) == 2


class TestLimits:
    async def test_credit_covers_all_prompts_or_none_is_sent(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        async with limited(credit(1_000_000)) as gateway:
            error = await refused(gateway, *([LEAK] * 400))
        assert error.code == "credit_exhausted"
        assert upstream.received == []

    async def test_max_cost_below_the_worst_case_is_refused(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        error = await refused(gateway, LEAK, extra_headers={"x-max-cost": "0.000001"})
        assert error.code == "max_cost_exceeded"
        assert upstream.received == []

    async def test_counted_prompts_fit_a_max_cost_that_their_size_exceeds(
        self, limited: Limited, tmp_path: Any, upstream: FakeUpstream
    ) -> None:
        """Two prompts of some 60 words cost 60,000 nano-yuan, by their bytes five times that."""
        builders.word_tokenizer(tmp_path)
        async with limited(PLENTY) as gateway:
            await decide(gateway, LEAK, extra_headers={"x-max-cost": "0.00009"})
            row = await gateway.row()
        assert 0 < float(row["cost"]) <= 0.00009

    async def test_quote_bounds_the_cost_of_the_call(self, gateway: Gateway) -> None:
        body = {"model": CHAT, "input": "a b", "questions": [LEAK, FAULT]}
        quote = (await gateway.http.post("/v1/quote", json=body)).json()
        await gateway.http.post("/v1/decisions", json=body)
        cost = float((await gateway.row())["cost"])
        assert quote["endpoint"] == "/v1/decisions"
        assert 0 < cost <= float(quote["max_cost"])
        assert quote["max_output_tokens"] == 4


class TestRefusals:
    async def test_question_without_any_input_is_refused_by_itself(self, gateway: Gateway) -> None:
        own = [{"type": "input_text", "text": "Does it leak?"}, {"type": "input_json", "data": {}}]
        decision = await decide(gateway, LEAK, {**LEAK, "instructions": own}, input="  ")
        first, second = decision.answers
        assert isinstance(first, AnswerAnswerResourceRefusal)
        assert fields(first)["code"] == "context_missing"
        assert isinstance(second, AnswerAnswerResourcePredicate)

    async def test_question_with_an_image_is_refused_by_itself(self, gateway: Gateway) -> None:
        image = [{"type": "input_image", "image_url": "https://plant.example/a.png"}]
        decision = await decide(gateway, {**LEAK, "instructions": image}, FAULT)
        assert [answer.type for answer in decision.answers] == ["refusal", "choice"]
        assert decision.answers[0].name == "leak"

    async def test_model_that_answers_something_else_refuses(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.chances = lambda prompt: (
            {"Sorry": 0.99} if "pump leaks" in prompt else {"A": 0.6, "B": 0.4}
        )
        decision = await decide(gateway, LEAK, FAULT)
        assert [answer.type for answer in decision.answers] == ["refusal", "choice"]
        assert fields(decision.answers[0])["code"] == "no_option_chosen"
        assert (await gateway.row())["settlement"] == "complete"

    async def test_question_that_the_engine_rejects_is_refused_by_itself(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.does = ["", "", "too-long"]
        decision = await decide(gateway, FAULT, LEAK)
        assert [answer.type for answer in decision.answers] == ["choice", "refusal"]
        assert fields(decision.answers[1])["code"] == "context_length_exceeded"


class TestFailures:
    @pytest.mark.parametrize(
        ("does", "code"),
        [
            ("fault", "model_failed"),
            ("rubbish", "model_failed"),
            ("no-usage", "model_failed"),
            ("too-long", "context_length_exceeded"),
        ],
    )
    async def test_failure_of_the_model_bills_nothing(
        self, gateway: Gateway, upstream: FakeUpstream, does: str, code: str
    ) -> None:
        upstream.does = [does] * 2
        error = await refused(gateway, LEAK)
        assert error.code == code
        row = await gateway.row()
        assert float(row["cost"]) == 0
        await nothing_is_held(gateway)

    async def test_late_failure_bills_none_of_the_answered_questions(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.does = ["", "", "", "fault", "fault"]
        error = await refused(gateway, LEAK, FAULT)
        assert error.code == "model_failed"
        row = await gateway.row()
        assert (row["settlement"], float(row["cost"])) == ("platform_fault", 0)
        await nothing_is_held(gateway)

    async def test_server_without_log_probabilities_is_a_platform_fault(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.chances = lambda _: {}
        error = await refused(gateway, LEAK)
        assert (error.status_code, error.code) == (502, "model_failed")

    async def test_client_that_leaves_ends_all_requests(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.delay_s = 30
        body = {"model": CHAT, "input": "a", "questions": [LEAK]}
        with contextlib.suppress(httpx.TimeoutException):
            await gateway.http.post("/v1/decisions", json=body, timeout=0.2)
        await until(lambda: upstream.cancelled == 1)
        row = await gateway.row()
        assert (row["settlement"], float(row["cost"])) == ("client_abort", 0)

    async def test_engine_that_hangs_ends_with_a_timeout(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        upstream.delay_s = 30
        async with limited(PLENTY, first_byte_timeout_s=0.1) as gateway:
            error = await refused(gateway, LEAK)
        assert error.code == "model_timeout"

    async def test_concurrent_decisions_are_all_answered(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        decisions = await asyncio.gather(*(decide(gateway, LEAK, FAULT) for _ in range(6)))
        assert all(len(decision.answers) == 2 for decision in decisions)
        rows = await gateway.rows(6)
        assert len({row["cost"] for row in rows}) == 1


class TestValidation:
    @pytest.mark.parametrize(
        ("values", "param"),
        [
            ({"questions": []}, "questions"),
            ({"questions": [LEAK] * 401}, "questions"),
            ({"questions": [{**FAULT, "choices": [{"value": "a"}]}]}, "questions[0].choices"),
            ({"questions": [{**FAULT, "choices": [{"value": "a"}] * 2}]}, "questions[0].choices"),
            ({"questions": [{**URGENCY, "levels": [{"label": "a"}] * 2}]}, "questions[0].levels"),
            ({"questions": [{**LEAK, "why": 1}]}, "questions[0].why"),
            ({"questions": [{**LEAK, "instructions": ""}]}, "questions[0].instructions"),
            ({"questions": [{**LEAK, "type": "essay"}]}, "questions[0].type"),
            ({"input": []}, "input"),
            ({"input": [{"role": "user"}]}, "input[0].content"),
            (
                {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]},
                "input[0].call_id",
            ),
            (
                {
                    "input": [
                        {"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}
                    ]
                },
                "input[0].content[0]",
            ),
            ({"stream": True}, "stream"),
        ],
    )
    async def test_invalid_request_names_its_field(
        self, gateway: Gateway, upstream: FakeUpstream, values: Any, param: str
    ) -> None:
        body = {"model": CHAT, "input": "a", "questions": [LEAK], **values}
        answer = await gateway.http.post("/v1/decisions", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        assert upstream.received == []

    async def test_conversation_with_tools_is_shown_as_one_text(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        call = {"type": "function_call", "call_id": "c", "name": "read", "arguments": "{}"}
        output = {"type": "function_call_output", "call_id": "c", "output": "7.1 mm/s"}
        said = {"role": "assistant", "content": [{"type": "output_text", "text": "Checking."}]}
        asked = {"role": "user", "content": [{"type": "input_json", "data": {"pump": 1}}]}
        await decide(gateway, LEAK, input=[asked, said, call, output])
        prompt = upstream.received[0]["messages"][-1]["content"]
        assert '[user]\n{"pump":1}\n\n[assistant]\nChecking.' in prompt
        assert "[call of read]\n{}\n\n[result of read]\n7.1 mm/s" in prompt

    async def test_endpoint_of_embedding_models_is_another(self, gateway: Gateway) -> None:
        error = await refused(gateway, LEAK, model=builders.EMBEDDING)
        assert error.code == "model_not_supported"
