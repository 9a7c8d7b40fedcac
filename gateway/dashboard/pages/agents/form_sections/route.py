"""The section `[round]`, a route of assets with questions, in the form of an agent; pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.agents.definitions.rounds import RoundDocument
from gateway.dashboard.pages.agents.form_sections.numbers import (
    number_text,
    read_count,
    read_limit,
)
from gateway.dashboard.pages.agents.form_sections.rows import mark_row, row_prefixes

# A longer route is edited as TOML.
MAX_FORM_QUESTIONS = 80
_TEXTS = ("every", "at", "within", "images", "summary")
_DEFAULTS = {"at": "00:00", "within": "8h"}
_LANGUAGES = ("en", "zh")


def route_values(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the form for the route of a document."""
    section = document.get("round", {})
    values = {f"round.{name}": section.get(name, _DEFAULTS.get(name, "")) for name in _TEXTS}
    for index, stop in enumerate(section.get("stops", ())):
        at = f"round.stops[{index}]"
        values |= mark_row(at)
        values |= {f"{at}.{name}": stop.get(name, "") for name in ("asset", "name")}
        for number, question in enumerate(stop["questions"]):
            values |= _question_values(question, f"{at}.questions[{number}]")
    return values


def route_section(values: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the section that the fields of the form state, None without stops."""
    stops = [_stop(values, at) for at in row_prefixes(values, "round.stops")]
    if not stops:
        return None
    texts = {name: values.get(f"round.{name}", "").strip() for name in _TEXTS}
    return {**{name: text for name, text in texts.items() if text}, "stops": stops}


def fits_form(section: Mapping[str, Any]) -> bool:
    """Return whether the form can show a route without losing any of it.

    A long route, texts in further languages and options of several lines are edited as TOML.
    """
    if sum(len(stop["questions"]) for stop in section["stops"]) > MAX_FORM_QUESTIONS:
        return False
    again = route_section(route_values({"round": section}))
    return msgspec.convert(again, RoundDocument) == msgspec.convert(section, RoundDocument)


def _question_values(question: Mapping[str, Any], at: str) -> dict[str, str]:
    """Return the fields of a question."""
    text = question["text"]
    texts = text if isinstance(text, Mapping) else dict.fromkeys(_LANGUAGES, text)
    is_required = question.get("required", True)
    return {
        **mark_row(at),
        **{f"{at}.{name}": question.get(name, "") for name in ("id", "kind", "unit", "point")},
        **{f"{at}.text.{code}": texts.get(code, "") for code in _LANGUAGES},
        **{f"{at}.{name}": number_text(question.get(name)) for name in ("low", "high", "photos")},
        **{f"{at}.{name}": "\n".join(question.get(name, ())) for name in ("options", "alarm")},
        **({f"{at}.required": "1"} if is_required else {}),
    }


def _stop(values: Mapping[str, str], at: str) -> dict[str, Any]:
    """Return one stop of the route."""
    questions = [_question(values, one) for one in row_prefixes(values, f"{at}.questions")]
    texts = {name: values.get(f"{at}.{name}", "").strip() for name in ("asset", "name")}
    return {**texts, "questions": questions}


def _question(values: Mapping[str, str], at: str) -> dict[str, Any]:
    """Return one question. Fields that are empty keep their defaults."""
    fields: dict[str, Any] = {
        name: values.get(f"{at}.{name}", "").strip() for name in ("id", "kind", "unit", "point")
    }
    for name in ("low", "high"):
        limit = read_limit(values.get(f"{at}.{name}", ""))
        fields |= {} if limit is None else {name: limit}
    for name in ("options", "alarm"):
        fields[name] = _lines(values.get(f"{at}.{name}", ""))
    return {
        **fields,
        "text": _text(values, at),
        "required": bool(values.get(f"{at}.required")),
        "photos": read_count(values.get(f"{at}.photos", "")),
    }


def _text(values: Mapping[str, str], at: str) -> str | dict[str, str]:
    """Return the text of a question: one for all languages if both are the same."""
    stated = {code: values.get(f"{at}.text.{code}", "").strip() for code in _LANGUAGES}
    if len(set(stated.values())) == 1:
        return stated[_LANGUAGES[0]]
    return {code: text for code, text in stated.items() if text}


def _lines(text: str) -> list[str]:
    """Return the lines of a field that are not empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]
