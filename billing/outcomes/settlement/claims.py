"""Claims of outcomes, their confirmation and denial.

A business key can be claimed once per account. A claim that does not qualify is recorded with the
reason of its refusal and never billed. The account's billing profile is locked, so that of two
concurrent claims for one effect the second sees the first.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.outcomes.contracts.attribution import (
    ClaimRefusal,
    call_window,
    is_confirmation,
    is_same_effect,
    silence_deadline,
)
from billing.outcomes.contracts.contracts import VersionPeriod, find_contract
from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.contracts.terms import EventEffect, OutcomeTerms, parse_outcome_terms
from billing.outcomes.contracts.versions import (
    list_agreed_versions,
    nearest_version,
    version_in_force,
)
from billing.outcomes.evidence.decision_records import require_decision
from billing.outcomes.evidence.statements import (
    ClaimDetails,
    SignedStatement,
    StatementType,
    get_statement,
    parse_claim,
    require_about_outcome,
)
from billing.outcomes.settlement.attributed_calls import (
    CallCandidates,
    attribute_calls,
    find_supporting_calls,
)
from billing.outcomes.settlement.cited_predictions import cite_prediction, is_record_taken
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
    """The claim cannot be an outcome of this contract."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_invalid"


class BusinessKeyConflict(AppError):
    """The business key was used for a claim with other evidence."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_differs"


class OutcomeStateInvalid(AppError):
    """The state of the outcome does not allow this operation."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_state_wrong"


class AttesterNotAccepted(AppError):
    """The contract does not accept confirmations by this kind of attester."""

    status = 409
    type = "invalid_request_error"
    code = "attester_not_accepted"


async def submit_claim(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    id_or_tag: str,
    evidence_id: UUID,
    decision_key: bytes | None = None,
) -> Outcome:
    """Record the outcome that a piece of evidence claims; claiming again changes nothing.

    A claim that does not qualify is recorded as refused. decision_key: the public key that verifies
    a decision record that the claim names.

    Raises ContractNotFound, OutcomeContractNotAgreed, StatementNotFound, StatementInvalid,
    OutcomeInvalid, BusinessKeyConflict, DecisionRecordRejected, PredictionRecordRejected.
    """
    await lock_profile(session, account_id)
    contract = await find_contract(session, account_id, id_or_tag)
    statement = await get_statement(
        session, account_id, contract.id, evidence_id, StatementType.CLAIM
    )
    existing = await _find_by_business_key(session, account_id, statement.outcome)
    if existing is not None:
        if existing.evidence_id != evidence_id:
            raise BusinessKeyConflict(
                f"The outcome {existing.business_key!r} was already claimed with other evidence."
            )
        return existing
    details = parse_claim(statement)
    if details.happened_at > clock.now():
        raise OutcomeInvalid("The outcome's time is in the future.", param="happened_at")
    versions = await list_agreed_versions(session, account_id, contract.id)
    version = nearest_version(versions, details.happened_at)
    await _require_decision(session, contract, version.terms, details, decision_key)
    details = await cite_prediction(session, contract, version.terms, details)
    return await _create_outcome(session, clock, contract, versions, statement, details)


async def confirm_outcome(
    session: AsyncSession, clock: Clock, account_id: UUID, outcome_id: UUID, evidence_id: UUID
) -> Outcome:
    """Confirm an outcome by signed evidence; the first confirmation is kept.

    Raises OutcomeNotFound, OutcomeStateInvalid, StatementNotFound, StatementInvalid,
    AttesterNotAccepted.
    """
    outcome, statement = await _load_accepted_statement(
        session, account_id, outcome_id, evidence_id, StatementType.CONFIRMATION
    )
    if outcome.confirmed_at is None:
        _mark_confirmed(outcome, statement, clock.now())
    await session.flush()
    return outcome


