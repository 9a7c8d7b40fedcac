"""Invoices: the list, the preview of the running period, and one with its lines; files, and paying.

A page shows the document of which JSON, CSV and PDF are made too
(billing/invoice_documents/document.py), so they cannot disagree.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from billing.accounts.profiles import read_profile
from billing.collection.line_disputes import (
    disputable_lines,
    line_dispute_status,
    line_disputes_of,
)
from billing.collection.stripe.client import Payments
from billing.collection.stripe.hosted_pages import paying_page
from billing.dates import zone_of
from billing.invoice_documents.billed_call_query import LineNotFound, calls_of_invoice
from billing.invoice_documents.builder import document_of, preview_of
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.invoice_list import invoice_page
from billing.invoice_documents.rendering.csv import lines_csv
from billing.invoice_documents.rendering.pdf import invoice_pdf
from billing.invoices.lifecycle import PREFIX, InvoiceNotFound, get_invoice
from billing.metering.quotas import QuotaRef, request_quotas_of
from billing.metering.usage import REQUEST_PREFIX
from billing.outbox import Refused, TryLater
from billing.tables import LineDispute
from gateway.call.errors import StripeNotUsed, StripeUnavailable
from gateway.dashboard.page_request import Viewing
from gateway.identity.roles import Permission
from gateway.identity.services import Identity
from gateway.process.call_export import calls_file
from gateway.process.document_queue import DocumentQueue
from gateway.quota.request_limits import RequestLimits
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_INVOICES, _CALLS = 24, 50


@dataclass(frozen=True, slots=True)
class _Said:
    """What was said against lines, by their numbers, and the lines that can be disputed yet."""

    disputes: Mapping[int, LineDispute] = field(default_factory=dict)
    disputable: Collection[int] = ()


class InvoicePages(Controller):
    """`/dashboard/invoices…`."""

    path = "/invoices"

    @get("/", name="dashboard:invoices")
    async def invoices(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        mark = None if after is None else ids.parse(PREFIX, after)
        async with database.transaction() as session:
            profile = await read_profile(session, viewing.account_id)
            rows = await invoice_page(session, viewing.account_id, _INVOICES + 1, mark)
            running = await preview_of(session, clock, viewing.account_id, viewing.language)
        shown, more = rows[:_INVOICES], None
        if len(rows) > _INVOICES:
            more = f"/dashboard/invoices?after={ids.show(PREFIX, shown[-1].invoice.id)}"
        return viewing.page(
            "invoices.html",
            rows=shown,
            running=None if after else running,
            more=more,
            first="/dashboard/invoices" if after else None,
            zone=zone_of(profile.time_zone),
            now=clock.now(),
        )

    @get("/preview", name="dashboard:preview")
    async def preview(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        async with database.transaction() as session:
            document = await preview_of(session, clock, viewing.account_id, viewing.language)
        return _shown(viewing, document, clock, payable=False, said=_Said())

    @get("/{invoice:str}", name="dashboard:invoice")
    async def invoice(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        payments: NamedDependency[Payments | None],
        invoice: FromPath[str],
    ) -> Response[str]:
        document = await _document(viewing, database, invoice)
        by_stripe = payments is not None and document.collection != "manual"
        may = viewing.viewer.may(Permission.PAY)
        said = await _said_against(viewing, database, clock, _id(invoice))
        return _shown(viewing, document, clock, payable=by_stripe and may, said=said)

    @get("/{invoice:str}/pdf", name="dashboard:pdf")
    async def pdf(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        documents: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
    ) -> Response[bytes]:
        await request_limits.count(await _request_quotas(viewing, database))
        async with documents.place(viewing.account_id):
            document = await _document(viewing, database, invoice)
            # Some milliseconds a page, in which other calls would not go on.
            content = await asyncio.to_thread(invoice_pdf, document)
        return _file(content, "application/pdf", f"{document.name}.pdf")

    @get("/{invoice:str}/lines.csv", name="dashboard:lines")
    async def lines(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        documents: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
    ) -> Response[bytes]:
        await request_limits.count(await _request_quotas(viewing, database))
        async with documents.place(viewing.account_id):
            document = await _document(viewing, database, invoice)
        return _file(lines_csv(document), "text/csv", f"{document.name}.csv")

    @get("/{invoice:str}/lines/{number:int}", name="dashboard:line")
    async def calls(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        number: FromPath[int],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """The calls that a line bills."""
        document = await _document(viewing, database, invoice)
        if not 0 < number <= len(document.lines):
            raise LineNotFound("The invoice has no such line.", param="line")
        mark = None if after is None else ids.parse(REQUEST_PREFIX, after)
        place = viewing.account_id, _id(invoice)
        async with database.transaction() as session:
            found = await calls_of_invoice(session, *place, _CALLS + 1, mark, number)
        address, more = f"/dashboard/invoices/{invoice}/lines/{number}", None
        if len(found) > _CALLS:
            more = f"{address}?after={ids.show(REQUEST_PREFIX, found[_CALLS - 1].request_id)}"
        return viewing.page(
            "invoice_line.html",
            document=document,
            line=document.lines[number - 1],
            calls=found[:_CALLS],
            more=more,
            first=address if after else None,
            zone=zone_of(document.time_zone),
            back=f"/dashboard/invoices/{invoice}",
            csv=f"{address}/calls.csv",
        )

    @get("/{invoice:str}/lines/{number:int}/calls.csv", name="dashboard:line-csv")
    async def calls_as_csv(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        number: FromPath[int],
    ) -> Stream:
        """The calls that a line bills, as a file."""
        return await calls_file(database, viewing.account_id, _id(invoice), number)

    @post("/{invoice:str}/pay", permission=Permission.PAY)
    async def pay(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        payments: NamedDependency[Payments | None],
        invoice: FromPath[str],
    ) -> Response[Any]:
        """On to Stripe's page; what comes of it, its events tell."""
        await _document(viewing, database, invoice)
        if payments is None:
            raise StripeNotUsed("Invoices are paid by bank transfer here.")
        back = f"{identity.links.dashboard}/invoices/{invoice}"
        place = viewing.account_id, _id(invoice)
        try:
            return viewing.go(await paying_page(database, clock, payments, *place, back))
        except (TryLater, Refused) as error:
            raise StripeUnavailable("Stripe cannot be asked just now. Please try again.") from error


