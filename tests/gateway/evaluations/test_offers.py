"""Validation and quotes of evaluation runs before anything is billed."""

from typing import Any

import pytest

from tests.support.builders import CHAT, INDUSTRIAL, SPECIALIST
from tests.support.gateway.errors import error_of
from tests.support.gateway.evaluator import QUESTIONS, Evaluator


class TestQuote:
    async def test_quote_is_the_sum_of_the_calls_quotes(self, evaluator: Evaluator) -> None:
        body = {"model": CHAT, "file": await evaluator.upload(), "max_tokens": 8}
        quote = (await evaluator.post("/quote", **body, against=INDUSTRIAL)).json()
        calls = [
            (
                await evaluator.gateway.http.post(
                    "/v1/quote",
                    json={
                        "model": model,
                        "messages": [{"role": "user", "content": one["question"]}],
                        "max_tokens": 8,
                        "temperature": 0,
                    },
                )
            ).json()
            for model in (CHAT, INDUSTRIAL)
            for one in QUESTIONS
        ]
        assert float(quote["max_cost"]) == pytest.approx(
            sum(float(call["max_cost"]) for call in calls)
        )
        assert [one["model"] for one in quote["models"]] == [CHAT, INDUSTRIAL]
        assert (quote["questions"], quote["covered"]) == (3, True)
        assert evaluator.upstream.received == []

    async def test_limit_below_the_quote_is_reported(self, evaluator: Evaluator) -> None:
        body = {"model": CHAT, "file": await evaluator.upload(), "max_tokens": 8}
        each = float((await evaluator.post("/quote", **body)).json()["max_cost"]) / 3
        quote = (await evaluator.post("/quote", **body, max_cost=f"{each * 2:.9f}")).json()
        assert quote["covered"] is False
        refused = await evaluator.post("/quote", **body, max_cost="0.000000001")
        error = error_of(refused)
        assert (refused.status_code, error["code"], error["param"]) == (
            400,
            "max_cost_exceeded",
            "max_cost",
        )


class TestRejectedRuns:
    @pytest.mark.parametrize(
        ("fields", "status", "code", "param"),
        [
            ({"model": "nothing"}, 404, "model_not_found", "model"),
            ({"model": SPECIALIST}, 400, "model_not_supported", "model"),
            ({"against": "nothing"}, 404, "model_not_found", "against"),
            ({"against": CHAT}, 400, "invalid_value", "against"),
            ({"file": "file_1"}, 404, "file_not_found", "file"),
            ({"max_tokens": 0}, 400, "invalid_value", "max_tokens"),
            ({"max_cost": "much"}, 400, "invalid_value", "max_cost"),
            ({"max_cost": "0"}, 400, "invalid_value", "max_cost"),
            ({"name": "a\nb"}, 400, "invalid_value", "name"),
            ({"scoring": "guess"}, 400, "invalid_value", "scoring"),
            ({"temperature": 1}, 400, "invalid_value", "temperature"),
        ],
    )
    async def test_invalid_field_is_named(
        self, evaluator: Evaluator, fields: dict[str, Any], status: int, code: str, param: str
    ) -> None:
        body = {"model": CHAT, "file": await evaluator.upload(), **fields}
        for path in ("", "/quote"):
            answer = await evaluator.post(path, **body)
            error = error_of(answer)
            assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
        assert evaluator.upstream.received == []

    async def test_invalid_file_is_rejected_with_all_problems(self, evaluator: Evaluator) -> None:
        file = await evaluator.upload([{"question": "x"}, {"question": "", "expected": "a"}])
        answer = await evaluator.post(model=CHAT, file=file)
        error = error_of(answer)
        assert (answer.status_code, error["code"], error["param"]) == (
            400,
            "invalid_question_file",
            "file",
        )
        assert [(one["line"], one["code"]) for one in error["problems"]] == [
            (1, "expected_answer"),
            (2, "empty_text"),
        ]

    async def test_file_of_another_purpose_is_rejected(self, evaluator: Evaluator) -> None:
        file = await evaluator.upload(purpose="fine-tune")
        error = error_of(await evaluator.post(model=CHAT, file=file))
        assert (error["code"], error["param"]) == ("invalid_value", "file")

    async def test_unknown_vector_store_is_named_with_its_line(self, evaluator: Evaluator) -> None:
        question = {**QUESTIONS[0], "vector_store_ids": ["vs_" + "0" * 32]}
        file = await evaluator.upload([QUESTIONS[1], question])
        error = error_of(await evaluator.post(model=CHAT, file=file))
        assert error["code"] == "invalid_question_file"
        (problem,) = error["problems"]
        assert (problem["line"], problem["code"]) == (2, "vector_store_not_found")

    async def test_too_many_open_runs_are_rejected(self, evaluator: Evaluator) -> None:
        await evaluator.gateway.parts.evaluation_runner.stop()
        file = await evaluator.upload()
        answers = [await evaluator.post(model=CHAT, file=file) for _ in range(6)]
        assert [one.status_code for one in answers] == [200] * 5 + [429]
        assert error_of(answers[-1])["code"] == "too_many_evaluation_runs"
