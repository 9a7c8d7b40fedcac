"""Disputes: a customer says that an effect of a settlement was not there, or not as counted.

    open -> answered by the operator -> replied to by the customer -> decided by the arbiter
       \\-> whoever misses a deadline has lost        either side may give in before

Who bills has to prove it: where the arbiter misses the deadline, the customer has won.

What is disputed is frozen: the rest is charged meanwhile. A decision acts by itself: what was
frozen is charged, or not owed, and credited where an invoice has it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.outcomes.contracts.terms import Deadlines, read_outcome_terms
from billing.outcomes.settlement.amounts import CUSTOMER, OPERATOR, disputes_of, removed_effects
from billing.outcomes.settlement.bundle import Bundle, read_bundle
from billing.outcomes.settlement.charges import put_right
from billing.outcomes.settlement.credits import Reason
from billing.outcomes.settlement.notices import tell_answered, tell_decided
from billing.outcomes.settlement.replay import priced_without
from billing.outcomes.settlement.settlement import get_settlement
from billing.tables import Dispute, OutcomeSettlement
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "odsp"
BY_DEADLINE, BY_AGREEMENT = "deadline", "agreement"
_MOST_TEXT = 4000


class DisputeNotFound(AppError):
    """The account has no such dispute."""

    status = 404
    type = "invalid_request_error"
    code = "outcome_dispute_not_found"


class DisputeInvalid(AppError):
    """Nothing that can be disputed, or no reason."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_dispute_invalid"


