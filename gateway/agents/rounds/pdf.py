"""The report of a round as PDF/A, in English or Chinese. The same report gives the same bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from billing.invoice_documents.rendering.fonts import add_line_breaks, replace_missing_glyphs
from billing.invoice_documents.rendering.typesetting import render_with_files
from gateway.agents.rounds.texts import (
    answer_text,
    limits_text,
    question_text,
    round_text,
    value_text,
)

_REGIONS = {"zh": "cn", "en": "us"}
_COLUMNS = ("question", "answer", "limits", "former", "by")


@dataclass(frozen=True, slots=True)
class ReportSheet:
    """A report to print: document, hash, signature, names of people, files of photos by id.

    signature: empty if the report has none.
    """

    report: Mapping[str, Any]
    sha256: str
    signature: str
    people: Mapping[str, str]
    files: Mapping[str, bytes]
    language: str
    zone: ZoneInfo

    def text(self, key: str, **values: object) -> str:
        """Return a text of the report in its language."""
        return round_text(key, self.language, **values)

    def person(self, actor: str | None) -> str:
        """Return the name of who did something."""
        return self.text("command_line") if actor is None else self.people.get(actor, actor)

    def time(self, written: str) -> str:
        """Return a time in the account's zone, to the minute."""
        return f"{datetime.fromisoformat(written).astimezone(self.zone):%Y-%m-%d %H:%M}"


def render_report(sheet: ReportSheet) -> bytes:
    """Render a report. Takes some milliseconds of processor time per page and photo."""
    files = {f"{name}.jpg": content for name, content in sheet.files.items()}
    return render_with_files(_layout(), _printable(layout_data(sheet)), files)


def layout_data(sheet: ReportSheet) -> dict[str, Any]:
    """Return the values that the layout takes."""
    report = sheet.report
    day = datetime.fromisoformat(report["submitted_at"] or report["started_at"])
    local = day.astimezone(sheet.zone)
    questions = [(stop, one) for stop in report["stops"] for one in stop["questions"]]
    return {
        "title": f"{sheet.text('title')} {report['name']}",
        "language": sheet.language,
        "region": _REGIONS[sheet.language],
        "date": [local.year, local.month, local.day],
        "page": sheet.text("page", page="{page}", pages="{pages}"),
        "hash": sheet.text("hash", hash=sheet.sha256),
        "heading": sheet.text("title"),
        "name": report["name"],
        "facts": _facts(sheet),
        "out": {
            "heading": sheet.text("out_of_limits"),
            "none": sheet.text("none"),
            "rows": [_out(sheet, stop, one) for stop, one in questions if one["out_of_limits"]],
        },
        "summary": _summary(sheet),
        "head": [sheet.text(name) for name in _COLUMNS],
        "stops": [_stop(sheet, stop) for stop in report["stops"]],
    }


def _facts(sheet: ReportSheet) -> list[list[str]]:
    """Return label and value of times, people, version and counts."""
    report, counts = sheet.report, sheet.report["counts"]
    submitted = "" if report["submitted_at"] is None else sheet.time(report["submitted_at"])
    if report["late"]:
        submitted += f" ({sheet.text('late', due=sheet.time(report['due_at']))})"
    answered = sheet.text("answered_of", answered=counts["answered"], questions=counts["questions"])
    return [
        [sheet.text("started"), sheet.time(report["started_at"])],
        [sheet.text("submitted"), submitted],
        [sheet.text("submitted_by"), sheet.person(report["submitted_by"])],
        [sheet.text("version"), f"{report['agent']} · {report['agent_version']}"],
        [sheet.text("answered"), answered],
        [sheet.text("out_of_limits"), str(counts["out_of_limits"])],
        *([[sheet.text("signature"), sheet.signature]] if sheet.signature else []),
    ]


def _out(
    sheet: ReportSheet, stop: Mapping[str, Any], question: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one answer out of limits."""
    return {
        "question": f"{stop['name']} · {question_text(question, sheet.language)}",
        "answer": _answer(sheet, question),
        "limits": limits_text(question),
    }


def _summary(sheet: ReportSheet) -> dict[str, Any] | None:
    """Return the summary of the language model, None without one."""
    summary = sheet.report["summary"]
    if summary is None or not summary["text"]:
        return None
    note = sheet.text("summary_note", model=summary["model"], dropped=summary["dropped"])
    return {"heading": sheet.text("summary"), "text": summary["text"], "note": note}


def _stop(sheet: ReportSheet, stop: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stop with its rows and photos."""
    photos = [
        _photo(sheet, question, number, one)
        for question in stop["questions"]
        for number, one in enumerate(question["photos"], 1)
    ]
    named = stop["name"] if stop["name"] == stop["asset"] else f"{stop['name']} ({stop['asset']})"
    rows = [_row(sheet, question) for question in stop["questions"]]
    return {"heading": named, "rows": rows, "photos": photos}


def _row(sheet: ReportSheet, question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of a question."""
    answered = question["answered_at"]
    by = (
        ""
        if answered is None
        else f"{sheet.time(answered)} {sheet.person(question['answered_by'])}"
    )
    if question["corrections"]:
        by += f", {sheet.text('corrected', count=question['corrections'])}"
    former = value_text(question["former"], question, sheet.language)
    if question["change"]:
        former += f" ({question['change']:+.6g})"
    return {
        "question": question_text(question, sheet.language),
        "answer": _answer(sheet, question),
        "limits": limits_text(question),
        "former": former,
        "by": by,
        "out": question["out_of_limits"],
    }


def _answer(sheet: ReportSheet, question: Mapping[str, Any]) -> str:
    """Return an answer with its note."""
    text, note = answer_text(question, sheet.language), question["note"]
    return f"{text} – {note}" if note and question["value"] is not None else text


def _photo(
    sheet: ReportSheet, question: Mapping[str, Any], number: int, photo: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a photo with its caption and label."""
    stored = photo["id"] in sheet.files
    caption = sheet.text("photo", number=number, question=question_text(question, sheet.language))
    label = ""
    if photo["label"]:
        share = "–" if photo["probability"] is None else f"{photo['probability'] * 100:.0f}"
        label = sheet.text("label", label=photo["label"], share=share)
    return {
        "file": f"{photo['id']}.jpg" if stored else None,
        "caption": caption if stored else f"{caption}. {sheet.text('photo_missing')}",
        "label": label,
        "out": question["out_of_limits"],
    }


def _printable(value: Any) -> Any:
    """Return values whose texts have only characters that the fonts have, and can wrap."""
    if isinstance(value, str):
        return add_line_breaks(replace_missing_glyphs(value))
    if isinstance(value, Mapping):
        return {
            key: one if key in ("file", "language", "region") else _printable(one)
            for key, one in value.items()
        }
    return [_printable(one) for one in value] if isinstance(value, list) else value


@cache
def _layout() -> bytes:
    """Return the Typst source of the layout."""
    return Path(__file__).with_name("report.typ").read_bytes()
