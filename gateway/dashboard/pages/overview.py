"""The overview: cost of the month, forecast, limits, latest calls and next steps.

Amounts come from the invoice preview, the alerts and the API's lists, so that they cannot differ.
Viewers without an account are redirected to the platform's pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from billing.invoice_documents.builder import build_invoice_preview
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.invoice_list import InvoiceListItem, list_invoices
from billing.invoices.usage_position import load_usage_position
from billing.metering.usage import list_usage
from billing.notifications.current_limits import AccountLimits, load_account_limits
from billing.outcomes.contracts.contracts import list_contracts
from billing.outcomes.settlement.read_model import list_account_disputes
from billing.rating.terms import PlanTerms
from billing.reports.invoice_forecast import InvoiceForecast, forecast_invoice
from billing.reports.spending import SpendingDimension, SpendingRow, list_spending
from billing.tables import ApiKey, BillingPeriod, Dispute, Usage
from gateway.access.api_keys import list_keys
from gateway.agents.store.decisions import count_proposals
from gateway.dashboard.charts import Chart
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.next_steps import AccountState, next_steps
from gateway.dashboard.pages.projects.common import visible_project_ids
from gateway.dashboard.pages.usage.cost_chart import (
    CostChartTexts,
    cost_chart,
    day_labels,
    period_day_starts,
)
from gateway.incidents.store import list_open_incidents
from infra.clock import Clock
from infra.database.database import Database
from infra.translations import gettext_noop

_MAX_CALLS = 6
_MAX_INVOICES = 12
_MAX_DISPUTES = 12


@dataclass(frozen=True, slots=True)
class _Overview:
    """The data of the page."""

    document: InvoiceDocument
    period: BillingPeriod
    foreseen: InvoiceForecast | None
    limits: AccountLimits
    days: list[SpendingRow]
    calls: list[Usage]
    invoices: list[InvoiceListItem]
    disputes: Sequence[Dispute]
    contracts: int
    keys: list[ApiKey]
    plan: PlanTerms | None
    agent_proposals: int


@get("/", name="dashboard:overview", permission=None)
async def show_overview(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
) -> Response[Any]:
    """Show the account's overview."""
    if page.viewer.account_id is None:
        return page.redirect("/dashboard/platform")
    async with database.transaction() as session:
        data = await _load_overview(session, clock, page)
        incidents = await list_open_incidents(session)
    now = clock.now()
    steps = next_steps(_account_state(data), now, page.allowed_page_names)
    return page.render(
        "overview.html",
        found=data,
        incidents=incidents,
        charts=_overview_chart(page, data, now),
        steps=steps,
        zone=parse_time_zone(data.period.time_zone),
        now=now,
    )


async def _load_overview(session: AsyncSession, clock: Clock, page: PageRequest) -> _Overview:
    """Load the data of the page."""
    account_id = page.account_id
    profile = await get_profile(session, account_id)
    position = await load_usage_position(session, profile, clock.now())
    period = position.current_period.period
    return _Overview(
        document=await build_invoice_preview(
            session, clock, account_id, page.language, position.current_period
        ),
        period=period,
        foreseen=await forecast_invoice(session, position),
        limits=await load_account_limits(session, position),
        days=await list_spending(session, account_id, period, SpendingDimension.DAY, by_model=True),
        calls=await list_usage(
            session,
            account_id=account_id,
            limit=_MAX_CALLS,
            project_ids=await visible_project_ids(session, page),
        ),
        invoices=await list_invoices(session, account_id, _MAX_INVOICES),
        disputes=await list_account_disputes(session, account_id, _MAX_DISPUTES),
        contracts=len(await list_contracts(session, account_id)),
        keys=await list_keys(session, account_id),
        plan=position.terms,
        agent_proposals=sum((await count_proposals(session, account_id, clock.now())).values()),
    )


def _account_state(data: _Overview) -> AccountState:
    """Return what decides the next steps: invoices, disputes, limits, and completed setup."""
    return AccountState(
        invoices=data.invoices,
        disputes=data.disputes,
        watched=data.limits.watched,
        has_keys=any(key.revoked_at is None for key in data.keys),
        has_calls=bool(data.calls),
        has_plan=data.plan is not None,
        agent_proposals=data.agent_proposals,
    )


def _overview_chart(page: PageRequest, data: _Overview, now: datetime) -> Chart | None:
    """Build the cost chart of the running period, None without spending."""
    if not data.days:
        return None
    starts, writing = period_day_starts(data.period, now), page.formatter
    texts = CostChartTexts(
        page.translate(gettext_noop("Cost by day")),
        page.translate(gettext_noop("Other models")),
        page.translate(gettext_noop("Total {cost}")),
    )
    labels = day_labels(starts, parse_time_zone(data.period.time_zone), writing)
    return cost_chart(data.days, starts, labels, data.document.currency, writing, texts)
