"""JSON views of comparisons."""

from collections.abc import Iterable
from datetime import datetime
from math import isfinite
from typing import Any

from billing.money import nano_text
from gateway.evaluations.comparisons.contenders import ModelNote
from gateway.evaluations.comparisons.rows import COMPARISON_ID_PREFIX
from gateway.evaluations.comparisons.scoring import ComparisonReport, ContenderReport
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.tables import ModelComparison
from infra import ids
from models.observed.clusters import ClusterKind
from models.observed.resampling import LEVEL, ScoreInterval
from models.observed.shares import Share

# Significant digits of scores and shares.
_DIGITS = 6


def comparison_json(row: ModelComparison) -> dict[str, Any]:
    """Return a comparison as JSON; the figures are null until it is completed."""
    report = row.report or {}
    return {
        "id": ids.format_id(COMPARISON_ID_PREFIX, row.id),
        "object": "eval.comparison",
        "name": row.name,
        "status": row.status,
        "models": row.models,
        "file": ids.format_id(FILE_PREFIX, row.file_id),
        "target": row.options["target"],
        "rows": row.rows,
        "metric": report.get("metric"),
        "higher_is_better": report.get("higher_is_better"),
        "interval_level": LEVEL,
        "clusters": report.get("clusters"),
        "results": report.get("results"),
        "notes": [{"model": one["model"], "message": one["message"]} for one in notes_of(row)],
        "currency": row.currency,
        "max_cost": None if row.max_cost_nano is None else nano_text(row.max_cost_nano),
        "quoted_max_cost": nano_text(row.quoted_nano),
        "cost": nano_text(row.cost_nano),
        "error": row.error,
        "created_at": _unix_seconds(row.created_at),
        "finished_at": None if row.finished_at is None else _unix_seconds(row.finished_at),
    }


def notes_of(row: ModelComparison) -> list[dict[str, Any]]:
    """Return the stored notes of a comparison, each with its model, message and sentence."""
    notes: list[dict[str, Any]] = (row.report or {}).get("notes", [])
    return notes


def notes_json(notes: Iterable[ModelNote]) -> list[dict[str, Any]]:
    """Return notes as JSON, as they are shown."""
    return [{"model": one.model, "message": str(one.note)} for one in notes]


def report_json(
    report: ComparisonReport, clusters: ClusterKind, notes: Iterable[ModelNote] = ()
) -> dict[str, Any]:
    """Return the figures and notes of a comparison as JSON, as they are stored with it."""
    return {
        "metric": report.metric,
        "higher_is_better": report.higher_is_better,
        "clusters": clusters.value,
        "results": [_contender_json(one) for one in report.contenders],
        "notes": [
            {"model": one.model, "message": str(one.note), "sentence": one.note.as_json()}
            for one in notes
        ],
    }


def interval_json(score: ScoreInterval) -> list[float | None]:
    """Return the bounds of an interval as JSON; one that cannot be computed is None."""
    return [significant(score.low), significant(score.high)]


def share_json(share: Share) -> dict[str, Any]:
    """Return a share with its interval as JSON."""
    bounds = [significant(share.low), significant(share.high)]
    return {"share": significant(share.value), "interval_95": bounds, "rows": share.rows}


def significant(value: float) -> float | None:
    """Return a figure with the digits that are shown, None if it is not finite.

    JSON has no infinite numbers, and a stored report with one is refused by PostgreSQL.
    """
    return float(f"{value:.{_DIGITS}g}") if isfinite(value) else None


def _contender_json(one: ContenderReport) -> dict[str, Any]:
    """Return the figures of a model; `difference` and `verdict` are of the first model to it."""
    is_first = one.verdict is None
    return {
        "model": one.model,
        "output": one.output,
        "score": significant(one.score.value),
        "score_interval": interval_json(one.score),
        "first_is": None if one.verdict is None else one.verdict.value,
        "difference": None if is_first else significant(one.difference.value),
        "difference_interval": None if is_first else interval_json(one.difference),
        "interval_coverage": None if one.coverage is None else share_json(one.coverage),
    }


def _unix_seconds(moment: datetime) -> int:
    """Return the Unix time in whole seconds, rounded down."""
    return int(moment.timestamp())
