"""`POST /v1/decisions`: typed questions about an input, answered with probabilities."""

from gateway.call.values import Call, Operation, ParsedRequest, Principal, ResolvedModel
from gateway.inference.endpoints import text_generation
from gateway.inference.endpoints.endpoint import (
    DecodedRequest,
    Endpoint,
    UsageGroup,
)
from gateway.inference.endpoints.predictions import EXAMPLE_ROW
from gateway.inference.model_selection import ModelSelector
from gateway.wire.decisions.answers import Decision
from gateway.wire.decisions.parsing import parse_decision_body, read_decision
from gateway.wire.decisions.requests import DecisionBody
from gateway.wire.decisions.upstream import text_request
from gateway.wire.documentation import Documentation, Examples
from models.catalog import AUTO, SPECIALIST_TASKS, Task


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate the questions; they are planned when the model is known (decisions/planning.py)."""
    request = parse_decision_body(body)
    decision = read_decision(request)

    def for_model(resolved: ResolvedModel) -> ParsedRequest:
        """Return the request that asks the language model all questions, a specialist none."""
        is_text = resolved.model.task is Task.TEXT_GENERATION
        return text_request(decision, resolved, decision.questions if is_text else ())

    if request.model != AUTO:
        return DecodedRequest(request.model, for_model)
    questions = " ".join(asked.typed.instructions for asked in decision.questions)
    criteria = text_generation.text_criteria(principal, questions, b"", len(decision.questions))
    return DecodedRequest(request.model, for_model, criteria=criteria)


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of a decision about a text, and about readings."""
    order = "Work order 4711: pump P-101, oil at the mechanical seal, vibration 7.1 mm/s."
    choices = [{"value": "leak"}, {"value": "blockage"}, {"value": "electrical fault"}]
    levels = [{"label": label} for label in ("can wait", "this week", "today")]
    questions = [
        {"type": "predicate", "name": "leak", "instructions": "The pump leaks."},
        {"type": "choice", "instructions": "What is the fault?", "choices": choices},
        {"type": "score", "instructions": "How urgent is the repair?", "levels": levels},
    ]
    text = {"model": model, "input": order, "questions": questions}
    part = {"type": "input_json", "data": EXAMPLE_ROW}
    readings = {
        "model": AUTO,
        "input": [{"role": "user", "content": [part]}],
        "questions": [{"type": "predicate", "instructions": "The machine will fail."}],
    }
    return Examples({"About a text": text, "About readings": readings}, _example_answer(model))


def _example_answer(model: str) -> object:
    """Return the response to the first example."""
    source = {"type": "language_model", "model": model, "calibrated": True}
    shares = [("leak", 0.88), ("blockage", 0.07), ("electrical fault", 0.05)]
    levels = [("can wait", 0.08), ("this week", 0.31), ("today", 0.61)]
    return {
        "id": "req_019acb00c47d7c11b3f0a5d2e8c96f41",
        "object": "decision",
        "model": model,
        "answers": [
            {"type": "predicate", "name": "leak", "probability": 0.93, "source": source},
            {
                "type": "choice",
                "name": None,
                "choice": "leak",
                "confidence": 0.88,
                "probabilities": [
                    {"value": value, "probability": chance} for value, chance in shares
                ],
                "source": source,
            },
            {
                "type": "score",
                "name": None,
                "score": 2.53,
                "confidence": 0.61,
                "probabilities": [
                    {"label": label, "value": value, "probability": chance}
                    for value, (label, chance) in enumerate(levels, start=1)
                ],
                "source": source,
            },
        ],
        "usage": {
            "input_tokens": 640,
            "input_tokens_details": {"cached_tokens": 448, "cache_write_tokens": 0},
            "output_tokens": 6,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 646,
            "rows": 0,
        },
    }


DECISIONS = Endpoint(
    operation=Operation.DECISIONS,
    path="/v1/decisions",
    label="Decisions",
    tasks=SPECIALIST_TASKS | text_generation.TASKS,
    decode=_decode,
    select_model=ModelSelector.select_for_text,
    quote_field="questions",
    in_batches=True,
    usage_group=UsageGroup.DECISIONS,
    guarded_fields=("input", "questions"),
    documentation=Documentation(
        request=DecisionBody,
        answer=Decision,
        summary="Answer typed questions with probabilities",
        description=(
            "Up to 400 questions about one input: predicates, choices and scores. Specialists "
            "answer from readings (`input_json`), the language model answers the others. A "
            "question that cannot be answered is refused by itself. With an `asset` of the plant "
            "model, its points give the readings of one specialist."
        ),
        examples=_examples,
        example_task=Task.TEXT_GENERATION,
    ),
)
