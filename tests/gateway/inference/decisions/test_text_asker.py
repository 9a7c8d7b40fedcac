"""The language model's scores are calibrated; a prior is asked for only where it was fitted."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.call.reservation import Reservation
from gateway.call.values import AdmittedCall, Call, CallResult, ModelPrices, ResolvedModel
from gateway.inference.decisions.planning import DecisionPlan
from gateway.inference.decisions.prompt_tokens import max_decision_tokens
from gateway.inference.decisions.text_answers import TextAsker
from gateway.inference.endpoints.decisions import DECISIONS
from gateway.inference.internal.calls import new_internal_call
from gateway.wire.decisions.parsing import parse_decision_body, read_decision
from gateway.wire.decisions.upstream import text_request, with_text_questions
from infra import ids
from infra.clock import SystemClock
from models.decision_calibration.calibration import TypeCalibration
from models.decision_calibration.questions import QuestionKind
from tests.gateway.inference.decisions.asking import FAULT, LEAK
from tests.support.builders import CATALOG, CHAT
from tests.support.fakes.first_tokens import add_logprobs, choosing
from tests.support.gateway.decoded import PRINCIPAL

PREDICATE = QuestionKind.PREDICATE
MODEL = ResolvedModel(CATALOG.models[CHAT], CHAT, CHAT)


class Sender:
    """Answers prompts: with an input the leak is likely; without one the model says true too."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    async def send(self, _call: Call, admitted: AdmittedCall) -> CallResult:
        body = json.loads(admitted.request.body)
        prompt = body["messages"][-1]["content"]
        self.prompts.append(prompt)
        likely = 0.8 if "N/A" in prompt else 0.9
        answer: dict[str, Any] = {"choices": [{}]}
        chances = choosing({"true": likely, "false": 1 - likely, "leak": 0.7, "blockage": 0.3})
        add_logprobs(answer, body, chances(prompt))
        used = Quantities(input_tokens=10, output_tokens=1)
        return CallResult(
            Settlement.COMPLETE, 200, json.dumps(answer).encode(), {}, quantities=used
        )


async def ask(
    sender: Sender, calibrations: Mapping[QuestionKind, TypeCalibration], *questions: Any
) -> Any:
    """The answers to questions about an input."""
    body = json.dumps({"model": CHAT, "input": "Oil at the seal.", "questions": questions})
    decision = read_decision(parse_decision_body(body.encode()))
    request = text_request(decision, MODEL, decision.questions)
    prices = ModelPrices(ids.new_id(), {})
    admitted = AdmittedCall(PRINCIPAL, request, prices, Reservation([], ids.new_id()))
    call = new_internal_call(SystemClock(), ids.new_id(), DECISIONS)
    numbers = tuple(range(len(questions)))
    plan = DecisionPlan(request, decision.questions, numbers, None, (), {})
    sending: Any = sender
    return await TextAsker(sending, call, admitted, calibrations, lambda: None).ask_all(plan)


async def test_fitted_temperature_and_bias_apply_to_their_type() -> None:
    fitted = {PREDICATE: TypeCalibration(2.0, math.log(2))}
    answers = await ask(Sender(), fitted, LEAK, FAULT)
    assert answers.chances[0][0] == pytest.approx(6 / 7)  # odds of 9: sqrt(9) * 2
    assert answers.chances[1][0] == pytest.approx(0.7)


async def test_prior_is_asked_without_the_input_where_it_was_fitted() -> None:
    sender = Sender()
    fitted = {PREDICATE: TypeCalibration(1.0, prior_weight=1.0)}
    answers = await ask(sender, fitted, LEAK, FAULT)
    assert answers.chances[0][0] == pytest.approx(9 / 13)  # odds of 9 less odds of 4
    assert sum("N/A" in prompt for prompt in sender.prompts) == 2
    assert answers.quantities.output_tokens == len(sender.prompts) == 6


def test_prompts_for_the_prior_are_reserved() -> None:
    body = json.dumps({"model": CHAT, "input": "a " * 500, "questions": [LEAK, FAULT]})
    decision = read_decision(parse_decision_body(body.encode()))
    plain = text_request(decision, MODEL, decision.questions)
    doubled = with_text_questions(plain, decision.questions, {PREDICATE})
    assert (plain.output_bounds.choices, doubled.output_bounds.choices) == (4, 6)
    assert plain.decision is not None
    assert doubled.decision is not None
    tokens = [
        max_decision_tokens(MODEL.model, one.prompts) for one in (plain.decision, doubled.decision)
    ]
    assert tokens[1] > 1.4 * tokens[0]
