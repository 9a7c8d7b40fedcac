"""Claims: outcomes that somebody says there are, and who confirms or denies them.

A claim is made once for each business key of the account. One that does not qualify is kept with
the reason, so nothing is lost and nothing of it is billed. The account's billing profile is the
lock: of two claims for one effect at the same time, the second sees the first.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.outcomes.contracts.attribution import Refusal, confirms, silent_until, too_close
from billing.outcomes.contracts.contracts import Span, find_contract
from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.contracts.terms import Event, OutcomeTerms, read_outcome_terms
from billing.outcomes.contracts.versions import agreed_versions, in_force, nearest
from billing.outcomes.evidence.statements import (
    Claimed,
    Says,
    Statement,
    claimed,
    read_statement,
    require_about,
)
from billing.outcomes.settlement.attributed_calls import Found, find_calls, keep_calls
from billing.tables import Outcome, OutcomeContract, OutcomeVersion
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "outc"


class OutcomeNotFound(AppError):
    """The account has no such outcome."""

    status = 404
    type = "invalid_request_error"
    code = "outcome_not_found"


class OutcomeInvalid(AppError):
    """What cannot be an outcome of this contract at all."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_invalid"


class OutcomeDiffers(AppError):
    """The business key was used for another claim."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_differs"


class OutcomeStateWrong(AppError):
    """The outcome's state does not allow this."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_state_wrong"


class AttesterNotAccepted(AppError):
    """The contract does not take this attester's word for it."""

    status = 409
    type = "invalid_request_error"
    code = "attester_not_accepted"


async def claim(
    session: AsyncSession, clock: Clock, account_id: UUID, tag: str, evidence_id: UUID
) -> Outcome:
    """Keep what the evidence claims; the same again changes nothing. What does not qualify is
    kept as refused.

    Raises ContractNotFound, OutcomeContractNotAgreed, StatementNotFound, StatementInvalid,
    OutcomeInvalid, OutcomeDiffers.
    """
    await lock_profile(session, account_id)
    contract = await find_contract(session, account_id, tag)
    statement = await read_statement(session, account_id, contract.id, evidence_id, Says.CLAIM)
    known = await _by_key(session, account_id, statement.outcome)
    if known is not None:
        if known.evidence_id != evidence_id:
            raise OutcomeDiffers(f"{known.business_key!r} was claimed before, by other evidence.")
        return known
    said = claimed(statement)
    if said.happened_at > clock.now():
        raise OutcomeInvalid("It has not happened yet.", param="happened_at")
    versions = await agreed_versions(session, account_id, contract.id)
    return await _keep(session, clock, contract, versions, statement, said)


async def confirm(
    session: AsyncSession, clock: Clock, account_id: UUID, outcome_id: UUID, evidence_id: UUID
) -> Outcome:
    """Mark an outcome as confirmed; the first confirmation stays.

    Raises OutcomeNotFound, OutcomeStateWrong, StatementNotFound, StatementInvalid,
    AttesterNotAccepted.
    """
    outcome, statement = await _told(
        session, account_id, outcome_id, evidence_id, Says.CONFIRMATION
    )
    if outcome.confirmed_at is None:
        _mark_confirmed(outcome, statement, clock.now())
    await session.flush()
    return outcome


async def deny(
    session: AsyncSession, clock: Clock, account_id: UUID, outcome_id: UUID, evidence_id: UUID
) -> Outcome:
    """Refuse an outcome that nobody has confirmed, on an accepted attester's word. What is
    confirmed can be disputed instead. Raises the same as `confirm`."""
    outcome, _ = await _told(session, account_id, outcome_id, evidence_id, Says.DENIAL)
    if outcome.confirmed_at is not None:
        raise OutcomeStateWrong("The outcome is confirmed; dispute its settlement instead.")
    outcome.refused_for = Refusal.DENIED.value
    await session.flush()
    return outcome


async def count_silent(
    session: AsyncSession, account_id: UUID, contract_id: UUID, until: datetime
) -> None:
    """Mark what nobody confirmed in time, where the contract says that silence counts."""
    query = select(Outcome).where(
        col(Outcome.account_id) == account_id,
        col(Outcome.contract_id) == contract_id,
        col(Outcome.confirmed_at).is_(None),
        col(Outcome.refused_for).is_(None),
        col(Outcome.reversed_at).is_(None),
    )
    for outcome in (await session.scalars(query)).all():
        terms = await terms_of_outcome(session, outcome)
        at = silent_until(terms.deadlines, outcome.claimed_at)
        if at is not None and at <= until:
            outcome.confirmed_at, outcome.attested_by = at, SILENCE
    await session.flush()


