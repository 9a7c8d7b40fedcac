"""The response body of `/v1/decisions`, in the shape of `openai.types.Decision`.

Extensions: `id`, `object`, `usage.rows`, and of each answer `source` and a specialist's
`prediction`; of a refusal `code` and `message`. Docstrings here are part of the OpenAPI document.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from billing.rating.quantities import Quantities
from gateway.call.decisions import AskedQuestion, Refusal
from models.decision_calibration.questions import QuestionKind


class Source(msgspec.Struct):
    """What answered. `calibrated`: whether its probabilities were fitted to labelled data."""

    type: Literal["specialist", "language_model"]
    model: str
    calibrated: bool


class PredicateAnswer(msgspec.Struct, tag="predicate", kw_only=True):
    """The probability that the statement is true."""

    name: str | None
    probability: float
    source: Source
    prediction: dict[str, Any] | UnsetType = UNSET


class ChoiceProbability(msgspec.Struct):
    """The probability of one choice."""

    value: bool | str
    probability: float


class ChoiceAnswer(msgspec.Struct, tag="choice", kw_only=True):
    """The most likely choice; `confidence` is its probability."""

    name: str | None
    choice: bool | str
    confidence: float
    probabilities: list[ChoiceProbability]
    source: Source
    prediction: dict[str, Any] | UnsetType = UNSET


class LevelProbability(msgspec.Struct):
    """The probability of one level; `value` is its place, 1 for the lowest."""

    label: str
    value: int
    probability: float


class ScoreAnswer(msgspec.Struct, tag="score", kw_only=True):
    """The mean of the levels' values; `confidence` is the probability of the likeliest level."""

    name: str | None
    score: float
    confidence: float
    probabilities: list[LevelProbability]
    source: Source
    prediction: dict[str, Any] | UnsetType = UNSET


class RefusalAnswer(msgspec.Struct, tag="refusal", kw_only=True):
    """Nothing answered this question; `code` and `message` say why."""

    name: str | None
    code: str
    message: str


Answer = PredicateAnswer | ChoiceAnswer | ScoreAnswer | RefusalAnswer


class InputTokensDetails(msgspec.Struct):
    """A part of the input tokens."""

    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(msgspec.Struct):
    """A part of the output tokens."""

    reasoning_tokens: int = 0


class DecisionUsage(msgspec.Struct, kw_only=True):
    """The tokens of all prompts and answers, and the rows of all specialists."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int
    rows: int


class Decision(msgspec.Struct, kw_only=True):
    """The answers in the order of the questions."""

    id: str
    object: Literal["decision"]
    model: str
    answers: list[Answer]
    usage: DecisionUsage


def build_answer(
    asked: AskedQuestion,
    chances: Sequence[float],
    source: Source,
    prediction: dict[str, Any] | UnsetType = UNSET,
) -> Answer:
    """Return the answer to a question from the probability of each of its options."""
    if asked.typed.kind is QuestionKind.PREDICATE:
        return PredicateAnswer(
            name=asked.name, probability=chances[0], source=source, prediction=prediction
        )
    best = max(range(len(chances)), key=lambda index: chances[index])
    if asked.typed.kind is QuestionKind.CHOICE:
        return ChoiceAnswer(
            name=asked.name,
            choice=asked.values[best],
            confidence=chances[best],
            probabilities=[
                ChoiceProbability(value, chance)
                for value, chance in zip(asked.values, chances, strict=True)
            ],
            source=source,
            prediction=prediction,
        )
    levels = [
        LevelProbability(str(label), value, chance)
        for value, (label, chance) in enumerate(zip(asked.values, chances, strict=True), start=1)
    ]
    return ScoreAnswer(
        name=asked.name,
        score=sum(level.value * level.probability for level in levels),
        confidence=chances[best],
        probabilities=levels,
        source=source,
        prediction=prediction,
    )


def build_refusal(asked: AskedQuestion, refusal: Refusal) -> RefusalAnswer:
    """Return the answer to a question that nothing answered."""
    return RefusalAnswer(name=asked.name, code=refusal.code, message=refusal.message)


def encode_decision(
    public_id: str, model: str, answers: Sequence[Answer], total: Quantities
) -> bytes:
    """Return the response body; `total` is the usage of the decision and its linked calls."""
    usage = DecisionUsage(
        input_tokens=total.get("input_tokens"),
        input_tokens_details=InputTokensDetails(total.get("cached_input_tokens")),
        output_tokens=total.get("output_tokens"),
        output_tokens_details=OutputTokensDetails(total.reasoning_tokens or 0),
        total_tokens=total.tokens,
        rows=total.get("rows") + total.get("images"),
    )
    return msgspec.json.encode(
        Decision(id=public_id, object="decision", model=model, answers=list(answers), usage=usage)
    )
