"""Sales: which plans there are, in which versions, and how many accounts are on each.

For operators: it looks across accounts (account_id).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.terms import LIST_PLAN, PlanTerms
from billing.subscriptions.plans import list_versions, terms_of, unlisted_plans
from billing.tables import PlanVersion

_ON = """
    select plan_version_id, count(distinct account_id) from subscription_phase
    where starts_at <= :now and (ends_at is null or ends_at > :now) group by 1
"""


@dataclass(frozen=True, slots=True)
class Sold:
    """A version of a plan; `offered` where accounts can take it themselves, which is so of the
    newest of a listed plan alone. The list holds for who is on no plan."""

    version: PlanVersion
    terms: PlanTerms
    offered: bool
    newest: bool
    accounts: int

    @property
    def listing(self) -> bool:
        """Whether it is the list of prices rather than a plan."""
        return self.version.plan == LIST_PLAN


async def sold_plans(session: AsyncSession, now: datetime) -> list[Sold]:
    """Every version of every plan, by plan and currency, the newest first."""
    versions = await list_versions(session)
    terms = await terms_of(session, [one.id for one in versions])
    hidden, on = await unlisted_plans(session), await _on(session, now)
    newest = {(one.plan, one.currency): one.id for one in versions}
    found = [
        Sold(
            version=one,
            terms=terms[one.id],
            offered=newest[one.plan, one.currency] == one.id
            and one.plan != LIST_PLAN
            and (one.plan, one.currency) not in hidden,
            newest=newest[one.plan, one.currency] == one.id,
            accounts=on.get(one.id, 0),
        )
        for one in versions
    ]
    return sorted(found, key=_order)


def _order(one: Sold) -> tuple[str, str, int]:
    return one.version.plan, one.version.currency, -one.version.number


async def _on(session: AsyncSession, now: datetime) -> dict[UUID, int]:
    rows = await session.execute(text(_ON), {"now": now})
    return {version_id: int(count) for version_id, count in rows}
