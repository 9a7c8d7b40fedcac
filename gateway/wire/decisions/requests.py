"""The request body of `/v1/decisions`: input, model and typed questions.

The shape is that of `openai.types.decision_create_params`; `specialist` of a question and `minimum`
of a level are extensions. Docstrings here are part of the OpenAPI document.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.wire.decisions.parts import (
    ImagePart,
    JsonPart,
    OutputTextPart,
    QuestionPart,
    RefusalPart,
    TextPart,
)

MAX_QUESTIONS = 400
MAX_CHOICES = 255
_MAX_INSTRUCTIONS = 100_000
Name = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=_MAX_INSTRUCTIONS)]
Label = Annotated[str, Meta(min_length=1, max_length=2_000)]
Instructions = (
    Annotated[str, Meta(min_length=1, max_length=_MAX_INSTRUCTIONS)]
    | Annotated[list[QuestionPart], Meta(min_length=1)]
)


class InputItem(msgspec.Struct, forbid_unknown_fields=True):
    """A message, a call of a function or custom tool, or the output of such a call."""

    type: Literal[
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
    ] = "message"
    role: Literal["user", "developer", "system", "assistant"] | None = None
    content: str | list[TextPart | ImagePart | JsonPart | OutputTextPart | RefusalPart] | None = (
        None
    )
    phase: Literal["commentary", "final_answer"] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: str | list[TextPart | ImagePart] | None = None
    id: str | None = None
    namespace: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class Specialist(msgspec.Struct, forbid_unknown_fields=True, rename={"class_name": "class"}):
    """The specialist that answers the question from readings (`input_json`).

    `output` names the output if the model has several, `class` the class of a predicate, `above` or
    `below` the limit of a number.
    """

    model: str
    output: str | None = None
    class_name: str | None = None
    above: float | None = None
    below: float | None = None
    units: dict[str, str] | None = None


class Predicate(msgspec.Struct, tag="predicate", forbid_unknown_fields=True, kw_only=True):
    """How likely a statement about the input is true."""

    instructions: Instructions
    name: Name | None = None
    specialist: Specialist | None = None


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """One option. A text and a boolean are different values."""

    value: bool | Label
    description: Text | None = None


class ChoiceQuestion(msgspec.Struct, tag="choice", forbid_unknown_fields=True, kw_only=True):
    """Which of the options fits the input."""

    instructions: Instructions
    choices: Annotated[list[Choice], Meta(min_length=2, max_length=MAX_CHOICES)]
    name: Name | None = None
    specialist: Specialist | None = None


class Level(msgspec.Struct, forbid_unknown_fields=True):
    """A level of a score. `minimum` is its lowest number, to place a specialist's prediction."""

    label: Label
    description: Text | None = None
    minimum: float | None = None


class ScoreQuestion(msgspec.Struct, tag="score", forbid_unknown_fields=True, kw_only=True):
    """A rating of the input against ordered levels, the lowest one first."""

    instructions: Instructions
    levels: Annotated[list[Level], Meta(min_length=2, max_length=MAX_CHOICES)]
    name: Name | None = None
    specialist: Specialist | None = None


class CacheOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`prompt_cache_options`; has no effect."""

    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m"] | None = None


class DecisionBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/decisions`. `model` is a language model, a specialist or `auto`."""

    model: str
    input: str | Annotated[list[InputItem], Meta(min_length=1)]
    questions: Annotated[
        list[Predicate | ChoiceQuestion | ScoreQuestion],
        Meta(min_length=1, max_length=MAX_QUESTIONS),
    ]
    prompt_cache_key: str | None = None
    prompt_cache_options: CacheOptions | None = None
    safety_identifier: str | None = None
