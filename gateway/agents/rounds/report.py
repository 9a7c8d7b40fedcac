"""The report of a round as a document with a hash: answers, photos, limits, former values; pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.agents.definitions.rounds import Question, RoundPlan, Stop
from gateway.agents.public_ids import AGENT, PHOTO, ROUND
from gateway.agents.rounds.answers import Place, RoundAnswer
from gateway.agents.rounds.findings import is_out_of_limits
from gateway.agents.rounds.loading import RoundContent
from gateway.registry.files import PREFIX as FILE
from gateway.tables.agents_rounds import AgentRound, AgentRoundPhoto
from infra import ids


def build_report(row: AgentRound, plan: RoundPlan, content: RoundContent) -> dict[str, Any]:
    """Return the report of a submitted round."""
    answers = content.answers
    stops = [_stop(number, stop, answers, content) for number, stop in enumerate(plan.stops)]
    questions = [one for stop in stops for one in stop["questions"]]
    former = content.former_round
    return {
        "round": ids.format_id(ROUND, row.id),
        "agent": ids.format_id(AGENT, row.agent_id),
        "agent_version": row.agent_version,
        "name": row.name,
        "started_at": row.started_at.isoformat(),
        "due_at": row.due_at.isoformat(),
        "submitted_at": None if row.submitted_at is None else row.submitted_at.isoformat(),
        "submitted_by": row.submitted_by,
        "late": row.submitted_at is not None and row.submitted_at > row.due_at,
        "former_round": None if former is None else ids.format_id(ROUND, former),
        "counts": {
            "questions": len(questions),
            "answered": sum(one["answered"] for one in questions),
            "out_of_limits": sum(one["out_of_limits"] for one in questions),
            "not_answered": sum(not one["answered"] for one in questions),
            "photos": len(content.photos),
        },
        "stops": stops,
        "summary": row.summary,
    }


def report_hash(report: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a report in hexadecimal, over JSON with sorted keys."""
    return hashlib.sha256(msgspec.json.encode(report, order="sorted")).hexdigest()


def _stop(
    number: int, stop: Stop, answers: Mapping[Place, RoundAnswer], content: RoundContent
) -> dict[str, Any]:
    """Return a stop with its questions and answers."""
    return {
        "asset": stop.asset,
        "name": stop.name or content.asset_names.get(stop.asset, stop.asset),
        "questions": [
            _question((number, one.id), one, answers.get((number, one.id)), content)
            for one in stop.questions
        ],
    }


def _question(
    place: Place, question: Question, answer: RoundAnswer | None, content: RoundContent
) -> dict[str, Any]:
    """Return a question with its answer, the former one, and its photos."""
    photos = [one for one in content.photos if (one.stop, one.question) == place]
    value = None if answer is None else answer.value
    former = content.former.get(place)
    labels = {one.label for one in photos if one.label}
    return {
        "id": question.id,
        "text": question.text,
        "kind": question.kind.value,
        "unit": question.unit,
        "low": question.low,
        "high": question.high,
        "point": question.point,
        "value": value,
        "note": "" if answer is None else answer.note,
        "answered": value is not None or bool(photos),
        "answered_at": None if answer is None else answer.answered_at.isoformat(),
        "answered_by": None if answer is None else content.authors.get(answer.key),
        "corrections": max(0, sum(one.place == place for one in content.given) - 1),
        "out_of_limits": is_out_of_limits(question, value) or bool(labels & set(question.alarm)),
        "former": None if former is None else former.value,
        "change": _change(value, None if former is None else former.value),
        "photos": [_photo(one) for one in photos],
    }


def _change(value: float | str | None, former: float | str | None) -> float | None:
    """Return the difference of a number to that of the round before, to 12 digits."""
    if isinstance(value, float) and isinstance(former, float):
        return float(f"{value - former:.12g}")
    return None


def _photo(row: AgentRoundPhoto) -> dict[str, Any]:
    """Return a photo with the hash of its file and its label."""
    return {
        "id": ids.format_id(PHOTO, row.id),
        "file": ids.format_id(FILE, row.file_id),
        "sha256": row.sha256,
        "width": row.width,
        "height": row.height,
        "added_by": row.added_by,
        "created_at": row.created_at.isoformat(),
        "label": row.label,
        "probability": row.probability,
        "error": row.error,
    }
