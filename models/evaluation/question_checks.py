"""Check the lines of a question file: every problem with line, field and what to do."""

from collections.abc import Iterator
from typing import Any

import msgspec

from models.evaluation.normalization import normalize
from models.evaluation.quantities import parse_quantity, parse_tolerance
from models.evaluation.question_line import (
    EXPECTED_FIELDS,
    QuestionLine,
    alternatives_of,
    scoring_of,
    tolerance_text,
)
from models.evaluation.scoring import Scoring
from models.problems import Problem
from models.sentences import sentence


def line_problems(number: int, line: QuestionLine, scoring: Scoring | None) -> Iterator[Problem]:
    """Yield the problems of a decoded line."""
    yield from _message_problems(number, line)
    given = [name for name in EXPECTED_FIELDS if getattr(line, name) is not None]
    if len(given) != 1:
        what = "is missing" if not given else "is given more than once"
        names = ", ".join(f"`{name}`" for name in EXPECTED_FIELDS)
        yield _problem(
            "expected_answer",
            number,
            "expected",
            f"the expected answer {what}.",
            sentence("Give exactly one of {names}.", names=names),
        )
        return
    if any("\x00" in text for text in _texts(msgspec.to_builtins(line))):
        yield _problem(
            "nul_character",
            number,
            "",
            "the text contains a NUL character.",
            sentence("Remove the character."),
        )
    yield from _scoring_problems(number, line, scoring_of(line, scoring), given[0])


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value, names of fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _message_problems(number: int, line: QuestionLine) -> Iterator[Problem]:
    """Yield the problems of a line's question or messages."""
    if (line.messages is None) == (line.question is None):
        yield _problem(
            "question",
            number,
            "messages",
            "give either `question` or `messages`.",
            sentence("Keep one of the two fields."),
        )
        return
    texts = [line.question or ""] if line.messages is None else [m.content for m in line.messages]
    for index, text in enumerate(texts):
        if not text.strip():
            name = "question" if line.messages is None else f"messages[{index}].content"
            yield _problem(
                "empty_text", number, name, f"`{name}` is empty.", sentence("Write the text.")
            )
    if line.messages is not None and line.messages[-1].role != "user":
        yield _problem(
            "last_message",
            number,
            "messages",
            "the last message must be the user's.",
            sentence("Put the assistant's answer into `expected`."),
        )


def _scoring_problems(
    number: int, line: QuestionLine, scoring: Scoring, given: str
) -> Iterator[Problem]:
    """Yield the problems of an expected answer that its scoring cannot compare."""
    if (scoring is Scoring.JSON) != isinstance(line.expected, dict):
        yield _problem(
            "wrong_form",
            number,
            given,
            "a JSON object is scored by `json` only.",
            sentence("Give an object, or choose another `scoring`."),
        )
        return
    if line.expected == {}:
        yield _problem(
            "wrong_form",
            number,
            given,
            "the expected object has no fields.",
            sentence("Give at least one field."),
        )
    if line.expected_all is not None and scoring is not Scoring.CONTAINS:
        yield _problem(
            "wrong_form",
            number,
            given,
            "`expected_all` is scored by `contains` only.",
            sentence("Use `expected` or `expected_any`."),
        )
        return
    parts = [part for texts in alternatives_of(line) for part in texts]
    if scoring is not Scoring.JSON and not all(normalize(part) for part in parts):
        yield _problem(
            "empty_text",
            number,
            given,
            f"`{given}` has only spaces or punctuation.",
            sentence("Give the expected text."),
        )
    if scoring is Scoring.NUMBER and any(parse_quantity(part) is None for part in parts):
        yield _problem(
            "not_a_number",
            number,
            given,
            f"`{given}` is not a number with a unit.",
            sentence("Write a number such as `0.5 MPa`, or choose another `scoring`."),
        )
    if scoring is Scoring.CHOICE:
        yield from _choice_problems(number, line, parts, given)
    if line.tolerance is not None and parse_tolerance(tolerance_text(line)) is None:
        yield _problem(
            "tolerance",
            number,
            "tolerance",
            "`tolerance` is not an amount.",
            sentence("Write a share such as `2%`, or an amount such as `0.1 bar`."),
        )


def _choice_problems(
    number: int, line: QuestionLine, parts: list[str], given: str
) -> Iterator[Problem]:
    """Yield a problem if an expected label is none of the choices, or no letter without them."""
    if line.choices is None:
        if not all(len(part.strip()) == 1 and part.strip().isalpha() for part in parts):
            yield _problem(
                "not_a_choice",
                number,
                given,
                f"`{given}` is not a letter.",
                sentence("Write a letter such as `B`, or list all labels in `choices`."),
            )
        return
    labels = {normalize(choice) for choice in line.choices}
    if not {normalize(part) for part in parts} <= labels:
        yield _problem(
            "not_a_choice",
            number,
            given,
            f"`{given}` is not one of `choices`.",
            sentence("Use the same text in both fields."),
        )


def id_problems(number: int, line: QuestionLine, lines_by_id: dict[str, int]) -> Iterator[Problem]:
    """Yield a problem for an id that an earlier line has, or that is not printable."""
    name = line.id or f"line-{number}"
    if not name.isprintable():
        yield _problem("id", number, "id", "`id` has control characters.", sentence("Remove them."))
    first = lines_by_id.setdefault(name, number)
    if first != number:
        yield _problem(
            "duplicate_id",
            number,
            "id",
            f"line {first} has the same `id`.",
            sentence("Give each question its own `id`."),
        )


def _problem(code: str, number: int, field: str, message: str, fix: str) -> Problem:
    """Return the problem of a field of a line."""
    return Problem(code, f"Line {number}: {message}", fix, number, field or None)