async def deny_outcome(
    session: AsyncSession, clock: Clock, account_id: UUID, outcome_id: UUID, evidence_id: UUID
) -> Outcome:
    """Refuse an unconfirmed outcome by an accepted attester's denial.

    A confirmed outcome must be disputed instead. Raises the same as `confirm_outcome`.
    """
    outcome, _ = await _load_accepted_statement(
        session, account_id, outcome_id, evidence_id, StatementType.DENIAL
    )
    if outcome.confirmed_at is not None:
        raise OutcomeStateInvalid("The outcome is confirmed; dispute its settlement instead.")
    outcome.refused_for = ClaimRefusal.DENIED.value
    await session.flush()
    return outcome


async def confirm_by_silence(
    session: AsyncSession, account_id: UUID, contract_id: UUID, until: datetime
) -> None:
    """Confirm outcomes whose silence deadline passed by `until`, where silence is billable."""
    query = select(Outcome).where(
        col(Outcome.account_id) == account_id,
        col(Outcome.contract_id) == contract_id,
        col(Outcome.confirmed_at).is_(None),
        col(Outcome.refused_for).is_(None),
        col(Outcome.reversed_at).is_(None),
    )
    for outcome in (await session.scalars(query)).all():
        terms = await outcome_terms(session, outcome)
        at = silence_deadline(terms.deadlines, outcome.claimed_at)
        if at is not None and at <= until:
            outcome.confirmed_at, outcome.attested_by = at, SILENCE
    await session.flush()


async def get_outcome(session: AsyncSession, account_id: UUID, outcome_id: UUID) -> Outcome:
    """Return one of the account's outcomes. Raises OutcomeNotFound."""
    query = select(Outcome).where(
        col(Outcome.account_id) == account_id, col(Outcome.id) == outcome_id
    )
    outcome = (await session.scalars(query)).one_or_none()
    if outcome is None:
        raise OutcomeNotFound("The account has no such outcome.", param="outcome")
    return outcome


async def outcome_terms(session: AsyncSession, outcome: Outcome) -> OutcomeTerms:
    """Return the terms that were in force when the outcome happened."""
    query = select(OutcomeVersion.terms).where(
        col(OutcomeVersion.account_id) == outcome.account_id,
        col(OutcomeVersion.id) == outcome.version_id,
    )
    return parse_outcome_terms((await session.execute(query)).scalar_one().encode())


async def _require_decision(
    session: AsyncSession,
    contract: OutcomeContract,
    terms: OutcomeTerms,
    details: ClaimDetails,
    decision_key: bytes | None,
) -> None:
    """Raise DecisionRecordRejected if the claim names a decision record that does not support it.

    A record must be as old as the contract requires of supporting calls.
    """
    if details.decision is None or not isinstance(terms.kind, EventEffect):
        return
    window = call_window(terms.kind, details.happened_at)
    decided_between = (window.since, window.until)
    await require_decision(
        session, contract.account_id, details.decision, details.subject, decided_between,
        decision_key,
    )  # fmt: skip


async def _create_outcome(
    session: AsyncSession,
    clock: Clock,
    contract: OutcomeContract,
    versions: Sequence[VersionPeriod],
    statement: SignedStatement,
    details: ClaimDetails,
) -> Outcome:
    """Record the claimed outcome as open, confirmed or refused, and attribute its calls."""
    version, now = nearest_version(versions, details.happened_at), clock.now()
    effect = version.terms.kind
    if not isinstance(effect, EventEffect):
        raise OutcomeInvalid(
            "The contract pays for a measured effect, which is computed and cannot be claimed."
        )
    outcome = Outcome(
        id=ids.new_id(),
        account_id=contract.account_id,
        contract_id=contract.id,
        version_id=version.version.id,
        business_key=details.business_key,
        subject=details.subject,
        happened_at=details.happened_at,
        claimed_at=now,
        evidence_id=statement.evidence.id,
        decision_id=details.decision,
        prediction_id=details.prediction,
    )
    candidates = await find_supporting_calls(
        session, contract.account_id, version.terms, effect, details
    )
    is_in_force = version_in_force(versions, details.happened_at) is not None
    refusal = (
        await _refusal_reason(session, outcome, effect, candidates)
        if is_in_force
        else ClaimRefusal.NOT_IN_FORCE
    )
    session.add(outcome)
    if refusal is not None:
        outcome.refused_for = refusal.value
    elif is_confirmation(version.terms, statement.attester.kind, same_as_claimant=True):
        _mark_confirmed(outcome, statement, now)
    await session.flush()
    if refusal is None:
        attribute_calls(session, contract.account_id, outcome.id, candidates)
        await session.flush()
    return outcome


