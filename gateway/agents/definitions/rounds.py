"""Section `[round]`: a route of assets with questions, as written and as checked."""

import re
from collections.abc import Sequence
from enum import StrEnum
from math import isfinite
from typing import Any

import msgspec

from gateway.agents.definitions.durations import DurationInvalid, format_duration, parse_duration
from gateway.agents.definitions.tools import ToolKind, Toolset
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.plant.assets.units import canonical_unit

MAX_STOPS, MAX_QUESTIONS, MAX_OPTIONS, MAX_PHOTOS = 100, 30, 20, 5
MIN_EVERY_S, MAX_EVERY_S = 900.0, 366 * 86_400.0
_MAX_TEXT, _MAX_LIMIT = 300, 1e15
_ID = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
YES, NO = "yes", "no"


class QuestionKind(StrEnum):
    """The kind of answer that a question asks for."""

    NUMBER = "number"
    YES_NO = "yes_no"
    CHOICE = "choice"
    TEXT = "text"
    PHOTO = "photo"


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question at a stop.

    text: by language, or one text for all. low, high: limits of a number, in `unit`. point: the tag
    whose reading the number becomes. alarm: options, `yes` or `no`, or classes of a photo, that
    raise the question. photos: how many may be added to the answer.
    """

    id: str
    text: str | dict[str, str]
    kind: QuestionKind
    unit: str = ""
    low: float | None = None
    high: float | None = None
    point: str = ""
    options: tuple[str, ...] = ()
    alarm: tuple[str, ...] = ()
    required: bool = True
    photos: int = 0

    def title(self, language: str) -> str:
        """Return the text in a language, or in the first one that there is."""
        if isinstance(self.text, str):
            return self.text
        return self.text.get(language) or next(iter(self.text.values()))

    @property
    def max_photos(self) -> int:
        """How many photos an answer may have."""
        return max(self.photos, 1) if self.kind is QuestionKind.PHOTO else self.photos


class Stop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stop of the route: the code of the asset, by default the agent's, and its questions."""

    questions: tuple[Question, ...]
    asset: str = ""
    name: str = ""


class RoundDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section as written. at: time of day in the account's time zone."""

    stops: tuple[Stop, ...]
    every: str = ""
    at: str = "00:00"
    within: str = "8h"
    images: str = ""
    summary: str = ""


class RoundPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The section as checked.

    every_s: 0 for rounds that are started by hand only. within_s: a round that is sent later is
    late. images: the tool that classifies photos. summary: the tool that writes the summary.
    """

    stops: tuple[Stop, ...]
    every_s: float
    at: str
    within_s: float
    images: str = ""
    summary: str = ""


def check_round(document: RoundDocument | None, toolset: Toolset, asset: str) -> RoundPlan | None:
    """Return the route of a definition, None without one. Raises AgentDefinitionInvalid.

    asset: that of the agent, for stops that name none.
    """
    if document is None:
        return None
    _require(1 <= len(document.stops) <= MAX_STOPS, "round.stops", f"has 1 to {MAX_STOPS} entries.")
    _require(_CLOCK.fullmatch(document.at) is not None, "round.at", "must be a time such as 06:30.")
    stops = tuple(
        _stop(msgspec.structs.replace(one, asset=one.asset.strip() or asset), f"round.stops[{at}]")
        for at, one in enumerate(document.stops)
    )
    every_s = _seconds(document.every, "round.every") if document.every else 0.0
    _require(
        not every_s or MIN_EVERY_S <= every_s <= MAX_EVERY_S,
        "round.every",
        "must be from `15m` to `366d`.",
    )
    is_images = not document.images or toolset.find(document.images, ToolKind.SPECIALIST)
    _require(bool(is_images), "round.images", "must name an allowed specialist.")
    writes = not document.summary or toolset.find(document.summary, ToolKind.LANGUAGE_MODEL)
    _require(bool(writes), "round.summary", "must name an allowed language model.")
    return RoundPlan(
        stops=stops,
        every_s=every_s,
        at=document.at,
        within_s=_seconds(document.within, "round.within"),
        images=document.images,
        summary=document.summary,
    )


def round_fields(plan: RoundPlan) -> dict[str, Any]:
    """Return the section as people write it, without fields that have their default."""
    fields: dict[str, Any] = {
        "stops": [_stop_fields(one) for one in plan.stops],
        "every": format_duration(plan.every_s) if plan.every_s else "",
        "at": plan.at,
        "within": format_duration(plan.within_s),
        "images": plan.images,
        "summary": plan.summary,
    }
    return {name: value for name, value in fields.items() if value != ""}


def _stop_fields(stop: Stop) -> dict[str, Any]:
    """Return a stop as people write it."""
    named = {"name": stop.name} if stop.name else {}
    return {"asset": stop.asset, **named, "questions": [_stated(one) for one in stop.questions]}


def _stated(question: Question) -> dict[str, Any]:
    """Return the fields of a question that differ from their defaults."""
    defaults = Question(id="", text="", kind=QuestionKind.TEXT)
    fields: dict[str, Any] = msgspec.to_builtins(question)
    always = ("id", "text", "kind")
    return {
        name: value
        for name, value in fields.items()
        if name in always or getattr(question, name) != getattr(defaults, name)
    }


def _stop(stop: Stop, at: str) -> Stop:
    """Return a stop with the units of its questions in their usual form."""
    _require(0 < len(stop.asset) <= _MAX_TEXT, f"{at}.asset", f"has 1 to {_MAX_TEXT} characters.")
    _require(len(stop.name) <= _MAX_TEXT, f"{at}.name", f"has at most {_MAX_TEXT} characters.")
    count = len(stop.questions)
    _require(1 <= count <= MAX_QUESTIONS, f"{at}.questions", f"has 1 to {MAX_QUESTIONS} entries.")
    ids = {one.id for one in stop.questions}
    _require(len(ids) == count, f"{at}.questions", "need different ids.")
    checked = [
        _question(one, f"{at}.questions[{index}]") for index, one in enumerate(stop.questions)
    ]
    return msgspec.structs.replace(stop, questions=tuple(checked))


def _question(question: Question, at: str) -> Question:
    """Return a question with its unit in the usual form. Raises AgentDefinitionInvalid."""
    _require(_ID.fullmatch(question.id) is not None, f"{at}.id", "must be like `oil_level`.")
    texts = [question.text] if isinstance(question.text, str) else list(question.text.values())
    is_text = bool(texts) and all(0 < len(one.strip()) <= _MAX_TEXT for one in texts)
    _require(is_text, f"{at}.text", f"has 1 to {_MAX_TEXT} characters.")
    _require(0 <= question.photos <= MAX_PHOTOS, f"{at}.photos", f"is {MAX_PHOTOS} at most.")
    unit = canonical_unit(question.unit)
    _require(unit is not None, f"{at}.unit", f"`{question.unit[:40]}` is not known.")
    _require_numeric(question, at)
    allowed = _allowed_alarms(question)
    known = allowed is None or set(question.alarm) <= set(allowed)
    _require(known, f"{at}.alarm", "must name answers of this question.")
    return msgspec.structs.replace(question, unit=unit or "")


def _require_numeric(question: Question, at: str) -> None:
    """Raise AgentDefinitionInvalid if limits, unit, point or options are of another kind."""
    is_number = question.kind is QuestionKind.NUMBER
    limits = [one for one in (question.low, question.high) if one is not None]
    has_numeric = bool(limits or question.unit or question.point)
    _require(is_number or not has_numeric, at, "has a unit, limits or a point, but is no number.")
    fine = all(isfinite(one) and abs(one) <= _MAX_LIMIT for one in limits)
    _require(fine and limits == sorted(limits), at, "needs `low` below `high`.")
    is_choice = question.kind is QuestionKind.CHOICE
    count = len(set(question.options))
    right = 2 <= count <= MAX_OPTIONS and count == len(question.options)
    _require(
        right if is_choice else not count,
        f"{at}.options",
        f"has 2 to {MAX_OPTIONS} different entries for a choice only.",
    )


def _allowed_alarms(question: Question) -> Sequence[str] | None:
    """Return what may raise a question; None if anything may, as classes of photos."""
    match question.kind:
        case QuestionKind.YES_NO:
            return (YES, NO)
        case QuestionKind.CHOICE:
            return question.options
        case QuestionKind.PHOTO:
            return None
    return ()


def _seconds(text: str, field: str) -> float:
    """Return the seconds of a duration. Raises AgentDefinitionInvalid."""
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise AgentDefinitionInvalid(f"`{field}` {error}", param=field) from error


def _require(holds: bool, field: str, reason: str) -> None:
    """Raise AgentDefinitionInvalid for a field unless a condition holds."""
    if not holds:
        raise AgentDefinitionInvalid(f"`{field}` {reason}", param=field)
