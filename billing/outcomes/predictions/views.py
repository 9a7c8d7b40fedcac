"""JSON representations of the prediction ledger for the API and the CLI."""

from dataclasses import asdict
from typing import Any

from billing.money import PPM
from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.predictions.assessment import Assessment
from billing.outcomes.predictions.content import instant_text
from billing.outcomes.predictions.events import PREFIX as EVENT_PREFIX
from billing.outcomes.predictions.score_query import LedgerScores, ResolvedEvent, ScoreRequest
from billing.outcomes.predictions.scores import Scores
from billing.outcomes.predictions.tokens import parse_record
from billing.outcomes.predictions.verification import ChainState
from billing.tables import PredictionEvent, PredictionRecord
from infra import ids


def record_json(row: PredictionRecord) -> dict[str, Any]:
    """Render a record: its signed fields, and the token that proves them."""
    payload = parse_record(row.token).payload
    agent = payload.agent
    return {
        "object": "prediction.record",
        "id": ids.format_id(PREDICTION_PREFIX, row.id),
        "position": payload.position,
        "recorded_at": instant_text(payload.recorded_at),
        "subject": payload.subject,
        "asset": payload.asset,
        "event": payload.event,
        "verdict": payload.verdict,
        "probability": _ratio(payload.probability_ppm),
        "from": instant_text(payload.since),
        "to": instant_text(payload.until),
        "question_sha256": payload.question_sha256,
        "basis": {
            "model": payload.basis.model,
            "version": payload.basis.version,
            "source": payload.basis.source,
            "request_ids": list(payload.basis.request_ids),
            "inputs_sha256": payload.basis.inputs_sha256,
            "record": payload.basis.record,
        },
        "agent": None if agent is None else {"id": agent.id, "version": agent.version},
        "idempotency_key": row.idempotency_key,
        "previous": payload.previous,
        "digest": row.digest.hex(),
        "kid": row.kid,
        "token": row.token,
    }


def report_json(row: PredictionEvent) -> dict[str, Any]:
    """Render a report of an event."""
    return {
        "object": "prediction.event",
        "id": ids.format_id(EVENT_PREFIX, row.id),
        "business_key": row.business_key,
        "event": row.event,
        "subject": row.subject,
        "happened_at": instant_text(row.happened_at),
        "happened": row.happened,
        "reported_at": instant_text(row.reported_at),
    }


def ledger_scores_json(wanted: ScoreRequest, found: LedgerScores) -> dict[str, Any]:
    """Render the scores of a ledger, with the request that they answer."""
    policy = wanted.policy
    return {
        "object": "prediction.scores",
        "event": wanted.event,
        "subject": wanted.subject,
        "from": instant_text(wanted.period.starts_at),
        "to": instant_text(wanted.period.ends_at),
        "probability": _ratio(policy.probability_ppm),
        "lead_hours": policy.lead.total_seconds() / 3600,
        "window_hours": policy.window.total_seconds() / 3600,
        "apart_hours": policy.apart.total_seconds() / 3600,
        "total": scores_json(found.total),
        "by_model": [
            {"model": one.model, "agent": one.agent, **scores_json(one.scores)}
            for one in found.by_forecaster
        ],
        "events": [_event_json(one) for one in found.events],
    }


def scores_json(scores: Scores) -> dict[str, Any]:
    """Render scores; ratios are decimals. Whether a period is paid is a contract's question."""
    return {
        "records": scores.records,
        "resolved": scores.resolved,
        "brier": scores.brier,
        "brier_reference": scores.brier_reference,
        "brier_skill": scores.brier_skill,
        "calibration": [asdict(one) for one in scores.calibration],
        **{
            name: value
            for name, value in assessment_json(scores.assessment).items()
            if name not in ("failed", "paid")
        },
    }


def assessment_json(assessment: Assessment) -> dict[str, Any]:
    """Render the figures of a period; ratios are decimals."""
    return {
        "events": assessment.events,
        "hits": assessment.hits,
        "missed": assessment.events - assessment.hits,
        "warnings": assessment.warnings,
        "true_warnings": assessment.true_warnings,
        "precision": _ratio(assessment.precision_ppm),
        "recall": _ratio(assessment.recall_ppm),
        "time_under_alarm": _ratio(assessment.alarm_ppm),
        "skill": _ratio(assessment.skill_ppm),
        "skill_lower_bound": _ratio(assessment.skill_lower_ppm),
        "probability_by_chance": _ratio(assessment.chance_ppm),
        "lead_hours": assessment.lead_hours,
        "failed": list(assessment.failed),
        "paid": assessment.is_paid,
    }


def verification_json(state: ChainState) -> dict[str, Any]:
    """Render how far a chain was verified, and its first fault."""
    fault = state.fault
    return {
        "object": "prediction.verification",
        "account": state.account,
        "valid": fault is None,
        "position": state.position,
        "head": state.head,
        "broken_at": None if fault is None else fault.position,
        "fault": None if fault is None else fault.fault,
    }


def _event_json(event: ResolvedEvent) -> dict[str, Any]:
    """Render an event with what became of its prediction."""
    return {**asdict(event), "happened_at": instant_text(event.happened_at)}


def _ratio(ppm: int | None) -> float | None:
    """Return a ratio as a decimal, None for None."""
    return None if ppm is None else ppm / PPM
