"""Score an answer against the expected one: exact, contains, number, choice or JSON.

docs/evaluation.md defines the rules for customers; keep both consistent.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from models.evaluation.json_answers import find_json_object, wrong_fields
from models.evaluation.normalization import contains, normalize, remove_citations
from models.evaluation.quantities import (
    Tolerance,
    first_of_kind,
    is_equal,
    is_known_unit,
    parse_quantity,
    parse_tolerance,
)

_MAX_FOUND_LENGTH = 200
_LABEL = re.compile(r"[A-Z]")
# What a final answer is marked with; what follows the last mark counts.
_FINAL_MARK = re.compile(
    r"(?:(?:^|[\s*])(?:final answer|the answer|answer)|答案)\s*(?:is|是|为)?\s*\**\s*[:：]\s*\**",
    re.IGNORECASE,
)
# A label at the start is followed by punctuation or the end (`A pump` has no label), and not by
# another label (`A, C`).
_LABEL_AT_START = re.compile(
    r"[\s*(\[（【]*([A-Za-z])[*)\]）】]*"
    r"(?:[ \t]*(?:[.:;。：；\n]|[,，、](?!\s*[A-Za-z](?![A-Za-z]))|$)|(?<=[)\]）】])\s)"
)
_NAMED_LABEL = re.compile(
    r"(?:[Aa]nswer|[Oo]ption|[Cc]hoice|答案|选项|选择|应选|选)\s*(?:is|should be|是|为|应为)?\s*"
    r"[:：]?\s*[*(\[（【]*([A-Z])(?![A-Za-z0-9'])"
)


class Scoring(StrEnum):
    """How an answer is compared with the expected one."""

    EXACT = "exact"
    CONTAINS = "contains"
    NUMBER = "number"
    CHOICE = "choice"
    JSON = "json"


class Expectation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a correct answer is; stored as JSON with the question.

    An answer is correct if it has all parts of one of the `alternatives`. `choices` are all labels
    of a multiple-choice question, empty for the letters A to Z. `fields` is the expected JSON
    object. `tolerance` is the text that parse_tolerance reads, empty for the default.
    """

    scoring: Scoring
    alternatives: tuple[tuple[str, ...], ...] = ()
    choices: tuple[str, ...] = ()
    fields: dict[str, Any] = {}
    tolerance: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """Whether an answer is correct, and what of it was compared.

    `found` is empty if the answer has nothing of the expected kind. `wrong_fields` are paths of a
    JSON object.
    """

    correct: bool
    found: str = ""
    wrong_fields: tuple[str, ...] = ()


def score_answer(answer: str, expectation: Expectation) -> Score:
    """Score an answer. Takes milliseconds for a unit that was not seen before."""
    text = remove_citations(answer)
    match expectation.scoring:
        case Scoring.EXACT:
            return _score_exact(text, expectation)
        case Scoring.CONTAINS:
            return _score_contains(text, expectation)
        case Scoring.NUMBER:
            return _score_number(text, expectation)
        case Scoring.CHOICE:
            return _score_choice(text, expectation)
        case Scoring.JSON:
            return _score_json(answer, expectation)


def default_scoring(expected: str) -> Scoring:
    """Return the scoring of an expected text by its form: choice, number or contains.

    One letter is a choice; a number, alone or with a known unit, is a number.
    """
    if _LABEL.fullmatch(expected.strip()):
        return Scoring.CHOICE
    quantity = parse_quantity(expected)
    if quantity is not None and is_known_unit(quantity.unit):
        return Scoring.NUMBER
    return Scoring.CONTAINS


def find_choice(answer: str, choices: tuple[str, ...]) -> str | None:
    """Return the one label that an answer chooses, or None if it names none or several.

    Without `choices`, labels are letters: at the start of the answer, or after words such as
    `answer`.
    """
    text = _final_part(answer)
    if choices:
        return _find_listed_choice(text, choices)
    at_start = _LABEL_AT_START.match(text)
    if at_start is not None:
        return at_start[1].upper()
    named = set(_NAMED_LABEL.findall(text))
    return named.pop() if len(named) == 1 else None


def _score_exact(answer: str, expectation: Expectation) -> Score:
    """Return whether the whole answer equals one of the alternatives, when normalized."""
    text = normalize(answer)
    correct = any(text == normalize(parts[0]) for parts in expectation.alternatives)
    return Score(correct, _shown(answer))


def _score_contains(answer: str, expectation: Expectation) -> Score:
    """Return whether the answer contains all parts of an alternative; found are those it has."""
    text = normalize(answer)
    found = [
        part
        for parts in expectation.alternatives
        for part in parts
        if contains(text, normalize(part))
    ]
    correct = any(all(part in found for part in parts) for parts in expectation.alternatives)
    return Score(correct, _shown(", ".join(dict.fromkeys(found))))


def _score_number(answer: str, expectation: Expectation) -> Score:
    """Return whether the first quantity of the expected kind has the expected value."""
    text, tolerance, first = _final_part(answer), _tolerance_of(expectation), ""
    for (expected,) in expectation.alternatives:
        wanted = parse_quantity(expected)
        quantity = None if wanted is None else first_of_kind(text, wanted)
        if wanted is None or quantity is None:
            continue
        first = first or quantity.text
        if is_equal(quantity, wanted, tolerance):
            return Score(True, quantity.text)
    return Score(False, first)


def _score_choice(answer: str, expectation: Expectation) -> Score:
    """Return whether the answer chooses one of the expected labels and no other."""
    chosen = find_choice(answer, expectation.choices)
    labels = {normalize(parts[0]) for parts in expectation.alternatives}
    return Score(chosen is not None and normalize(chosen) in labels, chosen or "")


def _score_json(answer: str, expectation: Expectation) -> Score:
    """Return whether the answer's JSON object has all expected fields with their values."""
    value = find_json_object(answer)
    if value is None:
        return Score(False)
    wrong = wrong_fields(expectation.fields, value, _tolerance_of(expectation))
    return Score(not wrong, _shown(json.dumps(value, ensure_ascii=False)), wrong)


def _shown(text: str) -> str:
    """Return a text cut to a length that can be shown, without what PostgreSQL cannot store."""
    stored = text.strip()[:_MAX_FOUND_LENGTH].replace("\x00", "")
    return stored.encode(errors="replace").decode()


def _tolerance_of(expectation: Expectation) -> Tolerance | None:
    """Return the tolerance of an expectation, None for the default."""
    return parse_tolerance(expectation.tolerance) if expectation.tolerance else None


def _final_part(answer: str) -> str:
    """Return what follows the last `Answer:` of an answer, or all of it without such a mark."""
    end = 0
    for mark in _FINAL_MARK.finditer(answer):
        end = mark.end()
    return answer[end:]


def _find_listed_choice(answer: str, choices: tuple[str, ...]) -> str | None:
    """Return the one listed choice in the answer; a longer choice hides one that it contains."""
    text, chosen = normalize(answer), []
    for choice in sorted(choices, key=len, reverse=True):
        wanted = normalize(choice)
        if contains(text, wanted):
            chosen.append(choice)
            text = text.replace(wanted, " ")
    return chosen[0] if len(chosen) == 1 else None
