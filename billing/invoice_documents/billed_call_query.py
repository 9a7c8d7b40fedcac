"""The calls that an invoice bills, found by the rule by which the totals counted them.

A call counts into the first of its account's periods that ends after it began and that is open, or
had not been cut when its row was written (billing/subscriptions/usage_totals.py).
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoice_documents.billed_call import BILLED, BilledCall, CallFilter
from billing.invoice_documents.sources import stored_lines
from billing.invoices.lifecycle import get_invoice
from billing.rating.products import model_of, tier_of
from billing.rating.quantities import METERS
from billing.rating.statement import Line, LineKind, cached_apart
from billing.rating.terms import PlanTerms
from billing.subscriptions.usage_totals import NO_TERMS
from infra.errors import AppError

_PAGE = 2_000
# Late calls are looked for from the first hour that has any, so that a page never reads through
# all that the account ever did. Cuts only grow: what the period before this one had not when it
# was cut, none before it had.
_PERIOD = """
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
_CALLS = f"""
    select u.request_id, u.started_at, coalesce(u.model, ''), u.key_id,
           (select k.name from api_key k where k.id = u.key_id and k.account_id = u.account_id),
           u.operation, u.settlement, u.status, u.error_code,
           {", ".join(f"u.{meter}" for meter in METERS)},
           coalesce(u.plan_version_id, :list_version), u.started_at < :starts_at, u.tags,
           u.cost_nano, u.covered, u.error_message, u.error_param, u.requested_model,
           u.service_tier
    from usage u
    where u.account_id = :account and u.started_at >= :since
      and u.started_at < coalesce(cast(:until as timestamptz), 'infinity')
      and (u.started_at >= :starts_at or u.written_in >= :cut_before) and u.written_in < :cut
      {{more}}
    order by u.started_at, u.request_id
    limit :limit
"""  # noqa: S608  # put together of constants
_AFTER = """
    and (u.started_at, u.request_id) > ((
        select m.started_at from usage m
        where m.request_id = :after and m.account_id = :account
    ), :after)
"""
# The names of tags by the totals, which the cost of a period does not depend on.
_TAG_NAMES = """
    select distinct tag collate "C" from usage_tag_total
    where account_id = :account and period_id = :period order by 1 limit :limit
"""
MOST_TAG_COLUMNS = 50
# In place of a period's bounds: those that leave out nothing.
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_EVER: Mapping[str, Any] = MappingProxyType(
    {
        "starts_at": _BEGINNING,
        "since": _BEGINNING,
        "until": None,
        "cut_before": 0,
        "cut": 2**63 - 1,
    }
)
# Said without functions of columns: by its statistics the planner then knows that a page is soon
# full, and reads no further. With them it expects few calls, and reads all that the month has.
_OF_LINE = """
    and (u.plan_version_id = :version{or_list}) and u.model = :model
    and u.service_tier is not distinct from :tier
    and u.started_at {when} :starts_at and {units} > 0
"""
_UNITS = {
    **{meter: f"u.{meter}" for meter in METERS},
    "input_tokens": "u.input_tokens - "
    "case when :apart then coalesce(u.cached_input_tokens, 0) else 0 end",
}


class LineNotFound(AppError):
    """The invoice has no line of this number."""

    status = 404
    type = "invalid_request_error"
    code = "invoice_line_not_found"