async def _document(viewing: Viewing, database: Database, invoice: str) -> InvoiceDocument:
    place = viewing.account_id, _id(invoice), viewing.language
    async with database.transaction() as session:
        return await document_of(session, *place)


async def _said_against(
    viewing: Viewing, database: Database, clock: Clock, identity: UUID
) -> _Said:
    place = viewing.account_id, identity
    async with database.transaction() as session:
        found = await get_invoice(session, *place)
        disputes = await line_disputes_of(session, *place)
        lines = await disputable_lines(session, clock.now(), found)
    may = viewing.viewer.may(Permission.PAY)
    return _Said({one.line: one for one in disputes}, lines if may else set())


def _shown(
    viewing: Viewing, document: InvoiceDocument, clock: Clock, *, payable: bool, said: _Said
) -> Response[str]:
    return viewing.page(
        "invoice.html",
        document=document,
        said=said,
        status_of=line_dispute_status,
        zone=zone_of(document.time_zone),
        now=clock.now(),
        payable=payable and document.final and document.balance.owed > 0,
        invoice_id=ids.show(PREFIX, document.id) if document.id else None,
    )


def _id(text: str) -> UUID:
    found = ids.parse(PREFIX, text)
    if found is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return found


def _file(content: bytes, media_type: str, name: str) -> Response[bytes]:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


async def _request_quotas(viewing: Viewing, database: Database) -> tuple[QuotaRef, ...]:
    """The limit of requests of the account, under which a person's downloads are too."""
    async with database.transaction() as session:
        return await request_quotas_of(session, viewing.account_id)
