"""Attribution of calls to outcomes, and the usage of calls that a contract covers.

Supporting calls are named by the claim or tagged with subject and contract; they must be billable,
within the call window, and of a model and operation that the contract names. A call supports one
outcome only; of many, the latest count. The content of predictions is not stored, so not checked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.contracts.attribution import (
    CONTRACT_TAG,
    MAX_CALLS,
    call_window,
    has_matching_tags,
)
from billing.outcomes.contracts.terms import EventEffect, OutcomeTerms
from billing.outcomes.evidence.statements import ClaimDetails
from billing.rating.quantities import METERS, Quantities
from billing.rating.terms import ANY_MODEL
from billing.tables import OutcomeCall, Settlement, Usage

_BILLABLE = [one.value for one in Settlement if one.billable]


@dataclass(frozen=True, slots=True)
class CallCandidates:
    """Candidate calls for an outcome.

    `available` may be attributed; `taken` counts calls that support another outcome; `ineligible`
    those of a model or operation that the contract does not name.
    """

    available: tuple[UUID, ...]
    taken: int
    ineligible: int = 0


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """The usage of one model by a contract's covered calls in a month."""

    model: str
    calls: int
    quantities: Quantities


async def find_supporting_calls(
    session: AsyncSession,
    account_id: UUID,
    terms: OutcomeTerms,
    effect: EventEffect,
    claim: ClaimDetails,
) -> CallCandidates:
    """Find the calls that may support a claim (listed in it or matched by tags), latest first."""
    window, eligible = call_window(effect, claim.happened_at), _eligible_condition(terms)
    query = (
        select(Usage.request_id, Usage.tags, OutcomeCall.outcome_id, eligible)
        .join(OutcomeCall, col(OutcomeCall.request_id) == col(Usage.request_id), isouter=True)
        .where(
            col(Usage.account_id) == account_id,
            col(Usage.settlement).in_(_BILLABLE),
            col(Usage.started_at).between(window.since, window.until),
        )
        # Eligible calls first, so that the limit never drops one for a call that does not count.
        .order_by(eligible.desc(), col(Usage.started_at).desc(), col(Usage.request_id))
    )
    listed_in_claim = claim.calls is not None
    if claim.calls is not None:
        query = query.where(col(Usage.request_id).in_(claim.calls))
    else:
        required_tags = {terms.subject_tag: claim.subject, CONTRACT_TAG: terms.tag}
        query = query.where(col(Usage.tags).contains(required_tags))
        query = query.where(col(OutcomeCall.outcome_id).is_(None)).limit(MAX_CALLS)
    rows = [
        (request_id, outcome_id, counts)
        for request_id, tags, outcome_id, counts in (await session.execute(query)).all()
        if has_matching_tags(tags, terms, claim.subject, listed_in_claim=listed_in_claim)
    ]
    usable = [(request_id, outcome_id) for request_id, outcome_id, counts in rows if counts]
    free = tuple(request_id for request_id, outcome_id in usable if outcome_id is None)
    return CallCandidates(free, len(usable) - len(free), len(rows) - len(usable))


def _eligible_condition(terms: OutcomeTerms) -> ColumnElement[bool]:
    """Build the SQL condition for supporting models and operations (`AttributionRules.allows`)."""
    supporting = terms.supporting
    by_operation = col(Usage.operation).in_(supporting.operations)
    if ANY_MODEL in supporting.models:
        return by_operation
    return and_(by_operation, func.coalesce(col(Usage.model).in_(supporting.models), False))


def attribute_calls(
    session: AsyncSession, account_id: UUID, outcome_id: UUID, candidates: CallCandidates
) -> None:
    """Attribute to an outcome the candidate calls that support no other outcome yet."""
    session.add_all(
        OutcomeCall(request_id=one, account_id=account_id, outcome_id=outcome_id)
        for one in candidates.available
    )


async def list_attributed_calls(
    session: AsyncSession, account_id: UUID, outcome_ids: list[UUID]
) -> dict[UUID, list[Usage]]:
    """Return the attributed calls by outcome id, earliest first."""
    query = (
        select(OutcomeCall.outcome_id, Usage)
        .join(Usage, col(Usage.request_id) == col(OutcomeCall.request_id))
        .where(
            col(OutcomeCall.account_id) == account_id,
            col(Usage.account_id) == account_id,
            col(OutcomeCall.outcome_id).in_(outcome_ids),
        )
        .order_by(col(Usage.started_at), col(Usage.request_id))
    )
    calls: dict[UUID, list[Usage]] = {one: [] for one in outcome_ids}
    for outcome_id, usage in (await session.execute(query)).all():
        calls[outcome_id].append(usage)
    return calls


async def covered_usage_by_model(
    session: AsyncSession,
    account_id: UUID,
    version_ids: Iterable[UUID | None],
    since: datetime,
    until: datetime,
) -> list[ModelUsage]:
    """Sum the usage of a contract's covered calls in a time range, by model.

    Covered calls are those priced by the plan versions of the contract's versions.
    """
    sums = [func.coalesce(func.sum(getattr(Usage, meter)), 0) for meter in METERS]
    query = (
        select(Usage.model, func.count(), *sums)
        .where(
            col(Usage.account_id) == account_id,
            col(Usage.settlement).in_(_BILLABLE),
            col(Usage.started_at) >= since,
            col(Usage.started_at) < until,
            col(Usage.plan_version_id).in_(set(version_ids)),
        )
        .group_by(col(Usage.model))
        .order_by(col(Usage.model))
    )
    rows = (await session.execute(query)).all()
    return [
        ModelUsage(model or "", int(calls), Quantities(*(int(one) for one in sums)))
        for model, calls, *sums in rows
    ]
