"""The overview: this month so far, what it will come to, what is used of what there is, the last
calls, and what to do next.

Owns what the page shows, and leading the platform's people to theirs. Every amount is that of the
preview, of the alerts and of the API's lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import read_profile
from billing.dates import zone_of
from billing.invoice_documents.builder import preview_of
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.invoice_list import Listed, invoice_page
from billing.invoices.usage_position import read_position
from billing.metering.usage import list_usage
from billing.notifications.limits_in_force import LimitsInForce, limits_in_force
from billing.outcomes.contracts.contracts import list_contracts
from billing.outcomes.settlement.read_model import disputes_in
from billing.rating.terms import PlanTerms
from billing.reports.invoice_forecast import Foreseen, foresee
from billing.reports.spending import Dimension, Spent, spending
from billing.tables import ApiKey, BillingPeriod, Dispute, Usage
from gateway.access.api_keys import list_keys
from gateway.dashboard.charts import Chart
from gateway.dashboard.labels import marked
from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.cost_chart import Words, cost_chart, day_places, days_of
from gateway.dashboard.pages.next_steps import Standing, next_steps
from infra.clock import Clock
from infra.database.database import Database

_LAST_CALLS = 6
_INVOICES = 12
_DISPUTES = 12


@dataclass(frozen=True, slots=True)
class _Found:
    """What the page is made of."""

    document: InvoiceDocument
    period: BillingPeriod
    foreseen: Foreseen | None
    limits: LimitsInForce
    days: list[Spent]
    calls: list[Usage]
    invoices: list[Listed]
    disputes: Sequence[Dispute]
    contracts: int
    keys: list[ApiKey]
    plan: PlanTerms | None


@get("/", name="dashboard:overview", permission=None)
async def overview(
    viewing: NamedDependency[Viewing],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
) -> Response[Any]:
    if viewing.viewer.account_id is None:
        return viewing.go("/dashboard/platform")
    async with database.transaction() as session:
        found = await _read(session, clock, viewing)
    now = clock.now()
    steps = next_steps(_standing(found), now, viewing.page_names)
    return viewing.page(
        "overview.html",
        found=found,
        charts=_chart(viewing, found, now),
        steps=steps,
        zone=zone_of(found.period.time_zone),
        now=now,
    )


async def _read(session: AsyncSession, clock: Clock, viewing: Viewing) -> _Found:
    account_id = viewing.account_id
    profile = await read_profile(session, account_id)
    position = await read_position(session, profile, clock.now())
    period = position.running.period
    return _Found(
        document=await preview_of(session, clock, account_id, viewing.language, position.running),
        period=period,
        foreseen=await foresee(session, position),
        limits=await limits_in_force(session, position),
        days=await spending(session, account_id, period, Dimension.DAY, by_model=True),
        calls=await list_usage(session, account_id=account_id, limit=_LAST_CALLS),
        invoices=await invoice_page(session, account_id, _INVOICES),
        disputes=await disputes_in(session, account_id, _DISPUTES),
        contracts=len(await list_contracts(session, account_id)),
        keys=await list_keys(session, account_id),
        plan=position.terms,
    )


def _standing(found: _Found) -> Standing:
    return Standing(
        invoices=found.invoices,
        disputes=found.disputes,
        watched=found.limits.watched,
        has_keys=any(key.revoked_at is None for key in found.keys),
        has_calls=bool(found.calls),
        has_plan=found.plan is not None,
    )


def _chart(viewing: Viewing, found: _Found, now: datetime) -> Chart | None:
    if not found.days:
        return None
    starts, writing = days_of(found.period, now), viewing.writing
    words = Words(
        viewing.say(marked("Cost by day")),
        viewing.say(marked("Other models")),
        viewing.say(marked("Together {cost}")),
    )
    places = day_places(starts, zone_of(found.period.time_zone), writing)
    return cost_chart(found.days, starts, places, found.document.currency, writing, words)
