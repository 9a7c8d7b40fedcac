"""All plan versions with the number of subscribed accounts.

For operators: reads across accounts (account_id).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.terms import LIST_PLAN, PlanTerms
from billing.subscriptions.plans import list_plan_versions, list_unlisted_plans, load_terms
from billing.tables import PlanVersion

_ACCOUNTS_BY_VERSION = """
    select plan_version_id, count(distinct account_id) from subscription_phase
    where starts_at <= :now and (ends_at is null or ends_at > :now) group by 1
"""


@dataclass(frozen=True, slots=True)
class PlanVersionSales:
    """A plan version with its number of subscribed accounts.

    `offered` is True if accounts can take it themselves: only the newest version of a listed plan.
    """

    version: PlanVersion
    terms: PlanTerms
    offered: bool
    newest: bool
    accounts: int

    @property
    def listing(self) -> bool:
        """Whether the version is of the pay-as-you-go price list rather than of a plan."""
        return self.version.plan == LIST_PLAN


async def list_plan_sales(session: AsyncSession, now: datetime) -> list[PlanVersionSales]:
    """List every plan version, by plan and currency, newest first."""
    versions = await list_plan_versions(session)
    terms = await load_terms(session, [version.id for version in versions])
    unlisted, account_counts = (
        await list_unlisted_plans(session),
        await _accounts_by_version(session, now),
    )
    newest = {(version.plan, version.currency): version.id for version in versions}
    sales = [
        PlanVersionSales(
            version=version,
            terms=terms[version.id],
            offered=newest[version.plan, version.currency] == version.id
            and version.plan != LIST_PLAN
            and (version.plan, version.currency) not in unlisted,
            newest=newest[version.plan, version.currency] == version.id,
            accounts=account_counts.get(version.id, 0),
        )
        for version in versions
    ]
    return sorted(sales, key=_sort_key)


def _sort_key(sales: PlanVersionSales) -> tuple[str, str, int]:
    """Return the sort key of a version: plan, currency, then the newest first."""
    return sales.version.plan, sales.version.currency, -sales.version.number


async def _accounts_by_version(session: AsyncSession, now: datetime) -> dict[UUID, int]:
    """Return the number of accounts on each plan version at an instant."""
    rows = await session.execute(text(_ACCOUNTS_BY_VERSION), {"now": now})
    return {version_id: int(count) for version_id, count in rows}
