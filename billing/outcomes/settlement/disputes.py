"""Disputes of settlements by customers.

    open -> answered by the operator -> replied to by the customer -> decided by the arbiter
       \\-> the party that misses a deadline loses; either party may concede earlier

The burden of proof is on the operator: if the arbiter misses the deadline, the customer wins.

The disputed amount is frozen; the rest is charged meanwhile. A decision takes effect at once: the
frozen amount is charged, or waived and credited if it was invoiced.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.outcomes.contracts.terms import ContractDeadlines, parse_outcome_terms
from billing.outcomes.settlement.amounts import (
    CUSTOMER,
    OPERATOR,
    list_settlement_disputes,
    removed_effect_ids,
)
from billing.outcomes.settlement.bundle import EvidenceBundle, parse_bundle
from billing.outcomes.settlement.charges import reconcile_charges
from billing.outcomes.settlement.credits import CreditReason
from billing.outcomes.settlement.notices import (
    notify_dispute_answered,
    notify_dispute_decided,
    notify_dispute_opened,
)
from billing.outcomes.settlement.replay import price_without_effects
from billing.outcomes.settlement.settlement import get_settlement
from billing.tables import Dispute, OutcomeSettlement
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "odsp"
BY_DEADLINE, BY_AGREEMENT = "deadline", "agreement"
_MAX_TEXT_LENGTH = 4000


class DisputeNotFound(AppError):
    """The account has no such dispute."""

    status = 404
    type = "invalid_request_error"
    code = "outcome_dispute_not_found"


class DisputeInvalid(AppError):
    """The dispute names nothing that can be disputed, or a text or side is invalid."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_dispute_invalid"


