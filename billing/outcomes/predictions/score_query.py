"""Scores of an account's ledger: load records and events of a time range, score them by model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.contracts.attribution import ClaimRefusal
from billing.outcomes.contracts.prediction_rules import is_event_kind
from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.predictions.alarms import (
    Forecast,
    ObservedEvent,
    Period,
    WarningPolicy,
    distinct_events,
    first_warning,
)
from billing.outcomes.predictions.assessment import Requirements
from billing.outcomes.predictions.errors import PredictionInvalid
from billing.outcomes.predictions.events import OUTCOME_PREFIX, PREFIX, list_happened
from billing.outcomes.predictions.ledger import RecordFilter, list_records_about
from billing.outcomes.predictions.model_keys import list_keys
from billing.outcomes.predictions.scores import Scores, score
from billing.outcomes.predictions.support import forecast_of, is_revoked
from billing.outcomes.predictions.tokens import ParsedRecord, parse_record
from billing.tables import Outcome, PredictionEvent, PredictionRecord
from infra import ids
from infra.clock import Clock

MAX_SCORED = 50_000
# What the scores page compares with; a contract states its own.
DEFAULT_POLICY = WarningPolicy(500_000, timedelta(), timedelta(hours=336), timedelta(hours=72))
DEFAULT_REQUIREMENTS = Requirements(990_000, 500_000, 500_000)


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Which records to score: one kind of event, optionally of one subject, model or agent."""

    event: str
    period: Period
    subject: str | None = None
    model: str | None = None
    agent: str | None = None
    policy: WarningPolicy = DEFAULT_POLICY


@dataclass(frozen=True, slots=True)
class ForecasterScores:
    """The scores of one model, and of its agent if one made the records.

    An agent is scored on the subjects that it predicted, a model on all.
    """

    model: str
    agent: str | None
    scores: Scores


@dataclass(frozen=True, slots=True)
class ResolvedEvent:
    """An event and what became of its prediction: `confirmed`, `missed` or `denied`.

    A confirmed one names the first record that covers it and the lead in hours; a denied one is a
    predicted event that did not come.
    """

    id: str
    subject: str
    happened_at: datetime
    status: str
    prediction: str | None = None
    lead_hours: float | None = None


@dataclass(frozen=True, slots=True)
class LedgerScores:
    """The scores of all records together, by model and agent, and the events of the period."""

    total: Scores
    by_forecaster: tuple[ForecasterScores, ...]
    events: tuple[ResolvedEvent, ...]


async def list_event_kinds(session: AsyncSession, account_id: UUID) -> list[str]:
    """List the kinds of events of an account's records, by name."""
    query = select(PredictionRecord.event).where(col(PredictionRecord.account_id) == account_id)
    return sorted(set((await session.scalars(query.distinct())).all()))


async def score_ledger(
    session: AsyncSession, clock: Clock, account_id: UUID, wanted: ScoreRequest
) -> LedgerScores:
    """Score the records of a period. Raises PredictionInvalid for a bad event kind or range."""
    period = wanted.period
    if not is_event_kind(wanted.event):
        raise PredictionInvalid("event: must be a name such as pump_failure.", param="event")
    if period.starts_at >= period.ends_at:
        raise PredictionInvalid("to: must be later than from.", param="to")
    chosen = RecordFilter(wanted.subject, wanted.event, wanted.model, wanted.agent)
    rows = await list_records_about(
        session, account_id, chosen, period.starts_at, period.ends_at, MAX_SCORED + 1
    )
    if len(rows) > MAX_SCORED:
        message = f"from: the time range has more than {MAX_SCORED} records; choose a shorter one."
        raise PredictionInvalid(message, param="from")
    keys = {one.kid: one.invalid_from for one in await list_keys(session)}
    records = [parse_record(row.token) for row in rows]
    happened = await list_happened(
        session, account_id, wanted.event, period.starts_at, period.ends_at
    )
    if wanted.subject is not None:
        happened = [one for one in happened if one.subject == wanted.subject]
    denied = await list_denied(session, account_id, wanted)
    forecasts = [
        (record, forecast_of(record.payload, supports=not is_revoked(record, keys[record.kid])))
        for record in records
    ]
    return _scored(wanted, clock.now(), forecasts, happened, denied)


