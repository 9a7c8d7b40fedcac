"""What publishing a plan file would do: the terms that change, and the subscribed accounts.

Subscribed accounts keep their version; the new one applies to later subscriptions, and to them
after an announced price change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.invoice_documents.price_format import format_percent, price_to_json
from billing.money import minor_text, nano_text
from billing.plan_changes.terms_comparison import TermsDifference, compare_terms
from billing.plan_changes.views import plan_json
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import list_plan_versions, load_terms
from billing.tables import Account, PlanVersion, SubscriptionPhase
from infra import ids

_MAX_ACCOUNTS = 100
_AMOUNTS = ("fixed_fee", "minimum")


@dataclass(frozen=True, slots=True)
class SubscribedAccount:
    """An account on a version of the plan, and the version's fee in minor units per interval."""

    account_id: UUID
    name: str
    number: int
    fee: int


@dataclass(frozen=True, slots=True)
class PlanPublication:
    """What publishing terms would do.

    `version` is the version that the terms get, or that has them already (`is_new` False).
    `replaced` is the newest version before, None for a new plan, with the `differences` from it.
    """

    version: PlanVersion
    terms: PlanTerms
    is_new: bool
    replaced: PlanVersion | None
    differences: Sequence[TermsDifference]
    accounts: Sequence[SubscribedAccount]


async def preview_publication(
    session: AsyncSession, now: datetime, terms: PlanTerms
) -> PlanPublication:
    """Return what publishing terms would do. For operators: reads across accounts (account_id)."""
    versions = [
        one
        for one in await list_plan_versions(session)
        if (one.plan, one.currency) == (terms.plan, terms.currency)
    ]
    newest = versions[-1] if versions else None
    known = next((one for one in versions if one.id == terms.version_id()), None)
    by_id = await load_terms(session, [one.id for one in versions])
    proposed = PlanVersion(
        id=terms.version_id(),
        plan=terms.plan,
        currency=terms.currency,
        number=known.number if known else (newest.number if newest else 0) + 1,
        terms="",
        created_at=known.created_at if known else now,
    )
    return PlanPublication(
        version=proposed,
        terms=terms,
        is_new=known is None,
        replaced=newest,
        differences=[] if newest is None else compare_terms(by_id[newest.id], terms),
        accounts=await _subscribed_accounts(session, now, by_id),
    )


def publication_json(publication: PlanPublication) -> dict[str, Any]:
    """Return a publication as JSON, with at most 100 of the subscribed accounts."""
    replaced, currency = publication.replaced, publication.terms.currency
    return {
        "object": "plan.publication",
        "plan": plan_json(publication.version, publication.terms),
        "creates_version": publication.is_new,
        "replaces": replaced and replaced.number,
        "differences": [_difference_json(one, currency) for one in publication.differences],
        "subscribed_count": len(publication.accounts),
        "subscribed": [
            {
                "id": ids.format_id(ACCOUNT_ID_PREFIX, one.account_id),
                "name": one.name,
                "version": one.number,
                "fixed_fee": minor_text(one.fee, currency),
            }
            for one in publication.accounts[:_MAX_ACCOUNTS]
        ],
    }


def _difference_json(one: TermsDifference, currency: str) -> dict[str, Any]:
    """Return a difference as JSON; amounts are decimal text."""
    return {
        "field": one.field,
        "model": one.model or None,
        "meter": one.meter or None,
        "before": _value_json(one.field, one.before, currency),
        "after": _value_json(one.field, one.after, currency),
    }


def _value_json(field: str, value: Any, currency: str) -> Any:
    """Return a value of terms as JSON."""
    if value is None:
        return None
    if field in _AMOUNTS:
        return minor_text(value, currency)
    if field == "spend_cap":
        return nano_text(value)
    if field == "price":
        return price_to_json(value)
    return format_percent(value) if field == "discount" else msgspec.to_builtins(value)


async def _subscribed_accounts(
    session: AsyncSession, now: datetime, by_id: dict[UUID, PlanTerms]
) -> list[SubscribedAccount]:
    """Return the accounts that are subscribed to one of the versions, by name."""
    ends = col(SubscriptionPhase.ends_at)
    query = (
        select(Account.id, Account.name, PlanVersion.id, PlanVersion.number)
        .join(SubscriptionPhase, col(SubscriptionPhase.account_id) == col(Account.id))
        .join(PlanVersion, col(PlanVersion.id) == col(SubscriptionPhase.plan_version_id))
        .where(
            col(SubscriptionPhase.plan_version_id).in_(list(by_id)),
            col(SubscriptionPhase.starts_at) <= now,
            ends.is_(None) | (ends > now),
        )
        .order_by(col(Account.name))
    )
    return [
        SubscribedAccount(account_id, name, number, by_id[version_id].fixed_fee)
        for account_id, name, version_id, number in (await session.execute(query)).all()
    ]
