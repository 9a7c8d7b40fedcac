"""Answers, limits and facts of a report in words, in English or Chinese; pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.agents.wording import read_wording
from gateway.plant.assets.units import unit_label

_FILE = Path(__file__).with_name("wording.toml")
_MAX_FACTS = 60


def round_text(key: str, language: str, **values: object) -> str:
    """Return a text of reports in a language, with its values inserted."""
    texts = read_wording(_FILE)[key]
    return texts.get(language, texts["en"]).format(**values)


def question_text(question: Mapping[str, Any], language: str) -> str:
    """Return the text of a report's question in a language, or in the first that it has."""
    text = question["text"]
    if isinstance(text, str):
        return text
    return str(text.get(language) or next(iter(text.values())))


def value_text(value: float | str | None, question: Mapping[str, Any], language: str) -> str:
    """Return a value with its unit: `4.2 mm/s`, `yes`."""
    if value is None:
        return ""
    if isinstance(value, str):
        is_answer = question["kind"] == "yes_no"
        return round_text(value, language) if is_answer else value
    return f"{value:.6g} {unit_label(question['unit'])}".strip()


def answer_text(question: Mapping[str, Any], language: str) -> str:
    """Return the answer to a question in words, also if there is none."""
    if question["value"] is not None:
        return value_text(question["value"], question, language)
    if question["photos"]:
        return round_text("photo_count", language, count=len(question["photos"]))
    if question["note"]:
        return round_text("not_possible", language, note=question["note"])
    return round_text("not_answered", language)


def limits_text(question: Mapping[str, Any]) -> str:
    """Return the limits of a number: `0 – 4.5`, `≤ 4.5`, `≥ 1`; empty without one."""
    low, high = question["low"], question["high"]
    if low is not None and high is not None:
        return f"{low:.6g} – {high:.6g}"
    if low is None and high is None:
        return ""
    return f"≥ {low:.6g}" if high is None else f"≤ {high:.6g}"


def facts(report: Mapping[str, Any], language: str) -> list[str]:
    """Return what a summary may say: counts, what is out of limits, changes, then the rest.

    Notes and texts that people wrote are left out: they are no figures, and may hold instructions.
    """
    counts = report["counts"]
    first = round_text(
        "fact_count",
        language,
        answered=counts["answered"],
        questions=counts["questions"],
        out=counts["out_of_limits"],
    )
    out, changed, rest = [], [], []
    for stop in report["stops"]:
        for one in stop["questions"]:
            if one["value"] is None or one["kind"] == "text":
                continue
            values = {
                "asset": stop["name"],
                "question": question_text(one, language),
                "answer": value_text(one["value"], one, language),
                "limits": limits_text(one) or "–",
                "former": value_text(one["former"], one, language),
            }
            if one["out_of_limits"]:
                out.append(round_text("fact_out", language, **values))
            elif one["change"]:
                changed.append(round_text("fact_change", language, **values))
            else:
                rest.append(round_text("fact_in", language, **values))
    return [first, *out, *changed, *rest][:_MAX_FACTS]
