"""Predicted against observed by version, for the API, the command line and pages."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.observations.rows import list_pairs
from gateway.registry.variants import list_live_versions, pinned_id
from infra.database.database import Database
from models.observed.report import (
    MIN_ROWS,
    CalibrationBin,
    ObservedReport,
    Pair,
    Promise,
    WeekFigures,
    report_observed,
)
from models.observed.resampling import LEVEL
from models.observed.shares import Share

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class VersionReport:
    """The report of a version, None if it has no observed results."""

    version: int
    is_current: bool
    report: ObservedReport | None


async def load_reports(database: Database, account_id: UUID, model: str) -> Sequence[VersionReport]:
    """Return the reports of all callable versions of an own model, newest first.

    Figures are computed in a thread, without a database session. Raises ModelNotFound.
    """
    async with database.transaction() as session:
        found = await _list_pairs(session, account_id, model)
    return [
        VersionReport(version, is_current, await asyncio.to_thread(report_observed, pairs))
        for version, is_current, pairs in found
    ]


def reports_json(model: str, reports: Sequence[VersionReport]) -> dict[str, Any]:
    """Return the reports of a model's versions as JSON."""
    data = [version_json(model, one) for one in reports]
    return {"object": "list", "data": data, "has_more": False}


def version_json(model: str, one: VersionReport) -> dict[str, Any]:
    """Return the report of a version as JSON."""
    head = {
        "object": "model.observations",
        "model": pinned_id(model, one.version),
        "version": one.version,
        "current": one.is_current,
    }
    report = one.report
    if report is None:
        return {**head, "rows": 0}
    return {
        **head,
        "rows": report.rows,
        "min_rows": MIN_ROWS,
        "clusters": report.clusters.value,
        "metric": report.metric,
        "higher_is_better": report.higher_is_better,
        "score": _short(report.score.value),
        "score_interval": [_short(report.score.low), _short(report.score.high)],
        "interval_level": LEVEL,
        "mean_error": None if report.error is None else _short(report.error),
        "promise": None if report.promise is None else _promise_json(report.promise),
        "calibration": [_bin_json(one) for one in report.calibration],
        "weeks": [_week_json(one) for one in report.weeks],
    }


async def _list_pairs(
    session: AsyncSession, account_id: UUID, model: str
) -> list[tuple[int, bool, list[Pair]]]:
    """Return the pairs of each version, newest version first. Raises ModelNotFound."""
    versions = await list_live_versions(session, account_id, model)
    return [
        (row.version, row.current, await list_pairs(session, account_id, row.id))
        for row in reversed(versions)
    ]


def _promise_json(promise: Promise) -> dict[str, Any]:
    """Return a promise as JSON: what was promised on average, what was observed."""
    return {
        "nominal": _short(promise.nominal),
        **_share_json(promise.observed),
        "kept": promise.is_kept,
    }


def _bin_json(one: CalibrationBin) -> dict[str, Any]:
    """Return a bin of the calibration as JSON."""
    return {"probability": _short(one.probability), **_share_json(one.correct)}


def _share_json(share: Share) -> dict[str, Any]:
    """Return an observed share as JSON."""
    return {
        "observed": _short(share.value),
        "interval_95": [_short(share.low), _short(share.high)],
        "rows": share.rows,
    }


def _week_json(week: WeekFigures) -> dict[str, Any]:
    """Return the figures of a week as JSON."""
    return {
        "start": week.start.isoformat(),
        "rows": week.rows,
        "score": _short(week.score),
        "mean_error": None if week.error is None else _short(week.error),
        "kept_share": None if week.share is None else _short(week.share),
    }


def _short(value: float) -> float:
    """Return a figure with the digits that are shown."""
    return float(f"{value:.{_DIGITS}g}")
