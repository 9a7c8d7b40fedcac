"""Train a version from a grid of readings, and report how it compares; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from gateway.agents.learned_files import file_hash
from gateway.agents.warnings.history import Grid, TrainingHistory, build_history
from gateway.agents.warnings.settings import FEWEST_EVENTS, MIN_EVENTS, WarningSettings
from models.policies.warnings.history import HistoryInvalid
from models.policies.warnings.rule_file import write_rule
from models.policies.warnings.scores import SensorScore
from models.policies.warnings.training import Evaluation, Measured, TrainedRule, train_rule

TOO_FEW_EVENTS, NOT_BETTER = "too_few_events", "not_better"
_DIGITS = 4
_MONTH_S = 30.4 * 86_400.0


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A rule as a file with its hash, and the report for its owner.

    reasons: why it is not shown to be better, none if it is.
    """

    content: bytes
    sha256: str
    report: dict[str, Any]
    reasons: tuple[str, ...]


def train_version(
    settings: WarningSettings, grid: Grid, events: Sequence[datetime], bound_to: str
) -> TrainedVersion:
    """Return the version of a grid and events. Raises HistoryInvalid with what they lack."""
    found = build_history(settings, grid, events, bound_to)
    if len(found.used) < FEWEST_EVENTS:
        raise HistoryInvalid(
            f"{len(found.used)} of {len(events)} events have readings before them; at least "
            f"{FEWEST_EVENTS} are needed."
        )
    trained = train_rule([found.history], settings.points, settings.terms)
    content = write_rule(trained.rule, bound_to)
    reasons = _reasons(trained.evaluation)
    report = _report(settings, found, trained, len(events))
    report["reasons"] = list(reasons)
    return TrainedVersion(content, file_hash(content), report, reasons)


def _reasons(evaluation: Evaluation) -> tuple[str, ...]:
    """Return why a rule is not shown to be better than a fixed limit."""
    found = []
    if evaluation.events < MIN_EVENTS:
        found.append(TOO_FEW_EVENTS)
    if not evaluation.is_better:
        found.append(NOT_BETTER)
    return tuple(found)


def _report(
    settings: WarningSettings, found: TrainingHistory, trained: TrainedRule, asked: int
) -> dict[str, Any]:
    """Return what an owner reads about a version."""
    evaluation, months = trained.evaluation, _months(settings, trained.evaluation.ticks)
    return {
        "kind": evaluation.kind,
        "events": evaluation.events,
        "events_asked": asked,
        "events_used": [one.isoformat() for one in found.used],
        "folds": evaluation.folds,
        "ticks": evaluation.ticks,
        "coverage": round(found.share, _DIGITS),
        "readings": {
            tag: round(share, _DIGITS)
            for tag, share in zip(settings.points, found.shares, strict=True)
        },
        "learned": _measured(evaluation.learned, months),
        "fixed": {**_measured(evaluation.fixed, months), **_limit(settings, trained)},
        "never": round(evaluation.never, _DIGITS),
        "candidates": {name: round(cost, _DIGITS) for name, cost in evaluation.candidates},
        "saving": {
            name: round(value, _DIGITS) if np.isfinite(value) else None
            for name, value in (
                ("value", evaluation.saving.value),
                ("low", evaluation.saving.low),
                ("high", evaluation.saving.high),
            )
        },
        "threshold_probability": round(trained.rule.threshold_probability, _DIGITS),
    }


def _measured(found: Measured, months: float) -> dict[str, Any]:
    """Return the counts and the cost of a rule on left-out parts."""
    return {
        "missed": found.missed,
        "false_alarms": found.false_alarms,
        "false_alarms_per_month": round(found.false_alarms / months, 3),
        "cost": round(found.cost, _DIGITS),
    }


def _limit(settings: WarningSettings, trained: TrainedRule) -> dict[str, Any]:
    """Return the fixed limit as a person would set it."""
    policy = trained.fixed
    if not isinstance(policy.score, SensorScore):
        return {}
    side = "above" if policy.score.sign > 0 else "below"
    value = policy.score.sign * policy.threshold
    return {"point": settings.points[policy.score.sensor], side: float(f"{value:.6g}")}


def _months(settings: WarningSettings, ticks: int) -> float:
    """Return the length of ticks in months."""
    return max(ticks * settings.every_s / _MONTH_S, 1e-9)