async def get_outcome(session: AsyncSession, account_id: UUID, outcome_id: UUID) -> Outcome:
    """One of the account's outcomes. Raises OutcomeNotFound."""
    query = select(Outcome).where(
        col(Outcome.account_id) == account_id, col(Outcome.id) == outcome_id
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise OutcomeNotFound("The account has no such outcome.", param="outcome")
    return found


async def terms_of_outcome(session: AsyncSession, outcome: Outcome) -> OutcomeTerms:
    """The terms that were in force when it happened."""
    query = select(OutcomeVersion.terms).where(
        col(OutcomeVersion.account_id) == outcome.account_id,
        col(OutcomeVersion.id) == outcome.version_id,
    )
    return read_outcome_terms((await session.execute(query)).scalar_one().encode())


async def _keep(
    session: AsyncSession,
    clock: Clock,
    contract: OutcomeContract,
    versions: Sequence[Span],
    statement: Statement,
    said: Claimed,
) -> Outcome:
    version, now = nearest(versions, said.happened_at), clock.now()
    kind = version.terms.kind
    if not isinstance(kind, Event):
        raise OutcomeInvalid("The contract pays for a measured effect, which nobody claims.")
    outcome = Outcome(
        id=ids.new_id(),
        account_id=contract.account_id,
        contract_id=contract.id,
        version_id=version.version.id,
        business_key=said.business_key,
        subject=said.subject,
        happened_at=said.happened_at,
        claimed_at=now,
        evidence_id=statement.evidence.id,
    )
    found = await find_calls(session, contract.account_id, version.terms, kind, said)
    held = in_force(versions, said.happened_at) is not None
    refusal = await _refusal(session, outcome, kind, found) if held else Refusal.NOT_IN_FORCE
    session.add(outcome)
    if refusal is not None:
        outcome.refused_for = refusal.value
    elif confirms(version.terms, statement.attester.kind, same_as_claimant=True):
        _mark_confirmed(outcome, statement, now)
    await session.flush()
    if refusal is None:
        keep_calls(session, contract.account_id, outcome.id, found)
        await session.flush()
    return outcome


def _mark_confirmed(outcome: Outcome, statement: Statement, now: datetime) -> None:
    outcome.confirmation_id, outcome.confirmed_at = statement.evidence.id, now
    outcome.attested_by = statement.attester.kind


async def _refusal(
    session: AsyncSession, outcome: Outcome, kind: Event, found: Found
) -> Refusal | None:
    if not found.free:
        return _without_call(found)
    nearby = await _nearby(session, outcome, kind)
    if outcome.contract_id in nearby:
        return Refusal.DOUBLED
    return Refusal.CLAIMED_ELSEWHERE if nearby else None


def _without_call(found: Found) -> Refusal:
    if found.taken:
        return Refusal.CALL_TAKEN
    return Refusal.CALL_NOT_ELIGIBLE if found.ineligible else Refusal.NO_CALL


async def _nearby(session: AsyncSession, outcome: Outcome, kind: Event) -> set[UUID]:
    """The contracts that have an outcome of the subject so near that it is the same effect, by
    the terms of either."""
    query = (
        select(Outcome, OutcomeVersion.terms)
        .join(OutcomeVersion, col(OutcomeVersion.id) == col(Outcome.version_id))
        .where(
            col(Outcome.account_id) == outcome.account_id,
            col(Outcome.subject) == outcome.subject,
            col(Outcome.refused_for).is_(None),
            col(Outcome.reversed_at).is_(None),
        )
    )
    found: set[UUID] = set()
    for other, said in (await session.execute(query)).all():
        kinds = (kind, read_outcome_terms(said.encode()).kind)
        near = (
            too_close(one, outcome.happened_at, other.happened_at)
            for one in kinds
            if isinstance(one, Event)
        )
        if any(near):
            found.add(other.contract_id)
    return found


async def _told(
    session: AsyncSession, account_id: UUID, outcome_id: UUID, evidence_id: UUID, says: Says
) -> tuple[Outcome, Statement]:
    """The outcome with what an accepted attester says of it."""
    await lock_profile(session, account_id)
    outcome = await get_outcome(session, account_id, outcome_id)
    if outcome.refused_for is not None or outcome.reversed_at is not None:
        raise OutcomeStateWrong("The outcome was refused or reversed, and stays so.")
    place = (session, account_id, outcome.contract_id, evidence_id)
    statement = await read_statement(*place, says)
    require_about(statement, outcome.business_key)
    claim_of = await read_statement(
        session, account_id, outcome.contract_id, outcome.evidence_id, Says.CLAIM
    )
    same = claim_of.attester.id == statement.attester.id
    terms = await terms_of_outcome(session, outcome)
    if not confirms(terms, statement.attester.kind, same_as_claimant=same):
        raise AttesterNotAccepted(f"The contract takes no {statement.attester.kind}'s word for it.")
    return outcome, statement


async def _by_key(session: AsyncSession, account_id: UUID, business_key: str) -> Outcome | None:
    query = select(Outcome).where(
        col(Outcome.account_id) == account_id, col(Outcome.business_key) == business_key
    )
    return (await session.scalars(query)).one_or_none()