class DisputeStateInvalid(AppError):
    """The dispute window or deadline is over, the dispute is closed, or it is not one's turn."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_dispute_state_wrong"


@dataclass(frozen=True, slots=True)
class NewDispute:
    """A dispute to open: by whom, the reason, and the disputed outcome ids (none: all)."""

    by: str
    reason: str
    outcomes: tuple[str, ...] = ()


async def open_dispute(
    session: AsyncSession, clock: Clock, account_id: UUID, settlement_id: UUID, request: NewDispute
) -> Dispute:
    """Open a dispute in the settlement's dispute window; freezes the disputed amount.

    Raises SettlementNotFound, DisputeInvalid, DisputeStateInvalid.
    """
    _require_text(request.reason, "reason")
    await lock_profile(session, account_id)
    settlement, now = await get_settlement(session, account_id, settlement_id), clock.now()
    if now >= settlement.disputable_until:
        raise DisputeStateInvalid(f"The dispute period ended at {settlement.disputable_until}.")
    bundle = parse_bundle(settlement.bundle)
    disputed = await _select_disputable(session, settlement, bundle, request.outcomes)
    removed = await removed_effect_ids(session, settlement)
    undisputed_minor = price_without_effects(bundle, removed | disputed).minor
    dispute = Dispute(
        id=ids.new_id(),
        account_id=account_id,
        settlement_id=settlement_id,
        outcomes=sorted(disputed),
        opened_at=now,
        opened_by=request.by,
        reason=request.reason.strip(),
        frozen=price_without_effects(bundle, removed).minor - undisputed_minor,
        answer_due=now + timedelta(days=_deadlines(bundle).answer_days),
    )
    session.add(dispute)
    await session.flush()
    await notify_dispute_opened(session, clock, dispute, bundle.currency)
    return dispute


async def answer_dispute(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID, answer: str
) -> Dispute:
    """Record the operator's answer, which starts the customer's deadline to reply.

    Raises DisputeNotFound, DisputeInvalid, DisputeStateInvalid.
    """
    _require_text(answer, "answer")
    dispute = await _lock_open_dispute(session, account_id, dispute_id)
    now = clock.now()
    if dispute.answered_at is not None or now >= dispute.answer_due:
        raise DisputeStateInvalid(f"The dispute can be answered once, until {dispute.answer_due}.")
    days = await _answer_days(session, dispute)
    dispute.answer, dispute.answered_at = answer.strip(), now
    dispute.reply_due = now + timedelta(days=days)
    await session.flush()
    await notify_dispute_answered(session, clock, dispute, dispute.reply_due)
    return dispute


async def reply_to_dispute(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID, reply: str
) -> Dispute:
    """Record the customer's reply, which starts the arbiter's deadline to decide.

    Raises DisputeNotFound, DisputeInvalid, DisputeStateInvalid.
    """
    _require_text(reply, "reply")
    dispute = await _lock_open_dispute(session, account_id, dispute_id)
    now, due = clock.now(), dispute.reply_due
    if due is None or dispute.replied_at is not None or now >= due:
        raise DisputeStateInvalid(f"The answer can be replied to once, until {due}.")
    days = await _answer_days(session, dispute)
    dispute.reply, dispute.replied_at = reply.strip(), now
    dispute.decision_due = now + timedelta(days=days)
    await session.flush()
    return dispute


async def decide_dispute(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    dispute_id: UUID,
    winner: str,
    arbiter: str,
) -> Dispute:
    """Record the arbiter's decision for the `winner`, in time after answer and reply.

    Raises DisputeNotFound, DisputeInvalid, DisputeStateInvalid.
    """
    _require_side(winner)
    dispute = await _lock_open_dispute(session, account_id, dispute_id)
    now, due = clock.now(), dispute.decision_due
    if due is None:
        raise DisputeStateInvalid(
            "The dispute can be decided after the answer and the reply, or after their deadlines."
        )
    if now >= due:
        raise DisputeStateInvalid(f"The dispute could be decided until {due}.")
    return await _record_decision(session, clock, dispute, winner, arbiter, now)


async def concede_dispute(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID, side: str
) -> Dispute:
    """Concede a dispute for one party, so that the other party wins.

    Raises DisputeNotFound, DisputeInvalid, DisputeStateInvalid.
    """
    _require_side(side)
    dispute = await _lock_open_dispute(session, account_id, dispute_id)
    winner = OPERATOR if side == CUSTOMER else CUSTOMER
    return await _record_decision(session, clock, dispute, winner, BY_AGREEMENT, clock.now())


async def list_overdue_disputes(session: AsyncSession, now: datetime) -> list[tuple[UUID, UUID]]:
    """List (account id, dispute id) of disputes with a missed deadline.

    For operators: queries all accounts (account_id).
    """
    query = (
        select(Dispute.account_id, Dispute.id)
        .where(_overdue_condition(now))
        .order_by(col(Dispute.id))
    )
    return [
        (account_id, dispute_id) for account_id, dispute_id in (await session.execute(query)).all()
    ]


async def decide_overdue_dispute(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID
) -> Dispute:
    """Decide against the party that missed its deadline, effective from the deadline.

    Returns the dispute unchanged if no deadline was missed. Raises DisputeNotFound,
    DisputeStateInvalid.
    """
    dispute = await _lock_open_dispute(session, account_id, dispute_id)
    now = clock.now()
    if dispute.answered_at is None and dispute.answer_due <= now:
        return await _record_decision(
            session, clock, dispute, CUSTOMER, BY_DEADLINE, dispute.answer_due
        )
    due = dispute.reply_due
    if due is not None and dispute.replied_at is None and due <= now:
        return await _record_decision(session, clock, dispute, OPERATOR, BY_DEADLINE, due)
    if dispute.decision_due is not None and dispute.decision_due <= now:
        return await _record_decision(
            session, clock, dispute, CUSTOMER, BY_DEADLINE, dispute.decision_due
        )
    return dispute


async def get_dispute(session: AsyncSession, account_id: UUID, dispute_id: UUID) -> Dispute:
    """Return one of the account's disputes. Raises DisputeNotFound."""
    query = select(Dispute).where(
        col(Dispute.account_id) == account_id, col(Dispute.id) == dispute_id
    )
    dispute = (await session.scalars(query)).one_or_none()
    if dispute is None:
        raise DisputeNotFound("The account has no such dispute.", param="dispute")
    return dispute


async def disputable_effect_ids(
    session: AsyncSession, settlement: OutcomeSettlement, now: datetime
) -> frozenset[str]:
    """Return the ids of the effects that can be disputed now; none while a dispute is open."""
    before = await list_settlement_disputes(session, settlement)
    if now >= settlement.disputable_until or any(one.decided_at is None for one in before):
        return frozenset()
    return await _undisputed_effect_ids(
        session, settlement, parse_bundle(settlement.bundle), before
    )