def _scored(
    wanted: ScoreRequest,
    now: datetime,
    forecasts: Sequence[tuple[ParsedRecord, Forecast]],
    happened: Sequence[ObservedEvent],
    denied: Sequence[ResolvedEvent],
) -> LedgerScores:
    """Score all records together and by model and agent."""
    by_forecaster: dict[tuple[str, str | None], list[Forecast]] = {}
    for record, forecast in forecasts:
        agent = record.payload.agent
        key = record.payload.basis.model, None if agent is None else agent.id
        by_forecaster.setdefault(key, []).append(forecast)
    every = [forecast for _, forecast in forecasts]
    period = Period(wanted.period.starts_at, min(wanted.period.ends_at, now))
    if period.starts_at >= period.ends_at:
        period = wanted.period
    subjects = sorted({one.subject for one in every} | {one.subject for one in happened})

    def scores_of(chosen: Sequence[Forecast], agent: str | None = None) -> Scores:
        """Return the scores of records against all events, or those that an agent could predict."""
        watched = sorted({one.subject for one in chosen}) if agent is not None else subjects
        return score(wanted.policy, DEFAULT_REQUIREMENTS, watched, period, chosen, happened, now)

    events = [
        _resolve(wanted.policy, every, one)
        for group in distinct_events(wanted.policy, happened).values()
        for one in group
    ]
    return LedgerScores(
        scores_of(every),
        tuple(
            ForecasterScores(model, agent, scores_of(chosen, agent))
            for (model, agent), chosen in sorted(
                by_forecaster.items(), key=lambda item: (item[0][0], item[0][1] or "")
            )
        ),
        tuple(sorted((*events, *denied), key=lambda one: one.happened_at, reverse=True)),
    )


def _resolve(
    policy: WarningPolicy, forecasts: Sequence[Forecast], event: ObservedEvent
) -> ResolvedEvent:
    """Return whether a warning covered an event, and with which lead."""
    first = first_warning(policy, forecasts, event)
    if first is None:
        return ResolvedEvent(event.id, event.subject, event.happened_at, "missed")
    lead = round((event.happened_at - first.recorded_at) / timedelta(hours=1), 1)
    return ResolvedEvent(event.id, event.subject, event.happened_at, "confirmed", first.id, lead)


async def list_denied(
    session: AsyncSession, account_id: UUID, wanted: ScoreRequest
) -> list[ResolvedEvent]:
    """List predicted events that did not come: reports, denied claims and reversed outcomes."""
    span = (wanted.period.starts_at, wanted.period.ends_at)
    reports = select(PredictionEvent).where(
        col(PredictionEvent.account_id) == account_id,
        col(PredictionEvent.event) == wanted.event,
        col(PredictionEvent.happened).is_(False),
        col(PredictionEvent.happened_at).between(*span),
    )
    claims = (
        select(Outcome)
        .join(PredictionRecord, col(PredictionRecord.id) == col(Outcome.prediction_id))
        .where(
            col(Outcome.account_id) == account_id,
            col(PredictionRecord.account_id) == account_id,
            col(PredictionRecord.event) == wanted.event,
            col(Outcome.happened_at).between(*span),
            (col(Outcome.refused_for) == ClaimRefusal.DENIED.value)
            | col(Outcome.reversed_at).is_not(None),
        )
    )
    found = [
        ResolvedEvent(ids.format_id(PREFIX, one.id), one.subject, one.happened_at, "denied")
        for one in (await session.scalars(reports)).all()
    ]
    for one in (await session.scalars(claims)).all():
        name = ids.format_id(OUTCOME_PREFIX, one.id)
        record = one.prediction_id and ids.format_id(PREDICTION_PREFIX, one.prediction_id)
        found.append(ResolvedEvent(name, one.subject, one.happened_at, "denied", record or None))
    return [one for one in found if wanted.subject in (None, one.subject)]
