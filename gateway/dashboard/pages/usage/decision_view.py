"""A decision record as the page of its call shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from billing.tables import DecisionRecord
from gateway.collaboration.decisions import RECORD_PREFIX
from infra import ids
from models.findings.sentences import name_of, number_text

_MAX_VALUES = 24


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure with its name in the page's language."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class DecisionView:
    """What a page shows of a record; texts are empty where the record has nothing."""

    id: str
    model: str
    version: str
    verdict: str
    probability: str
    figures: Sequence[ShownFigure]
    reasons: str
    outside: str
    subject: str


def decision_view(record: DecisionRecord, language: str) -> DecisionView:
    """Return a record for a page in a language, `en` or `zh`."""
    document: Mapping[str, Any] = msgspec.json.decode(record.document)
    basis, probability = document["basis"], document["probability"]
    between = "\u3001" if language == "zh" else ", "
    return DecisionView(
        id=ids.format_id(RECORD_PREFIX, record.id),
        model=record.model,
        version=basis["version"],
        verdict=record.verdict,
        probability="" if probability is None else f"{probability * 100:.1f} %",
        figures=[_figure(one, language) for one in document["figures"]],
        reasons=between.join(name_of(one, language) for one in basis["reasons"]),
        outside=between.join(name_of(one, language) for one in basis["outside_trained_range"]),
        subject=document["subject"] or "",
    )


def _figure(figure: Mapping[str, Any], language: str) -> ShownFigure:
    """Return a figure with its unit and interval."""
    value = figure["value"]
    if isinstance(value, list):
        text = ", ".join(number_text(one) for one in value[:_MAX_VALUES]) or "–"
    elif isinstance(value, str):
        text = value
    else:
        text = number_text(value)
    unit = figure["unit"]
    if unit and unit != "1":
        text = f"{text} {unit}"
    if figure["lower"] is not None and figure["upper"] is not None:
        text = f"{text} ({number_text(figure['lower'])} – {number_text(figure['upper'])})"
    return ShownFigure(name_of(figure["name"], language), text)
