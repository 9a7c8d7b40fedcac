"""Answers to the questions of a route: checked, converted to the question's unit; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from gateway.agents.definitions.rounds import NO, YES, Question, QuestionKind, RoundPlan
from gateway.agents.rounds.errors import RoundAnswerInvalid, RoundIncomplete
from gateway.plant.assets.units import canonical_unit
from models.units import unit_conversion

MAX_TEXT, MAX_KEY, MAX_ANSWERS = 2_000, 100, 1_000
_MAX_NUMBER = 1e15
Place = tuple[int, str]
"""The stop of a question, from 0, and the question's id."""


class NewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it is sent.

    `key` is the client's key of this answer: sent again, it changes nothing. A `value` of null says
    that the question could not be answered, for the reason in `note`.
    """

    key: str
    stop: int
    question: str
    answered_at: datetime
    value: float | bool | str | None = None
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class RoundAnswer:
    """An answer that fits its question. value: a number in the question's unit, a text, or None."""

    key: str
    place: Place
    value: float | str | None
    unit: str
    note: str
    answered_at: datetime


def find_question(plan: RoundPlan, place: Place, field: str) -> Question:
    """Return a question of a route. Raises RoundAnswerInvalid."""
    stop, wanted = place
    if 0 <= stop < len(plan.stops):
        for one in plan.stops[stop].questions:
            if one.id == wanted:
                return one
    raise RoundAnswerInvalid(f"The route has no question {wanted[:40]!r} there.", param=field)


def check_answers(
    plan: RoundPlan, sent: Sequence[NewAnswer], begun: datetime, now: datetime
) -> list[RoundAnswer]:
    """Return the answers of a request. Raises RoundAnswerInvalid for the first wrong one."""
    if not 1 <= len(sent) <= MAX_ANSWERS:
        raise RoundAnswerInvalid(f"Send 1 to {MAX_ANSWERS} answers.", param="answers")
    return [_check(plan, one, f"answers[{index}]", begun, now) for index, one in enumerate(sent)]


def require_complete(
    plan: RoundPlan, answered: Mapping[Place, RoundAnswer], photos: Mapping[Place, int]
) -> None:
    """Raise RoundIncomplete for the first required question without answer or photo."""
    for number, stop in enumerate(plan.stops):
        for question in stop.questions:
            place = (number, question.id)
            has_photo = question.kind is QuestionKind.PHOTO and photos.get(place, 0) > 0
            if question.required and place not in answered and not has_photo:
                text = f"Stop {number + 1} ({stop.asset}): {question.id!r} has no answer."
                raise RoundIncomplete(text, param=f"stops[{number}].{question.id}")


def newest(answers: Sequence[RoundAnswer]) -> dict[Place, RoundAnswer]:
    """Return the answer that counts for each question: the one given last."""
    ordered = sorted(answers, key=lambda one: one.answered_at)
    return {one.place: one for one in ordered}


def _check(
    plan: RoundPlan, sent: NewAnswer, at: str, begun: datetime, now: datetime
) -> RoundAnswer:
    """Return an answer that fits its question. Raises RoundAnswerInvalid.

    A time before the round or in the future, as of a phone whose clock is wrong, becomes the
    nearest possible one.
    """
    _require(0 < len(sent.key) <= MAX_KEY, f"{at}.key", f"has 1 to {MAX_KEY} characters.")
    _require(sent.answered_at.tzinfo is not None, f"{at}.answered_at", "needs a time zone.")
    _require(len(sent.note) <= MAX_TEXT, f"{at}.note", f"has at most {MAX_TEXT} characters.")
    texts = (sent.key, sent.note, sent.unit, sent.value if isinstance(sent.value, str) else "")
    _require(not any("\0" in one for one in texts), at, "has a character that is not allowed.")
    place = (sent.stop, sent.question)
    question = find_question(plan, place, f"{at}.question")
    if sent.value is None:
        _require(bool(sent.note.strip()), f"{at}.note", "must say why there is no answer.")
    value = None if sent.value is None else _value(question, sent, at)
    when = min(max(sent.answered_at, begun), now)
    return RoundAnswer(sent.key, place, value, question.unit, sent.note.strip(), when)


def _value(question: Question, sent: NewAnswer, at: str) -> float | str:
    """Return the value of an answer in the form of its question. Raises RoundAnswerInvalid."""
    value, field = sent.value, f"{at}.value"
    if question.kind is QuestionKind.NUMBER:
        return _number(question, value, sent.unit, at)
    _require(not sent.unit, f"{at}.unit", "goes with a number.")
    if question.kind is QuestionKind.YES_NO:
        value = {True: YES, False: NO}.get(value, value) if isinstance(value, bool) else value
        _require(value in (YES, NO), field, "must be `yes` or `no`.")
    elif question.kind is QuestionKind.CHOICE:
        _require(value in question.options, field, "must be one of the question's options.")
    elif question.kind is QuestionKind.PHOTO:
        raise RoundAnswerInvalid(f"`{field}` must be null: send photos.", param=field)
    else:
        fits = isinstance(value, str) and 0 < len(value.strip()) <= MAX_TEXT
        _require(fits, field, f"must be a text of 1 to {MAX_TEXT} characters.")
    return str(value)


def _number(question: Question, value: Any, unit: str, at: str) -> float:
    """Return a number in the question's unit. Raises RoundAnswerInvalid."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    usable = is_number and isfinite(value) and abs(value) <= _MAX_NUMBER
    _require(usable, f"{at}.value", "must be a number.")
    stated = canonical_unit(unit)
    _require(stated is not None, f"{at}.unit", f"`{unit[:40]}` is not known.")
    if not stated or stated == question.unit:
        return float(value)
    try:
        convert = unit_conversion(stated, question.unit)
    except ValueError as error:
        text = f"`{at}.unit` {unit[:40]!r} cannot be converted to {question.unit!r}."
        raise RoundAnswerInvalid(text, param=f"{at}.unit") from error
    return float(convert(np.array([float(value)]))[0])


def _require(holds: bool, field: str, reason: str) -> None:
    """Raise RoundAnswerInvalid for a field unless a condition holds."""
    if not holds:
        raise RoundAnswerInvalid(f"`{field}` {reason}", param=field)
