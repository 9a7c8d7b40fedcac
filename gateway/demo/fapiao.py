"""Fapiao of the example firms: requested when an invoice is paid, issued on the next office day."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.fapiao.errors import NothingToIssue
from billing.fapiao.issuing import apply_results, export_batch
from billing.fapiao.provider import IssueOrder, IssueResult, ProviderFile, RedLetterOrder
from billing.fapiao.requests import list_fapiaos, request_fapiao
from billing.fapiao.titles import create_title
from billing.invoice_documents.invoice_list import list_invoices
from billing.tables import InvoiceStatus
from gateway.demo.context import DemoAccount, DemoDependencies

_MAX_ROWS = 1_000
# The first two digits are the year, those of the demo's tax platform follow.
_FIRST_NUMBER = 26_330_000_000_100_000_000
_OPERATOR = "maas demo"


class DemoTaxPlatform:
    """Issues every order on a day; the number of a fapiao follows from its serial number."""

    def __init__(self, day: date) -> None:
        self._day = day
        self._totals: dict[str, int] = {}

    async def issue(self, orders: Sequence[IssueOrder]) -> Sequence[ProviderFile]:
        """Issue blue fapiao; there are no files to upload."""
        self._totals |= {order.serial: order.total for order in orders}
        return ()

    async def red_letter(self, orders: Sequence[RedLetterOrder]) -> Sequence[ProviderFile]:
        """Issue red letters; there are no files to upload."""
        self._totals |= {one.order.serial: one.order.total for one in orders}
        return ()

    async def query(self, serials: Sequence[str]) -> Sequence[IssueResult]:
        """Return the results of the orders of this day."""
        return [
            IssueResult(row, serial, self._number(serial), self._day, self._totals[serial])
            for row, serial in enumerate(serials, 1)
            if serial in self._totals
        ]

    @staticmethod
    def _number(serial: str) -> str:
        """Return the 20 digits of a fapiao's number."""
        return str(_FIRST_NUMBER + int("".join(filter(str.isdecimal, serial)) or "0"))


async def add_buyer_title(deps: DemoDependencies, account: DemoAccount) -> None:
    """Add the firm's buyer title, if it wants fapiao."""
    if account.firm.fapiao_title is not None:
        async with deps.database.transaction() as session:
            place = (session, deps.clock, account.account_id)
            await create_title(*place, account.firm.fapiao_title)


async def issue_requested(deps: DemoDependencies, day: date) -> None:
    """Issue all requested fapiao, as the operator."""
    platform = DemoTaxPlatform(day)
    async with deps.database.transaction() as session:
        try:
            await export_batch(session, deps.clock, platform, _OPERATOR)
        except NothingToIssue:
            return
        await apply_results(session, deps.clock, platform)


async def request_for_paid_invoices(deps: DemoDependencies, account: DemoAccount) -> None:
    """Request fapiao for paid invoices that have none, as the firm's finance department."""
    if account.firm.fapiao_title is None:
        return
    async with deps.database.transaction() as session:
        for invoice_id in await _paid_without_fapiao(session, account):
            place = (session, deps.clock, account.account_id, invoice_id)
            await request_fapiao(*place, account.firm.billing_email)


async def _paid_without_fapiao(session: AsyncSession, account: DemoAccount) -> list[UUID]:
    """Return the ids of paid invoices with an amount that are on no fapiao."""
    listed = await list_invoices(session, account.account_id, _MAX_ROWS)
    rows = await list_fapiaos(session, account.account_id, _MAX_ROWS)
    known = {row.invoice_id for row in rows}
    return [
        one.invoice.id
        for one in listed
        if one.invoice.status == InvoiceStatus.PAID
        and one.invoice.total > 0
        and one.invoice.id not in known
    ]
