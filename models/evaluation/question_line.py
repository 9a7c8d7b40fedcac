"""A line of a question file as it is written, and the expected answers and scoring it means."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from models.evaluation.scoring import Scoring, default_scoring

_MAX_EXPECTED_LENGTH = 4_000
_ShortText = Annotated[str, Meta(min_length=1, max_length=_MAX_EXPECTED_LENGTH)]
_Texts = Annotated[list[_ShortText], Meta(min_length=1, max_length=20)]
EXPECTED_FIELDS = ("expected", "expected_any", "expected_all")


class QuestionMessage(msgspec.Struct, forbid_unknown_fields=True):
    """A message of a question; the last one is the user's."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


class QuestionLine(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the question file. `question` is short for `messages` with one user message."""

    messages: Annotated[list[QuestionMessage], Meta(min_length=1, max_length=100)] | None = None
    question: str | None = None
    expected: _ShortText | int | float | dict[str, Any] | None = None
    expected_any: _Texts | None = None
    expected_all: _Texts | None = None
    scoring: Literal["exact", "contains", "number", "choice", "json"] | None = None
    choices: Annotated[list[_ShortText], Meta(min_length=2, max_length=50)] | None = None
    tolerance: Annotated[str, Meta(max_length=40)] | int | float | None = None
    id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    vector_store_ids: Annotated[list[str], Meta(min_length=1, max_length=8)] | None = None


def alternatives_of(line: QuestionLine) -> tuple[tuple[str, ...], ...]:
    """Return the alternatives of a line, each with the parts that it consists of."""
    if line.expected_all is not None:
        return (tuple(line.expected_all),)
    texts = line.expected_any if line.expected_any is not None else [_as_text(line.expected)]
    return tuple((text,) for text in texts)


def _as_text(expected: Any) -> str:
    """Return an expected text or number as text: `0.5`, and `5` for 5.0."""
    if isinstance(expected, float) and expected.is_integer() and abs(expected) < 1e15:
        return str(int(expected))
    return str(expected)


def tolerance_text(line: QuestionLine) -> str:
    """Return a line's tolerance as text, empty if it has none."""
    return "" if line.tolerance is None else _as_text(line.tolerance)


def scoring_of(line: QuestionLine, scoring: Scoring | None) -> Scoring:
    """Return the scoring of a line: its own, else the run's, else the one of its form."""
    if line.scoring is not None:
        return Scoring(line.scoring)
    if isinstance(line.expected, dict):
        return Scoring.JSON
    if line.choices is not None:
        return Scoring.CHOICE
    if scoring is not None and scoring is not Scoring.JSON and line.expected_all is None:
        return scoring
    forms = {default_scoring(part) for parts in alternatives_of(line) for part in parts}
    return forms.pop() if len(forms) == 1 and line.expected_all is None else Scoring.CONTAINS
