"""Parse the body of `/v1/decisions` into questions."""

from dataclasses import replace
from typing import Any

import msgspec

from gateway.call.decisions import AskedQuestion, DecisionRequest, Refusal, SpecialistReference
from gateway.call.errors import ParameterInvalid
from gateway.wire import body as bodies
from gateway.wire.decisions.parts import has_image, readings_of, render_content
from gateway.wire.decisions.requests import (
    ChoiceQuestion,
    DecisionBody,
    Predicate,
    ScoreQuestion,
    Specialist,
)
from gateway.wire.decisions.transcript import Transcript, read_input
from models.catalog import AUTO
from models.decision_calibration.questions import (
    Option,
    QuestionKind,
    TypedQuestion,
    predicate,
)

Question = Predicate | ChoiceQuestion | ScoreQuestion
_BODY = msgspec.json.Decoder(DecisionBody)
_NO_IMAGES = Refusal("image_unsupported", "No model accepts images here.")
_NO_CONTEXT = Refusal("context_missing", "The input is empty, so there is nothing to judge.")


def parse_decision_body(body: bytes) -> DecisionBody:
    """Parse the body. Raises BodyNotJson, ParameterInvalid, ParameterUnknown."""
    return bodies.decode_body(_BODY, body)


def read_decision(request: DecisionBody) -> DecisionRequest:
    """Return input and questions of a request. Raises ParameterInvalid, ParameterUnsupported."""
    transcript = read_input(request.input)
    questions = tuple(
        _read_question(question, f"questions[{number}]", transcript)
        for number, question in enumerate(request.questions)
    )
    return DecisionRequest(transcript.text, questions, is_auto=request.model == AUTO)


def _read_question(question: Question, path: str, transcript: Transcript) -> AskedQuestion:
    """Return a question with its options and the readings that may belong to it."""
    content = question.instructions
    if has_image(content):
        typed = _typed_question(question, "", path)
        return replace(typed, refusal=_NO_IMAGES)
    text = render_content(content, f"{path}.instructions")
    own = readings_of(content)
    asked = replace(
        _typed_question(question, text, path),
        readings=(*own, *transcript.readings),
        specialist=_reference(question.specialist, path),
    )
    is_empty = not transcript.text.strip() and not own
    return replace(asked, refusal=_NO_CONTEXT) if is_empty else asked


def _typed_question(question: Question, text: str, path: str) -> AskedQuestion:
    """Return the question with its options. Raises ParameterInvalid for equal ones."""
    match question:
        case Predicate():
            return AskedQuestion(question.name, predicate(text))
        case ChoiceQuestion():
            values = tuple(one.value for one in question.choices)
            _require_unique([(type(one), one) for one in values], f"{path}.choices")
            options = tuple(
                Option(_text_of(one.value), one.description or "") for one in question.choices
            )
            return AskedQuestion(
                question.name, TypedQuestion(QuestionKind.CHOICE, text, options), values
            )
    labels = tuple(level.label for level in question.levels)
    _require_unique(list(labels), f"{path}.levels")
    options = tuple(Option(one.label, one.description or "") for one in question.levels)
    return AskedQuestion(
        question.name,
        TypedQuestion(QuestionKind.SCORE, text, options),
        labels,
        tuple(level.minimum for level in question.levels),
    )


def _reference(specialist: Specialist | None, path: str) -> SpecialistReference | None:
    """Return the specialist that a question names. Raises ParameterInvalid for two limits."""
    if specialist is None:
        return None
    if specialist.above is not None and specialist.below is not None:
        raise ParameterInvalid(
            f"`{path}.specialist` has `above` and `below`; only one is allowed.",
            param=f"{path}.specialist",
        )
    return SpecialistReference(
        specialist.model,
        specialist.output,
        specialist.class_name,
        specialist.above,
        specialist.below,
        specialist.units or {},
    )


def _text_of(value: str | bool) -> str:
    """Return a choice as the model reads it."""
    return str(value).lower() if isinstance(value, bool) else value


def _require_unique(values: list[Any], path: str) -> None:
    """Raise ParameterInvalid if two choices or levels are equal."""
    if len(set(values)) < len(values):
        raise ParameterInvalid(f"`{path}` has equal entries.", param=path)