async def _undisputed_effect_ids(
    session: AsyncSession,
    settlement: OutcomeSettlement,
    bundle: EvidenceBundle,
    earlier: Iterable[Dispute],
) -> frozenset[str]:
    """Return the ids of the effects never disputed and not removed from the settlement."""
    already_disputed = frozenset(name for one in earlier for name in one.outcomes)
    return bundle.effect_ids - already_disputed - await removed_effect_ids(session, settlement)


async def _select_disputable(
    session: AsyncSession,
    settlement: OutcomeSettlement,
    bundle: EvidenceBundle,
    requested: Iterable[str],
) -> frozenset[str]:
    """Return the requested effects, by default all; each effect can be disputed once.

    Raises DisputeInvalid, DisputeStateInvalid.
    """
    earlier = await list_settlement_disputes(session, settlement)
    if any(one.decided_at is None for one in earlier):
        raise DisputeStateInvalid("A dispute about this settlement is already open.")
    already_disputed = frozenset(name for one in earlier for name in one.outcomes)
    selected = frozenset(requested)
    if unknown := selected - bundle.effect_ids:
        raise DisputeInvalid(
            f"The settlement has no outcome {min(unknown)[:60]}.", param="outcomes"
        )
    if selected & already_disputed:
        raise DisputeStateInvalid("One of these outcomes has already been disputed and decided.")
    disputable = selected or await _undisputed_effect_ids(session, settlement, bundle, earlier)
    if not disputable:
        raise DisputeInvalid("The settlement has nothing that can be disputed.")
    return disputable


async def _record_decision(
    session: AsyncSession,
    clock: Clock,
    dispute: Dispute,
    winner: str,
    decided_by: str,
    decided_at: datetime,
) -> Dispute:
    """Record the decision, charge or credit the difference, and notify the customer."""
    dispute.decided_for, dispute.decided_by, dispute.decided_at = winner, decided_by, decided_at
    await session.flush()
    settlement = await get_settlement(session, dispute.account_id, dispute.settlement_id)
    credit_reason = CreditReason("dispute", ids.format_id(PREFIX, dispute.id))
    await reconcile_charges(session, clock, settlement, decided_at, credit_reason)
    currency = parse_bundle(settlement.bundle).currency
    await notify_dispute_decided(session, clock, dispute, winner, currency)
    return dispute


async def _lock_open_dispute(session: AsyncSession, account_id: UUID, dispute_id: UUID) -> Dispute:
    """Lock the billing profile; return the dispute. Raises DisputeStateInvalid if decided."""
    await lock_profile(session, account_id)
    dispute = await get_dispute(session, account_id, dispute_id)
    if dispute.decided_at is not None:
        raise DisputeStateInvalid(f"The dispute was decided for the {dispute.decided_for}.")
    return dispute


def _overdue_condition(now: datetime) -> ColumnElement[bool]:
    """Build the SQL condition for open disputes with a missed deadline."""
    unanswered = and_(col(Dispute.answered_at).is_(None), col(Dispute.answer_due) <= now)
    unreplied = and_(col(Dispute.replied_at).is_(None), col(Dispute.reply_due) <= now)
    undecided = col(Dispute.decision_due) <= now
    return and_(col(Dispute.decided_at).is_(None), or_(unanswered, unreplied, undecided))


async def _answer_days(session: AsyncSession, dispute: Dispute) -> int:
    """Return the days allowed for each step of the dispute: answer, reply and decision."""
    settlement = await get_settlement(session, dispute.account_id, dispute.settlement_id)
    return _deadlines(parse_bundle(settlement.bundle)).answer_days


def _deadlines(bundle: EvidenceBundle) -> ContractDeadlines:
    """Return the contract deadlines of the version whose price bounds apply."""
    terms_text = next(one.terms for one in bundle.versions if one.id == bundle.version)
    return parse_outcome_terms(terms_text.encode()).deadlines


def _require_text(text: str, field: str) -> None:
    """Raise DisputeInvalid for the field unless its text is non-blank and not too long."""
    if not 0 < len(text.strip()) <= _MAX_TEXT_LENGTH:
        raise DisputeInvalid(
            f"The {field} must have 1 to {_MAX_TEXT_LENGTH} characters.", param=field
        )


def _require_side(side: str) -> None:
    """Raise DisputeInvalid unless the side is customer or operator."""
    if side not in (CUSTOMER, OPERATOR):
        raise DisputeInvalid(f"The side must be {CUSTOMER} or {OPERATOR}.", param="side")