@dataclass(frozen=True, slots=True)
class Counted:
    """Which calls a period counts, as values of the query."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Selected:
    """Calls of one period (all of the account's where it is None), or of one line of its invoice.
    `list_version` priced what names no terms."""

    period_id: UUID | None
    list_version: UUID = NO_TERMS
    only: CallFilter = BILLED
    of: tuple[Line, PlanTerms] | None = None


async def counted_of(
    session: AsyncSession, account_id: UUID, period_id: UUID | None, list_version: UUID = NO_TERMS
) -> Counted:
    """The calls of one of the account's periods; where it is None all of the account's, also those
    that no total counts yet. `list_version` priced what names no terms."""
    if period_id is None:
        return Counted({"account": account_id, "list_version": list_version, **_EVER})
    place = {"account": account_id, "period": period_id}
    row = (await session.execute(text(_PERIOD), place)).mappings().one()
    return Counted({"account": account_id, "list_version": list_version, **row})


async def calls_page(
    session: AsyncSession,
    counted: Counted,
    limit: int,
    after: UUID | None = None,
    of: tuple[Line, PlanTerms] | None = None,
    only: CallFilter = BILLED,
) -> list[BilledCall]:
    """The next calls after one of them, the earliest first; `of` only those of one line."""
    values = {**counted.values, **only.values(), "limit": limit}
    more = only.conditions()
    if after is not None:
        more, values["after"] = more + _AFTER, after
    if of is not None:
        line, terms = of
        if line.kind not in (LineKind.USAGE, LineKind.LATE_USAGE):
            return []
        listed = line.version_id == values["list_version"]
        more += _OF_LINE.format(
            or_list=" or u.plan_version_id is null" if listed else "",
            when="<" if line.kind is LineKind.LATE_USAGE else ">=",
            units=_UNITS[line.meter or ""],
        )
        values |= _line_values(line, terms)
    rows = await session.execute(text(_CALLS.format(more=more)), values)
    return [BilledCall(*row) for row in rows]


async def every_call(
    session: AsyncSession, counted: Counted, size: int = _PAGE
) -> AsyncIterator[list[BilledCall]]:
    """All calls, page by page: memory holds one page."""
    after: UUID | None = None
    while page := await calls_page(session, counted, size, after):
        yield page
        after = page[-1].request_id


async def tag_names(session: AsyncSession, account_id: UUID, period_id: UUID) -> tuple[str, ...]:
    """The names of the tags that a period's billed calls carry, MOST_TAG_COLUMNS at most."""
    values = {"account": account_id, "period": period_id, "limit": MOST_TAG_COLUMNS}
    return tuple((await session.scalars(text(_TAG_NAMES), values)).all())


async def calls_of_invoice(
    session: AsyncSession,
    account_id: UUID,
    invoice_id: UUID,
    limit: int,
    after: UUID | None = None,
    number: int | None = None,
) -> list[BilledCall]:
    """A page of the calls that an invoice bills, or that its line of this number does; none where
    it bills no period. Raises InvoiceNotFound, LineNotFound."""
    selected = await selected_of_invoice(session, account_id, invoice_id, number)
    return (
        [] if selected is None else await selected_page(session, account_id, selected, limit, after)
    )


async def selected_page(
    session: AsyncSession,
    account_id: UUID,
    selected: Selected,
    limit: int,
    after: UUID | None = None,
) -> list[BilledCall]:
    """The next of the selected calls, the earliest first."""
    counted = await counted_of(session, account_id, selected.period_id, selected.list_version)
    return await calls_page(session, counted, limit, after, selected.of, selected.only)


async def selected_of_invoice(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, number: int | None = None
) -> Selected | None:
    """The calls that an invoice bills, or its line of this number; None where it bills no period.
    Raises InvoiceNotFound, LineNotFound."""
    invoice = await get_invoice(session, account_id, invoice_id)
    lines, versions = await stored_lines(session, account_id, invoice_id)
    if number is not None and not 0 < number <= len(lines):
        raise LineNotFound("The invoice has no such line.", param="line")
    if invoice.period_id is None:
        return None
    of = None
    if number is not None:
        line = lines[number - 1]
        of = line, versions.terms[line.version_id]
    return Selected(invoice.period_id, versions.list_version, of=of)


def _line_values(line: Line, terms: PlanTerms) -> dict[str, Any]:
    name = line.model or ""
    values: dict[str, Any] = {
        "version": line.version_id,
        "model": model_of(name),
        "tier": tier_of(name),
    }
    if line.meter == "input_tokens":
        values["apart"] = cached_apart(terms, line.model or "")
    return values
