"""Calls of outcomes: which calls of ours an effect is owed to.

Those that the claim names, or that carry the tags of the subject and the contract, begun in time,
answered, and of a model and operation that the contract names; a call serves one outcome. Of many
the last ones count. What a call predicted is not known, so it is not checked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.contracts.attribution import CONTRACT_TAG, MOST_CALLS, is_about, span_of_calls
from billing.outcomes.contracts.terms import Event, OutcomeTerms
from billing.outcomes.evidence.statements import Claimed
from billing.rating.quantities import METERS, Quantities
from billing.rating.terms import ANY_MODEL
from billing.tables import OutcomeCall, Settlement, Usage

_BILLABLE = [one.value for one in Settlement if one.billable]


@dataclass(frozen=True, slots=True)
class Found:
    """Calls that an outcome can have, how many more would do but serve another, and how many are of
    a model or operation that the contract does not name."""

    free: tuple[UUID, ...]
    taken: int
    ineligible: int = 0


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What a month's calls for a contract consumed of one model."""

    model: str
    calls: int
    quantities: Quantities


async def find_calls(
    session: AsyncSession, account_id: UUID, terms: OutcomeTerms, kind: Event, claim: Claimed
) -> Found:
    """The calls that the effect can be owed to, the latest first."""
    span, eligible = span_of_calls(kind, claim.happened_at), _eligible(terms)
    query = (
        select(Usage.request_id, Usage.tags, OutcomeCall.outcome_id, eligible)
        .join(OutcomeCall, col(OutcomeCall.request_id) == col(Usage.request_id), isouter=True)
        .where(
            col(Usage.account_id) == account_id,
            col(Usage.settlement).in_(_BILLABLE),
            col(Usage.started_at).between(span.since, span.until),
        )
        # Eligible calls first, so that the limit never drops one for a call that does not count.
        .order_by(eligible.desc(), col(Usage.started_at).desc(), col(Usage.request_id))
    )
    named = claim.calls is not None
    if claim.calls is not None:
        query = query.where(col(Usage.request_id).in_(claim.calls))
    else:
        wanted = {terms.subject_tag: claim.subject, CONTRACT_TAG: terms.tag}
        query = query.where(col(Usage.tags).contains(wanted))
        query = query.where(col(OutcomeCall.outcome_id).is_(None)).limit(MOST_CALLS)
    rows = [
        (request_id, outcome_id, counts)
        for request_id, tags, outcome_id, counts in (await session.execute(query)).all()
        if is_about(tags, terms, claim.subject, named=named)
    ]
    usable = [(request_id, outcome_id) for request_id, outcome_id, counts in rows if counts]
    free = tuple(request_id for request_id, outcome_id in usable if outcome_id is None)
    return Found(free, len(usable) - len(free), len(rows) - len(usable))


def _eligible(terms: OutcomeTerms) -> ColumnElement[bool]:
    """Whether a row's model and operation may support a claim, as Attribution.allows says."""
    supporting = terms.supporting
    by_operation = col(Usage.operation).in_(supporting.operations)
    if ANY_MODEL in supporting.models:
        return by_operation
    return and_(by_operation, func.coalesce(col(Usage.model).in_(supporting.models), False))


def keep_calls(session: AsyncSession, account_id: UUID, outcome_id: UUID, found: Found) -> None:
    session.add_all(
        OutcomeCall(request_id=one, account_id=account_id, outcome_id=outcome_id)
        for one in found.free
    )


async def calls_of(
    session: AsyncSession, account_id: UUID, outcome_ids: list[UUID]
) -> dict[UUID, list[Usage]]:
    """The calls of outcomes, the earliest first."""
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
    found: dict[UUID, list[Usage]] = {one: [] for one in outcome_ids}
    for outcome_id, usage in (await session.execute(query)).all():
        found[outcome_id].append(usage)
    return found


async def use_for(
    session: AsyncSession,
    account_id: UUID,
    version_ids: Iterable[UUID | None],
    since: datetime,
    until: datetime,
) -> list[ModelUse]:
    """What calls that a contract covers consumed in a time, by model; its versions' prices tell
    which these are."""
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
        ModelUse(model or "", int(calls), Quantities(*(int(one) for one in sums)))
        for model, calls, *sums in rows
    ]
