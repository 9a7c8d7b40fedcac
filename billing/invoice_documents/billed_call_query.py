"""Queries for the calls that an invoice bills, by the rule that aggregated them into the totals.

A call belongs to the first period of its account that ends after the call started and that is open
or was not closed when the call's row was written (billing/subscriptions/usage_totals.py).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoice_documents.billed_call import BILLED_CALLS, BilledCall, CallFilter
from billing.invoice_documents.sources import load_invoice_lines
from billing.invoices.lifecycle import get_invoice
from billing.rating.products import model_of_product, tier_of_product
from billing.rating.quantities import METERS
from billing.rating.statement import LineKind, StatementLine, has_cached_price
from billing.rating.terms import PlanTerms
from billing.subscriptions.usage_totals import NO_TERMS_ID
from infra.errors import AppError

_PAGE_SIZE = 2_000
# Late calls are searched from the first hour that has any, so that a page never scans the whole
# history of the account. Cuts only grow: a row that is beyond the cut of the previous period is
# beyond the cuts of all earlier periods.
_SELECT_PERIOD_BOUNDS = """
    select p.starts_at,
           coalesce((
               select min(t.hour) from usage_total t
               where t.account_id = p.account_id and t.period_id = p.id and t.late
           ), p.starts_at) as since,
           case when p.closed_at is null and not exists (
               select from billing_period n
               where n.account_id = p.account_id and n.starts_at > p.starts_at
           ) then null else p.ends_at end as until,
           coalesce((
               select max(b.cut) from billing_period b
               where b.account_id = p.account_id and b.starts_at < p.starts_at
           ), 0) as cut_before,
           coalesce(p.cut, (select consumed from usage_cursor)) as cut
    from billing_period p
    where p.account_id = :account and p.id = :period
"""
_SELECT_CALLS = f"""
    select u.request_id, u.started_at, coalesce(u.model, ''), u.key_id,
           (select k.name from api_key k where k.id = u.key_id and k.account_id = u.account_id),
           u.operation, u.settlement, u.status, u.error_code,
           {", ".join(f"u.{meter}" for meter in METERS)},
           coalesce(u.plan_version_id, :list_version), u.started_at < :starts_at, u.tags,
           u.cost_nano, u.covered, u.error_message, u.error_param, u.requested_model,
           u.service_tier, u.reasoning_tokens, coalesce(u.project_id, u.account_id), (
               select p.name from project p
               where p.id = coalesce(u.project_id, u.account_id) and p.account_id = u.account_id
           )
    from usage u
    where u.account_id = :account and u.started_at >= :since
      and u.started_at < coalesce(cast(:until as timestamptz), 'infinity')
      and (u.started_at >= :starts_at or u.written_in >= :cut_before) and u.written_in < :cut
      {{more}}
    order by u.started_at, u.request_id
    limit :limit
"""  # noqa: S608  # put together of constants
_AFTER_CALL = """
    and (u.started_at, u.request_id) > ((
        select m.started_at from usage m
        where m.request_id = :after and m.account_id = :account
    ), :after)
"""
# Tag names are read from the totals, so the query's cost does not depend on the number of calls.
_SELECT_TAG_NAMES = """
    select distinct tag collate "C" from usage_tag_total
    where account_id = :account and period_id = :period order by 1 limit :limit
"""
MAX_TAG_COLUMNS = 50
# Bounds that exclude no call, used instead of the bounds of a period.
_MIN_TIME = datetime.min.replace(tzinfo=UTC)
_UNBOUNDED: Mapping[str, Any] = MappingProxyType(
    {
        "starts_at": _MIN_TIME,
        "since": _MIN_TIME,
        "until": None,
        "cut_before": 0,
        "cut": 2**63 - 1,
    }
)
# Written without functions of columns, so that the planner's statistics show that a page fills
# early. With functions it expects few matches and reads all calls of the month.
_LINE_CONDITION = """
    and (u.plan_version_id = :version{or_list}) and u.model = :model
    and u.service_tier is not distinct from :tier
    and u.started_at {when} :starts_at and {units} > 0