def _mark_confirmed(outcome: Outcome, statement: SignedStatement, confirmed_at: datetime) -> None:
    """Record the statement as the outcome's confirmation, without a check."""
    outcome.confirmation_id, outcome.confirmed_at = statement.evidence.id, confirmed_at
    outcome.attested_by = statement.attester.kind


async def _refusal_reason(
    session: AsyncSession, outcome: Outcome, effect: EventEffect, candidates: CallCandidates
) -> ClaimRefusal | None:
    """Return why a claim is refused: no supporting call or a duplicate; None if it is accepted.

    A claim that cites a ledger record needs no call, and its record must support no other outcome.
    """
    if outcome.prediction_id is not None:
        if await is_record_taken(session, outcome):
            return ClaimRefusal.RECORD_TAKEN
    elif not candidates.available:
        return _refusal_without_call(candidates)
    nearby = await _contracts_with_same_effect(session, outcome, effect)
    if outcome.contract_id in nearby:
        return ClaimRefusal.DOUBLED
    return ClaimRefusal.CLAIMED_ELSEWHERE if nearby else None


def _refusal_without_call(candidates: CallCandidates) -> ClaimRefusal:
    """Return why a claim has no available call: taken by another outcome, ineligible, or none."""
    if candidates.taken:
        return ClaimRefusal.CALL_TAKEN
    return ClaimRefusal.CALL_NOT_ELIGIBLE if candidates.ineligible else ClaimRefusal.NO_CALL


async def _contracts_with_same_effect(
    session: AsyncSession, outcome: Outcome, effect: EventEffect
) -> set[UUID]:
    """Return the contracts with an outcome of the same subject that counts as the same effect.

    The terms of either outcome decide.
    """
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
    contract_ids: set[UUID] = set()
    for other, terms_text in (await session.execute(query)).all():
        effects = (effect, parse_outcome_terms(terms_text.encode()).kind)
        matches = (
            is_same_effect(one, outcome.happened_at, other.happened_at)
            for one in effects
            if isinstance(one, EventEffect)
        )
        if any(matches):
            contract_ids.add(other.contract_id)
    return contract_ids


async def _load_accepted_statement(
    session: AsyncSession,
    account_id: UUID,
    outcome_id: UUID,
    evidence_id: UUID,
    statement_type: StatementType,
) -> tuple[Outcome, SignedStatement]:
    """Lock the billing profile; return an outcome and an accepted attester's statement on it."""
    await lock_profile(session, account_id)
    outcome = await get_outcome(session, account_id, outcome_id)
    if outcome.refused_for is not None or outcome.reversed_at is not None:
        raise OutcomeStateInvalid("The outcome was refused or reversed and cannot be changed.")
    statement = await get_statement(
        session, account_id, outcome.contract_id, evidence_id, statement_type
    )
    require_about_outcome(statement, outcome.business_key)
    claim = await get_statement(
        session, account_id, outcome.contract_id, outcome.evidence_id, StatementType.CLAIM
    )
    same_attester = claim.attester.id == statement.attester.id
    terms = await outcome_terms(session, outcome)
    if not is_confirmation(terms, statement.attester.kind, same_as_claimant=same_attester):
        raise AttesterNotAccepted(
            f"The contract does not allow attesters of the kind {statement.attester.kind}."
        )
    return outcome, statement


async def _find_by_business_key(
    session: AsyncSession, account_id: UUID, business_key: str
) -> Outcome | None:
    """Return the account's outcome with a business key, or None."""
    query = select(Outcome).where(
        col(Outcome.account_id) == account_id, col(Outcome.business_key) == business_key
    )
    return (await session.scalars(query)).one_or_none()
