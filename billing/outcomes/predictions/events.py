"""Events as observed: reports of the account, confirmed outcomes and signed events of contracts.

A report counts for scores only. Settlements count outcomes and events that an accepted attester
signed (evidence of the kind `event`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.contracts.field_rules import is_line
from billing.outcomes.contracts.prediction_rules import is_event_kind
from billing.outcomes.contracts.terms import AttesterKind, OutcomeTerms, parse_outcome_terms
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.evidence.statements import (
    SignedStatement,
    StatementType,
    parse_event,
    parse_statement,
)
from billing.outcomes.predictions.alarms import ObservedEvent
from billing.outcomes.predictions.errors import PredictionConflict, PredictionInvalid
from billing.tables import Attester, Evidence, Outcome, OutcomeVersion, PredictionEvent
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of

PREFIX = "pevt"
OUTCOME_PREFIX = "outc"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A report: `happened` is false for a predicted event that did not come."""

    business_key: str
    event: str
    subject: str
    happened_at: datetime
    happened: bool = True


async def report_event(
    session: AsyncSession, clock: Clock, account_id: UUID, new: NewEvent
) -> PredictionEvent:
    """Record a report once per business key; repeating it changes nothing.

    Raises PredictionInvalid, PredictionConflict.
    """
    _validate_event(new, clock.now())
    values = {
        "id": ids.new_id(),
        "account_id": account_id,
        "business_key": new.business_key,
        "event": new.event,
        "subject": new.subject,
        "happened_at": new.happened_at,
        "happened": new.happened,
        "reported_at": clock.now(),
    }
    await session.execute(insert(PredictionEvent).values(**values).on_conflict_do_nothing())
    query = select(PredictionEvent).where(
        col(PredictionEvent.account_id) == account_id,
        col(PredictionEvent.business_key) == new.business_key,
    )
    row = (await session.scalars(query)).one()
    stored = NewEvent(row.business_key, row.event, row.subject, row.happened_at, row.happened)
    if stored != new:
        raise PredictionConflict(
            f"The event {new.business_key!r} was reported with other content.",
            param="business_key",
        )
    return row


async def list_reports(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[PredictionEvent]:
    """List an account's reports, newest first, after one if it is given."""
    query = select(PredictionEvent).where(col(PredictionEvent.account_id) == account_id)
    return (await session.scalars(page_of(query, col(PredictionEvent.id), limit, after))).all()


async def list_happened(
    session: AsyncSession, account_id: UUID, event: str, since: datetime, until: datetime
) -> list[ObservedEvent]:
    """List all events of a kind that happened in a time range, from every source."""
    query = select(PredictionEvent).where(
        col(PredictionEvent.account_id) == account_id,
        col(PredictionEvent.event) == event,
        col(PredictionEvent.happened),
        col(PredictionEvent.happened_at) >= since,
        col(PredictionEvent.happened_at) < until,
    )
    reported = [
        ObservedEvent(ids.format_id(PREFIX, one.id), one.subject, one.happened_at)
        for one in (await session.scalars(query)).all()
    ]
    terms = {
        contract_id: terms
        for contract_id, terms in await _terms_by_contract(session, account_id)
        if terms.predictions is not None and terms.predictions.event == event
    }
    outcomes = await list_confirmed_outcomes(session, account_id, terms, since, until)
    signed = [
        observed
        for contract_id, one in terms.items()
        for observed, *_ in await list_signed_events(
            session, account_id, contract_id, one, since, until
        )
    ]
    return [*reported, *(observed_outcome(one) for one in outcomes), *signed]


async def list_confirmed_outcomes(
    session: AsyncSession,
    account_id: UUID,
    contract_ids: Iterable[UUID],
    since: datetime,
    until: datetime,
    confirmed_by: datetime | None = None,
) -> Sequence[Outcome]:
    """List confirmed outcomes of contracts in a time range, without refused and reversed ones."""
    query = select(Outcome).where(
        col(Outcome.account_id) == account_id,
        col(Outcome.contract_id).in_(list(contract_ids)),
        col(Outcome.confirmed_at).is_not(None),
        col(Outcome.refused_for).is_(None),
        col(Outcome.reversed_at).is_(None),
        col(Outcome.happened_at) >= since,
        col(Outcome.happened_at) < until,
    )
    if confirmed_by is not None:
        query = query.where(col(Outcome.confirmed_at) <= confirmed_by)
    ordered = query.order_by(col(Outcome.happened_at), col(Outcome.id))
    return (await session.scalars(ordered)).all()


async def list_signed_events(
    session: AsyncSession,
    account_id: UUID,
    contract_id: UUID,
    terms: OutcomeTerms,
    since: datetime,
    until: datetime,
    received_by: datetime | None = None,
) -> list[tuple[ObservedEvent, Evidence, Attester]]:
    """List the events of a time range that accepted attesters of a contract signed."""
    kinds = set(terms.attesters) - {AttesterKind.OUR_MODEL}
    query = (
        select(Evidence, Attester)
        .join(Attester, col(Attester.id) == col(Evidence.attester_id))
        .where(
            col(Evidence.account_id) == account_id,
            col(Evidence.contract_id) == contract_id,
            col(Evidence.kind) == StatementType.EVENT.value,
            col(Attester.kind).in_([one.value for one in kinds]),
        )
    )
    if received_by is not None:
        query = query.where(col(Evidence.received_at) <= received_by)
    rows = (await session.execute(query.order_by(col(Evidence.position)))).all()
    found = []
    for evidence, attester in rows:
        _, subject, at = parse_event(
            SignedStatement(evidence, attester, parse_statement(evidence.said))
        )
        if since <= at < until:
            name = ids.format_id(EVIDENCE_PREFIX, evidence.id)
            found.append((ObservedEvent(name, subject, at), evidence, attester))
    return found


def observed_outcome(outcome: Outcome) -> ObservedEvent:
    """Return a confirmed outcome as an event."""
    name = ids.format_id(OUTCOME_PREFIX, outcome.id)
    return ObservedEvent(name, outcome.subject, outcome.happened_at)


async def _terms_by_contract(
    session: AsyncSession, account_id: UUID
) -> list[tuple[UUID, OutcomeTerms]]:
    """Return the terms of the agreed versions of an account's contracts, oldest first."""
    query = (
        select(OutcomeVersion.contract_id, OutcomeVersion.terms)
        .where(
            col(OutcomeVersion.account_id) == account_id,
            col(OutcomeVersion.customer_agreed_at).is_not(None),
            col(OutcomeVersion.operator_agreed_at).is_not(None),
        )
        .order_by(col(OutcomeVersion.number))
    )
    rows = (await session.execute(query)).all()
    return [(contract_id, parse_outcome_terms(text.encode())) for contract_id, text in rows]


def _validate_event(new: NewEvent, now: datetime) -> None:
    """Check the fields of a report. Raises PredictionInvalid."""
    checks = (
        (is_line(new.business_key, 200), "business_key", "must be one line"),
        (is_event_kind(new.event), "event", "must be a name such as pump_failure"),
        (is_line(new.subject, 200), "subject", "must be one line of at most 200 characters"),
        (new.happened_at.tzinfo is not None, "happened_at", "must have an offset"),
    )
    for valid, field, message in checks:
        if not valid:
            raise PredictionInvalid(f"{field}: {message}.", param=field)
    if new.happened_at > now:
        raise PredictionInvalid("happened_at: is in the future.", param="happened_at")
