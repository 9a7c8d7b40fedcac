"""Typed questions that the real specialists answer, with the official OpenAI client."""

from typing import Any

from openai import AsyncOpenAI
from openai.types.decision import AnswerAnswerResourceChoice, AnswerAnswerResourcePredicate

from gateway.inference.endpoints.predictions import EXAMPLE_ROW
from tests.support.builders import SPECIALIST, Gateway


async def test_probability_is_that_of_the_prediction(real: Gateway, openai: AsyncOpenAI) -> None:
    body = {"model": SPECIALIST, "instances": [EXAMPLE_ROW]}
    predicted = (await real.http.post("/v1/predictions", json=body)).json()["predictions"][0]
    part: Any = {"type": "input_json", "data": EXAMPLE_ROW}
    too_much: Any = {"type": "input_json", "data": {**EXAMPLE_ROW, "torque": 900.0}}
    choices: Any = [{"value": False}, {"value": True}]
    decision = await openai.decisions.create(
        model=SPECIALIST,
        input=[{"role": "user", "content": [part]}],
        questions=[
            {"type": "predicate", "instructions": "The machine fails."},
            {"type": "choice", "instructions": "Does it fail?", "choices": choices},
            {"type": "predicate", "instructions": [too_much]},
        ],
    )
    predicate, choice, refusal = decision.answers
    assert isinstance(predicate, AnswerAnswerResourcePredicate)
    assert predicate.probability == predicted["failure_probability"] > 0.5
    assert predicate.model_dump()["prediction"]["reasons"] == predicted["reasons"]
    assert isinstance(choice, AnswerAnswerResourceChoice)
    assert (choice.choice, choice.confidence) == (True, predicate.probability)
    assert refusal.type == "refusal"
    assert "torque" in refusal.model_dump()["message"]