class DisputeStateWrong(AppError):
    """The window, the deadline or the dispute is closed, or it is the other side's turn."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_dispute_state_wrong"


@dataclass(frozen=True, slots=True)
class Objection:
    """What a customer says against a settlement: against some outcomes, by their ids, or all."""

    by: str
    reason: str
    outcomes: tuple[str, ...] = ()


async def open_dispute(
    session: AsyncSession, clock: Clock, account_id: UUID, settlement_id: UUID, said: Objection
) -> Dispute:
    """Dispute a settlement or some outcomes of it, within its window; the amount is frozen.

    Raises SettlementNotFound, DisputeInvalid, DisputeStateWrong.
    """
    _require_text(said.reason, "reason")
    await lock_profile(session, account_id)
    settlement, now = await get_settlement(session, account_id, settlement_id), clock.now()
    if now >= settlement.disputable_until:
        raise DisputeStateWrong(f"It could be disputed until {settlement.disputable_until}.")
    bundle = read_bundle(settlement.bundle)
    named = await _disputable(session, settlement, bundle, said.outcomes)
    gone = await removed_effects(session, settlement)
    left = priced_without(bundle, gone | named).minor
    dispute = Dispute(
        id=ids.new_id(),
        account_id=account_id,
        settlement_id=settlement_id,
        outcomes=sorted(named),
        opened_at=now,
        opened_by=said.by,
        reason=said.reason.strip(),
        frozen=priced_without(bundle, gone).minor - left,
        answer_due=now + timedelta(days=_deadlines(bundle).answer_days),
    )
    session.add(dispute)
    await session.flush()
    return dispute


async def answer(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID, said: str
) -> Dispute:
    """The operator's answer, from which on the customer has days to reply. Raises
    DisputeNotFound, DisputeInvalid, DisputeStateWrong."""
    _require_text(said, "answer")
    dispute = await _open(session, account_id, dispute_id)
    now = clock.now()
    if dispute.answered_at is not None or now >= dispute.answer_due:
        raise DisputeStateWrong(f"It could be answered once, until {dispute.answer_due}.")
    days = await _answer_days(session, dispute)
    dispute.answer, dispute.answered_at = said.strip(), now
    dispute.reply_due = now + timedelta(days=days)
    await session.flush()
    await tell_answered(session, clock, dispute, dispute.reply_due)
    return dispute


async def reply(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID, said: str
) -> Dispute:
    """The customer's reply, from which on the arbiter has days to decide. Raises DisputeNotFound,
    DisputeInvalid, DisputeStateWrong."""
    _require_text(said, "reply")
    dispute = await _open(session, account_id, dispute_id)
    now, due = clock.now(), dispute.reply_due
    if due is None or dispute.replied_at is not None or now >= due:
        raise DisputeStateWrong(f"It can be replied to once, after the answer, until {due}.")
    days = await _answer_days(session, dispute)
    dispute.reply, dispute.replied_at = said.strip(), now
    dispute.decision_due = now + timedelta(days=days)
    await session.flush()
    return dispute


async def decide(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID, side: str, by: str
) -> Dispute:
    """The arbiter's decision, once both sides have spoken. Raises DisputeNotFound, DisputeInvalid,
    DisputeStateWrong."""
    _require_side(side)
    dispute = await _open(session, account_id, dispute_id)
    now, due = clock.now(), dispute.decision_due
    if due is None:
        raise DisputeStateWrong("Both sides speak before it is decided.")
    if now >= due:
        raise DisputeStateWrong(f"It could be decided until {due}.")
    return await _decide(session, clock, dispute, side, by, now)


async def give_in(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID, side: str
) -> Dispute:
    """One side agrees with the other, which thereby wins. Raises DisputeNotFound, DisputeInvalid,
    DisputeStateWrong."""
    _require_side(side)
    dispute = await _open(session, account_id, dispute_id)
    winner = OPERATOR if side == CUSTOMER else CUSTOMER
    return await _decide(session, clock, dispute, winner, BY_AGREEMENT, clock.now())


async def disputes_overdue(session: AsyncSession, now: datetime) -> list[tuple[UUID, UUID]]:
    """Accounts and disputes with a deadline that was missed. For operators: it looks across
    accounts (account_id)."""
    query = select(Dispute.account_id, Dispute.id).where(_overdue(now)).order_by(col(Dispute.id))
    return [(account_id, one) for account_id, one in (await session.execute(query)).all()]


async def end_overdue(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID
) -> Dispute:
    """Decide against whoever missed the deadline, as of that. Raises DisputeNotFound,
    DisputeStateWrong."""
    dispute = await _open(session, account_id, dispute_id)
    now = clock.now()
    if dispute.answered_at is None and dispute.answer_due <= now:
        return await _decide(session, clock, dispute, CUSTOMER, BY_DEADLINE, dispute.answer_due)
    due = dispute.reply_due
    if due is not None and dispute.replied_at is None and due <= now:
        return await _decide(session, clock, dispute, OPERATOR, BY_DEADLINE, due)
    if dispute.decision_due is not None and dispute.decision_due <= now:
        return await _decide(session, clock, dispute, CUSTOMER, BY_DEADLINE, dispute.decision_due)
    return dispute


async def get_dispute(session: AsyncSession, account_id: UUID, dispute_id: UUID) -> Dispute:
    """One of the account's disputes. Raises DisputeNotFound."""
    query = select(Dispute).where(
        col(Dispute.account_id) == account_id, col(Dispute.id) == dispute_id
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise DisputeNotFound("The account has no such dispute.", param="dispute")
    return found


async def disputable_effects(
    session: AsyncSession, settlement: OutcomeSettlement, now: datetime
) -> frozenset[str]:
    """What of a settlement can be disputed now, by name; nothing while a dispute is open."""
    before = await disputes_of(session, settlement)
    if now >= settlement.disputable_until or any(one.decided_at is None for one in before):
        return frozenset()
    return await _left(session, settlement, read_bundle(settlement.bundle), before)


async def _left(
    session: AsyncSession, settlement: OutcomeSettlement, bundle: Bundle, before: Iterable[Dispute]
) -> frozenset[str]:
    spoken_of = frozenset(name for one in before for name in one.outcomes)
    return bundle.effects - spoken_of - await removed_effects(session, settlement)


async def _disputable(
    session: AsyncSession, settlement: OutcomeSettlement, bundle: Bundle, wanted: Iterable[str]
) -> frozenset[str]:
    """The effects that are named, or all, each of which is disputed once. Raises DisputeInvalid,
    DisputeStateWrong."""
    before = await disputes_of(session, settlement)
    if any(one.decided_at is None for one in before):
        raise DisputeStateWrong("A dispute about this settlement is open already.")
    spoken_of = frozenset(name for one in before for name in one.outcomes)
    named = frozenset(wanted)
    if unknown := named - bundle.effects:
        raise DisputeInvalid(f"The settlement has no {min(unknown)[:60]}.", param="outcomes")
    if named & spoken_of:
        raise DisputeStateWrong("One of these outcomes was disputed before, and decided.")
    found = named or await _left(session, settlement, bundle, before)
    if not found:
        raise DisputeInvalid("The settlement has nothing that can be disputed.")
    return found


async def _decide(
    session: AsyncSession, clock: Clock, dispute: Dispute, side: str, by: str, at: datetime
) -> Dispute:
    dispute.decided_for, dispute.decided_by, dispute.decided_at = side, by, at
    await session.flush()
    settlement = await get_settlement(session, dispute.account_id, dispute.settlement_id)
    about = Reason("dispute", ids.show(PREFIX, dispute.id))
    await put_right(session, clock, settlement, at, about)
    currency = read_bundle(settlement.bundle).currency
    await tell_decided(session, clock, dispute, side, currency)
    return dispute


async def _open(session: AsyncSession, account_id: UUID, dispute_id: UUID) -> Dispute:
    await lock_profile(session, account_id)
    dispute = await get_dispute(session, account_id, dispute_id)
    if dispute.decided_at is not None:
        raise DisputeStateWrong(f"It was decided for the {dispute.decided_for}.")
    return dispute


def _overdue(now: datetime) -> ColumnElement[bool]:
    unanswered = and_(col(Dispute.answered_at).is_(None), col(Dispute.answer_due) <= now)
    unreplied = and_(col(Dispute.replied_at).is_(None), col(Dispute.reply_due) <= now)
    undecided = col(Dispute.decision_due) <= now
    return and_(col(Dispute.decided_at).is_(None), or_(unanswered, unreplied, undecided))


async def _answer_days(session: AsyncSession, dispute: Dispute) -> int:
    settlement = await get_settlement(session, dispute.account_id, dispute.settlement_id)
    return _deadlines(read_bundle(settlement.bundle)).answer_days


def _deadlines(bundle: Bundle) -> Deadlines:
    said = next(one.terms for one in bundle.versions if one.id == bundle.version)
    return read_outcome_terms(said.encode()).deadlines


def _require_text(said: str, field: str) -> None:
    if not 0 < len(said.strip()) <= _MOST_TEXT:
        raise DisputeInvalid(f"The {field} is 1 to {_MOST_TEXT} characters.", param=field)


def _require_side(side: str) -> None:
    if side not in (CUSTOMER, OPERATOR):
        raise DisputeInvalid(f"A side is {CUSTOMER} or {OPERATOR}.", param="side")
