"""How a candidate's answers compare with those of the current version: agreement and score."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from gateway.observations import shadows
from gateway.observations.rows import find_observed
from gateway.registry.variants import pinned_id, public_id
from gateway.tables import Observation, ShadowAnswer, ShadowDeployment
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.evaluation.statistics import Verdict
from models.observed.clusters import ClusterKind, plan_clusters
from models.observed.metrics import macro_f1, rmse
from models.observed.resampling import ScoreInterval, contest

# Fewer observed results say nothing about which version is better.
MIN_OBSERVED = 30
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class ObservedContest:
    """The scores of both versions on rows with an observed result; `verdict`: of the candidate."""

    rows: int
    clusters: ClusterKind
    metric: str
    current: ScoreInterval
    candidate: ScoreInterval
    difference: ScoreInterval
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """How often both versions agree: the same class, or a number within the other's interval.

    mean_difference: of the candidate's number less the current one's; typical_difference: the root
    of its mean square. None for classes and without rows.
    """

    rows: int
    agreement: float | None
    mean_difference: float | None
    typical_difference: float | None
    observed: ObservedContest | None


async def load_shadow_report(
    database: Database, account_id: UUID, model: str
) -> tuple[ShadowDeployment, ShadowReport]:
    """Return the newest shadow deployment of a model with its report.

    Raises ModelNotFound, ShadowNotFound.
    """
    async with database.transaction() as session:
        row = await shadows.find_shadow(session, account_id, model)
        answers = await shadows.list_answers(session, row)
        keys = [(one.request_id, one.row) for one in answers]
        observed = await find_observed(session, account_id, keys) if keys else {}
    return row, await asyncio.to_thread(report_shadow, answers, observed)


def report_shadow(
    answers: Sequence[ShadowAnswer], observed: Mapping[tuple[UUID, int], Observation]
) -> ShadowReport:
    """Return the report of answers; observed results by request id and row."""
    if not answers:
        return ShadowReport(0, None, None, None, None)
    known = [
        (one, observed[one.request_id, one.row])
        for one in answers
        if (one.request_id, one.row) in observed
    ]
    agreed = [_agrees(one.current, one.candidate) for one in answers]
    differences = [
        one.candidate["value"] - one.current["value"]
        for one in answers
        if "value" in one.current and "value" in one.candidate
    ]
    return ShadowReport(
        len(answers),
        float(np.mean(agreed)),
        float(np.mean(differences)) if differences else None,
        float(np.sqrt(np.mean(np.square(differences)))) if differences else None,
        _contest(known),
    )


def shadow_json(clock: Clock, row: ShadowDeployment, report: ShadowReport) -> dict[str, Any]:
    """Return a shadow deployment with its report as JSON."""
    name = public_id(row.base, row.account_id, row.name)
    return {
        "id": ids.format_id(shadows.SHADOW_ID_PREFIX, row.id),
        "object": "model.shadow",
        "model": pinned_id(name, row.current_version),
        "candidate": pinned_id(name, row.candidate_version),
        "status": shadows.status_of(clock, row).value,
        "share": row.share,
        "rows": row.rows,
        "max_rows": row.max_rows,
        "failed_calls": row.failed,
        "created_at": int(row.created_at.timestamp()),
        "ends_at": int(row.ends_at.timestamp()),
        "finished_at": None if row.finished_at is None else int(row.finished_at.timestamp()),
        "agreement": _short(report.agreement),
        "mean_difference": _short(report.mean_difference),
        "typical_difference": _short(report.typical_difference),
        "min_observed": MIN_OBSERVED,
        "observed": None if report.observed is None else _contest_json(report.observed),
    }


def _agrees(current: Mapping[str, Any], candidate: Mapping[str, Any]) -> bool:
    """Whether two results are the same class, or the number lies within the current interval."""
    if "value" in current and "value" in candidate:
        lower, upper = current.get("lower"), current.get("upper")
        if isinstance(lower, int | float) and isinstance(upper, int | float):
            return bool(lower <= candidate["value"] <= upper)
        return bool(current["value"] == candidate["value"])
    return _class_of(current) == _class_of(candidate)


def _contest(known: Sequence[tuple[ShadowAnswer, Observation]]) -> ObservedContest | None:
    """Score both versions on the observed results; None if there are few."""
    if len(known) < MIN_OBSERVED:
        return None
    is_class = known[0][1].observed_class is not None
    if is_class:
        names = [
            (row.observed_class or "", _class_of(one.candidate), _class_of(one.current))
            for one, row in known
        ]
        codes = {name: float(code) for code, name in enumerate(sorted({*sum(names, ())}))}
        values = np.array([[codes[name] for name in each] for each in names])
    else:
        values = np.array(
            [
                (row.observed_number, one.candidate.get("value"), one.current.get("value"))
                for one, row in known
            ],
            dtype=np.float64,
        )
    machines = [row.machine for _, row in known]
    kind, clusters = plan_clusters(machines if all(machines) else None, None, len(known))
    truth, candidate, current = values.T
    metric = macro_f1 if is_class else rmse
    found = contest(metric, is_class, truth, [candidate, current], clusters)
    difference = found.differences[1]
    verdict = Verdict.NO_DIFFERENCE_SHOWN
    if difference.low > 0 or difference.high < 0:
        verdict = Verdict.BETTER if difference.low > 0 else Verdict.WORSE
    return ObservedContest(
        len(known),
        kind,
        "macro-F1" if is_class else "RMSE",
        found.scores[1],
        found.scores[0],
        difference,
        verdict,
    )


def _class_of(result: Mapping[str, Any]) -> str:
    """Return the class of a result as text."""
    value = result.get("class", result.get("label", ""))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _contest_json(one: ObservedContest) -> dict[str, Any]:
    """Return the scores on observed results as JSON."""
    return {
        "rows": one.rows,
        "clusters": one.clusters.value,
        "metric": one.metric,
        "current": {"score": _short(one.current.value), "interval_95": _bounds(one.current)},
        "candidate": {"score": _short(one.candidate.value), "interval_95": _bounds(one.candidate)},
        "difference_interval": _bounds(one.difference),
        "candidate_is": one.verdict.value,
    }


def _bounds(score: ScoreInterval) -> list[float | None]:
    """Return the bounds of an interval as JSON."""
    return [_short(score.low), _short(score.high)]


def _short(value: float | None) -> float | None:
    """Return a figure with the digits that are shown."""
    return None if value is None else float(f"{value:.{_DIGITS}g}")
