"""Questions that specialists answer from readings: linked calls, rows, refusals, `auto`."""

from typing import Any

import pytest
from openai.types.decision import AnswerAnswerResourceChoice, AnswerAnswerResourcePredicate

from gateway.inference.endpoints.predictions import EXAMPLE_ROW
from tests.gateway.inference.decisions.asking import (
    CHANCES,
    FAILS,
    LEAK,
    READINGS,
    decide,
    fields,
    readings,
    refused,
)
from tests.support.builders import BEARING_LIFE, CHAT, REMAINING_LIFE, SPECIALIST, Gateway
from tests.support.fakes.first_tokens import choosing
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.faults import nothing_is_held

NAMED: Any = {**FAILS, "specialist": {"model": SPECIALIST}}


@pytest.fixture(autouse=True)
def answers(upstream: FakeUpstream) -> None:
    upstream.chances = choosing(CHANCES)
    upstream.predicts = {"failure_probability": 0.75, "failure": 1}


class TestLinkedCalls:
    async def test_rows_of_both_models_sum_to_the_cost(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        body = {"model": CHAT, "input": readings(), "questions": [NAMED, LEAK]}
        answer = await gateway.http.post("/v1/decisions", json=body)
        linked, parent = sorted(
            await gateway.rows(2), key=lambda row: row["operation"], reverse=True
        )
        assert (parent["operation"], parent["model"]) == ("decisions", CHAT)
        assert (linked["operation"], linked["model"]) == ("predictions", SPECIALIST)
        assert (linked["rows"], linked["parent_id"]) == (1, parent["request_id"])
        cost = float(parent["cost"]) + float(linked["cost"])
        assert float(answer.headers["x-maas-cost"]) == pytest.approx(cost, abs=1e-12)
        assert answer.json()["usage"]["rows"] == 1
        assert not (await gateway.reconciled()).differences

    async def test_specialist_is_billed_although_the_language_model_answers_nothing(
        self, gateway: Gateway
    ) -> None:
        await decide(gateway, NAMED, input=readings())
        rows = {row["operation"]: row for row in await gateway.rows(2)}
        assert float(rows["decisions"]["cost"]) == 0
        assert rows["decisions"]["settlement"] == "complete"
        assert float(rows["predictions"]["cost"]) > 0

    async def test_null_for_the_units_is_no_units(self, gateway: Gateway) -> None:
        named = {**FAILS, "specialist": {"model": SPECIALIST, "units": None, "output": None}}
        decision = await decide(gateway, named, input=readings())
        assert fields(decision.answers[0])["source"]["type"] == "specialist"

    async def test_equal_readings_are_predicted_once(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        other = {**EXAMPLE_ROW, "torque": 40.0}
        own = [{"type": "input_text", "text": "It fails."}, {**READINGS, "data": other}]
        await decide(gateway, NAMED, NAMED, {**NAMED, "instructions": own}, input=readings())
        (request,) = upstream.received
        assert request["inputs"][0]["shape"] == [2]

    async def test_failure_of_the_specialist_bills_nothing(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.predicts = None
        error = await refused(gateway, NAMED, LEAK, input=readings())
        assert error.code == "model_failed"
        await nothing_is_held(gateway)

    async def test_failure_of_the_language_model_does_not_bill_the_specialist(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.does = ["fault"] * 2
        error = await refused(gateway, NAMED, LEAK, input=readings())
        assert error.code == "model_failed"
        assert {float(row["cost"]) for row in await gateway.rows(2)} == {0.0}
        await nothing_is_held(gateway)

    async def test_max_cost_limits_the_sum(self, gateway: Gateway, upstream: FakeUpstream) -> None:
        """A row costs 0.001 yuan, the prompts far less."""
        headers = {"x-max-cost": "0.001"}
        error = await refused(gateway, NAMED, LEAK, input=readings(), extra_headers=headers)
        assert error.code == "max_cost_exceeded"
        assert upstream.received == []

    async def test_quote_includes_the_specialist(self, gateway: Gateway) -> None:
        body = {"model": CHAT, "input": readings(), "questions": [NAMED]}
        quote = (await gateway.http.post("/v1/quote", json=body)).json()
        assert quote["max_cost"] == "0.001000000"


class TestSpecialistAsModel:
    async def test_named_model_answers_all_questions_in_one_row(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        choice = {
            "type": "choice",
            "instructions": "Does it fail?",
            "choices": [{"value": True}, {"value": False}],
        }
        decision = await decide(gateway, FAILS, choice, model=SPECIALIST, input=readings())
        first, second = decision.answers
        assert isinstance(first, AnswerAnswerResourcePredicate)
        assert first.probability == 0.75
        assert isinstance(second, AnswerAnswerResourceChoice)
        assert (second.choice, second.confidence) == (True, 0.75)
        assert fields(first)["prediction"] == {"failure_probability": 0.75, "failure": 1}
        assert fields(first)["source"]["type"] == "specialist"
        row = await gateway.row()
        assert (row["operation"], row["model"], row["rows"]) == ("decisions", SPECIALIST, 1)

    async def test_number_answers_limits_and_levels_with_its_interval(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.predicts = {"remaining_life": 50.0, "lower": 30.0, "upper": 90.0}
        row = {name: [1.0, 2.0] for name in _columns(gateway)}
        soon = {**FAILS, "specialist": {"model": REMAINING_LIFE, "below": 30}}
        levels = [{"label": "soon"}, {"label": "later", "minimum": 50}]
        score = {"type": "score", "instructions": "How long?", "levels": levels}
        decision = await decide(gateway, soon, score, model=REMAINING_LIFE, input=readings(row))
        below, rated = (fields(answer) for answer in decision.answers)
        assert below["probability"] == pytest.approx(0.05)
        assert rated["score"] == pytest.approx(1.5)
        assert rated["prediction"]["upper"] == 90.0
        assert rated["source"]["calibrated"] is False

    async def test_question_without_readings_is_refused(self, gateway: Gateway) -> None:
        decision = await decide(gateway, FAILS, model=SPECIALIST, input="It rattles.")
        assert fields(decision.answers[0])["code"] == "inputs_missing"
        assert float((await gateway.row())["cost"]) == 0

    async def test_missing_columns_are_named(self, gateway: Gateway) -> None:
        decision = await decide(gateway, FAILS, model=SPECIALIST, input=readings({"torque": 1.0}))
        assert "`tool_wear`" in fields(decision.answers[0])["message"]

    @pytest.mark.parametrize("torque", [None, "much", True, [1, 2]])
    async def test_readings_that_are_invalid_refuse_only_their_question(
        self, gateway: Gateway, torque: Any
    ) -> None:
        bad = {**READINGS, "data": {**EXAMPLE_ROW, "torque": torque}}
        text = {"type": "input_text", "text": "It fails."}
        questions = [{**FAILS, "instructions": [text, part]} for part in (READINGS, bad)]
        decision = await decide(gateway, *questions, model=SPECIALIST)
        assert [answer.type for answer in decision.answers] == ["predicate", "refusal"]
        refusal = fields(decision.answers[1])
        assert refusal["code"] == "inputs_invalid"
        assert refusal["message"].startswith("`torque` ")
        assert (await gateway.row())["rows"] == 1

    async def test_model_without_probabilities_is_refused(self, gateway: Gateway) -> None:
        decision = await decide(gateway, FAILS, model=BEARING_LIFE, input=readings())
        assert fields(decision.answers[0])["code"] == "no_probability"

    async def test_row_that_the_specialist_rejects_refuses_only_its_questions(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        """The server rejects thirteen rows at once, and takes each of them."""
        parts = [{**READINGS, "data": {**EXAMPLE_ROW, "torque": float(n)}} for n in range(13)]
        text = {"type": "input_text", "text": "It fails."}
        questions = [{**FAILS, "instructions": [text, part]} for part in parts]
        decision = await decide(gateway, *questions, model=SPECIALIST)
        assert {answer.type for answer in decision.answers} == {"predicate"}
        assert (await gateway.row())["rows"] == 13
        assert len(upstream.received) == 14


class TestAuto:
    async def test_plain_statement_about_readings_goes_to_the_specialist(
        self, gateway: Gateway
    ) -> None:
        (answer,) = (await decide(gateway, FAILS, model="auto", input=readings())).answers
        assert fields(answer)["source"]["model"] == SPECIALIST

    @pytest.mark.parametrize(
        "instructions", ["The machine will not fail.", "The torque is too high."]
    )
    async def test_other_statements_go_to_the_language_model(
        self, gateway: Gateway, instructions: str
    ) -> None:
        question = {**FAILS, "instructions": instructions}
        (answer,) = (await decide(gateway, question, model="auto", input=readings())).answers
        assert fields(answer)["source"]["type"] == "language_model"

    async def test_readings_of_no_specialist_go_to_the_language_model(
        self, gateway: Gateway
    ) -> None:
        decision = await decide(gateway, FAILS, model="auto", input=readings({"a": 1}))
        assert fields(decision.answers[0])["source"]["type"] == "language_model"

    async def test_only_the_last_objects_are_readings(self, gateway: Gateway) -> None:
        rows = [EXAMPLE_ROW, *({"a": number} for number in range(8))]
        decision = await decide(gateway, FAILS, model="auto", input=readings(rows))
        assert fields(decision.answers[0])["source"]["type"] == "language_model"
        decision = await decide(gateway, FAILS, model="auto", input=readings(rows[:8]))
        assert fields(decision.answers[0])["source"]["type"] == "specialist"

    async def test_named_language_model_is_not_replaced(self, gateway: Gateway) -> None:
        (answer,) = (await decide(gateway, FAILS, input=readings())).answers
        assert fields(answer)["source"]["model"] == CHAT


@pytest.mark.parametrize(
    ("specialist", "status"), [("nothing", 404), (CHAT, 400)], ids=["unknown", "language model"]
)
async def test_reference_to_no_specialist_is_an_error(
    gateway: Gateway, specialist: str, status: int
) -> None:
    question = {**FAILS, "specialist": {"model": specialist}}
    error = await refused(gateway, LEAK, question, input=readings())
    assert (error.status_code, error.param) == (status, "questions[1].specialist.model")


async def test_usage_report_has_decisions(gateway: Gateway) -> None:
    await decide(gateway, LEAK)
    answer = await gateway.http.get(
        "/v1/organization/usage/decisions", params={"start_time": 1_700_000_000, "limit": 1}
    )
    assert answer.status_code == 200
    assert answer.json()["object"] == "page"


def _columns(gateway: Gateway) -> list[str]:
    model = gateway.parts.catalog.find(REMAINING_LIFE)
    assert model is not None
    assert model.route is not None
    return sorted(model.route.inputs)