"""
_UNITS_BY_METER = {
    **{meter: f"u.{meter}" for meter in METERS},
    "input_tokens": "u.input_tokens - "
    "case when :apart then coalesce(u.cached_input_tokens, 0) else 0 end",
}


class InvoiceLineNotFound(AppError):
    """The invoice has no line with this number."""

    status = 404
    type = "invalid_request_error"
    code = "invoice_line_not_found"


@dataclass(frozen=True, slots=True)
class PeriodCalls:
    """The calls of a period, or of all time, as bind parameters of the calls query."""

    sql_params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallSelection:
    """A selection of calls: of one period (all calls of the account if None) or of an invoice line.

    `line_and_terms` restricts the selection to an invoice line, given with its terms.
    `list_version` is the price list version that priced calls without terms.
    """

    period_id: UUID | None
    list_version: UUID = NO_TERMS_ID
    call_filter: CallFilter = BILLED_CALLS
    line_and_terms: tuple[StatementLine, PlanTerms] | None = None


async def load_period_calls(
    session: AsyncSession,
    account_id: UUID,
    period_id: UUID | None,
    list_version: UUID = NO_TERMS_ID,
) -> PeriodCalls:
    """Load the SQL parameters selecting a period's calls, or all calls if `period_id` is None.

    All calls include those that are not aggregated yet. `list_version` is the price list version
    that priced calls without terms.
    """
    if period_id is None:
        return PeriodCalls({"account": account_id, "list_version": list_version, **_UNBOUNDED})
    params = {"account": account_id, "period": period_id}
    row = (await session.execute(text(_SELECT_PERIOD_BOUNDS), params)).mappings().one()
    return PeriodCalls({"account": account_id, "list_version": list_version, **row})


async def list_period_calls(
    session: AsyncSession,
    period_calls: PeriodCalls,
    limit: int,
    after: UUID | None = None,
    line_and_terms: tuple[StatementLine, PlanTerms] | None = None,
    call_filter: CallFilter = BILLED_CALLS,
) -> list[BilledCall]:
    """List the next calls after the call `after`, earliest first, optionally of one line only."""
    params = {**period_calls.sql_params, **call_filter.sql_params(), "limit": limit}
    conditions = call_filter.sql_conditions()
    if after is not None:
        conditions += _AFTER_CALL
        params["after"] = after
    if line_and_terms is not None:
        line, terms = line_and_terms
        if line.kind not in (LineKind.USAGE, LineKind.LATE_USAGE):
            return []
        is_list_price = line.version_id == params["list_version"]
        conditions += _LINE_CONDITION.format(
            or_list=" or u.plan_version_id is null" if is_list_price else "",
            when="<" if line.kind is LineKind.LATE_USAGE else ">=",
            units=_UNITS_BY_METER[line.meter or ""],
        )
        params |= _line_params(line, terms)
    rows = await session.execute(text(_SELECT_CALLS.format(more=conditions)), params)
    return [BilledCall(*row) for row in rows]


async def iterate_call_pages(
    session: AsyncSession, period_calls: PeriodCalls, page_size: int = _PAGE_SIZE
) -> AsyncIterator[list[BilledCall]]:
    """Iterate over all calls in pages, so that memory holds one page at a time."""
    after: UUID | None = None
    while page := await list_period_calls(session, period_calls, page_size, after):
        yield page
        after = page[-1].request_id


async def list_tag_names(
    session: AsyncSession, account_id: UUID, period_id: UUID
) -> tuple[str, ...]:
    """List the tag names of a period's billed calls, at most MAX_TAG_COLUMNS."""
    values = {"account": account_id, "period": period_id, "limit": MAX_TAG_COLUMNS}
    return tuple((await session.scalars(text(_SELECT_TAG_NAMES), values)).all())


async def list_invoice_calls(
    session: AsyncSession,
    account_id: UUID,
    invoice_id: UUID,
    limit: int,
    after: UUID | None = None,
    number: int | None = None,
    project_ids: Sequence[UUID] | None = None,
) -> list[BilledCall]:
    """List the calls that an invoice, or its line with this number, bills.

    Only those of `project_ids`, if given. Empty if the invoice bills no period.
    Raises InvoiceNotFound, InvoiceLineNotFound.
    """
    selection = await select_invoice_calls(session, account_id, invoice_id, number, project_ids)
    if selection is None:
        return []
    return await list_selected_calls(session, account_id, selection, limit, after)


async def list_selected_calls(
    session: AsyncSession,
    account_id: UUID,
    selection: CallSelection,
    limit: int,
    after: UUID | None = None,
) -> list[BilledCall]:
    """List the next selected calls after the call `after`, earliest first."""
    period_calls = await load_period_calls(
        session, account_id, selection.period_id, selection.list_version
    )
    return await list_period_calls(
        session, period_calls, limit, after, selection.line_and_terms, selection.call_filter
    )


async def select_invoice_calls(
    session: AsyncSession,
    account_id: UUID,
    invoice_id: UUID,
    number: int | None = None,
    project_ids: Sequence[UUID] | None = None,
) -> CallSelection | None:
    """Return the selection of calls that an invoice, or its line with this number, bills.

    Only those of `project_ids`, if given.

    Returns None if the invoice bills no period. Raises InvoiceNotFound, InvoiceLineNotFound.
    """
    invoice = await get_invoice(session, account_id, invoice_id)
    lines, versions = await load_invoice_lines(session, account_id, invoice_id)
    if number is not None and not 0 < number <= len(lines):
        raise InvoiceLineNotFound("The invoice has no such line.", param="line")
    if invoice.period_id is None:
        return None
    line_and_terms = None
    if number is not None:
        line = lines[number - 1]
        line_and_terms = line, versions.terms[line.version_id]
    call_filter = CallFilter(project_ids=project_ids)
    return CallSelection(invoice.period_id, versions.list_version, call_filter, line_and_terms)


def _line_params(line: StatementLine, terms: PlanTerms) -> dict[str, Any]:
    """Return the bind parameters that select the calls which an invoice line bills."""
    product = line.model or ""
    params: dict[str, Any] = {
        "version": line.version_id,
        "model": model_of_product(product),
        "tier": tier_of_product(product),
    }
    if line.meter == "input_tokens":
        params["apart"] = has_cached_price(terms, line.model or "")
    return params
