"""`/v1/invoices`: what the account was billed, what it would be billed now, and for which calls.

Each answers with one function of billing's.
"""

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from billing.invoice_documents.billed_call_query import calls_of_invoice
from billing.invoice_documents.builder import document_of, preview_of
from billing.invoice_documents.invoice_list import invoice_page
from billing.invoice_documents.rendering.csv import lines_csv
from billing.invoice_documents.rendering.pdf import invoice_pdf
from billing.invoices.lifecycle import PREFIX, InvoiceNotFound
from billing.metering.usage import REQUEST_PREFIX
from gateway.api.pagination import Limit, mark_of, shown_page
from gateway.call.values import Principal
from gateway.process.call_export import calls_file
from gateway.process.document_queue import DocumentQueue
from gateway.quota.request_limits import RequestLimits
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

Locale = FromQuery[Literal["zh", "en"] | None]
CallLimit = Annotated[int, QueryParameter(ge=1, le=1000)]
LineNumber = Annotated[int | None, QueryParameter(ge=1)]


class InvoiceRoutes(Controller):
    """`/v1/invoices…`; amounts are decimal text of the currency's major unit."""

    path = "/v1/invoices"

    @get("/", summary="The account's invoices, drafts too, the newest first")
    async def invoices(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: Limit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = mark_of(PREFIX, after)
        async with database.transaction() as session:
            rows = await invoice_page(session, principal.account_id, limit + 1, mark)
        return shown_page(rows, limit, lambda row: row.to_json())

    @get("/preview", summary="What the running period would be billed if it ended now")
    async def preview(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        locale: Locale = None,
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            document = await preview_of(session, clock, principal.account_id, locale)
        return document.to_json()

    @get("/{invoice:str}", summary="An invoice with its lines, taxes, tags and terms")
    async def invoice(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        locale: Locale = None,
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            document = await document_of(session, principal.account_id, _id(invoice), locale)
        return document.to_json()

    @get("/{invoice:str}/pdf", summary="The same as PDF", media_type="application/pdf")
    async def pdf(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        documents: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
        locale: Locale = None,
    ) -> Response[bytes]:
        await request_limits.count(principal.quotas)
        async with documents.place(principal.account_id):
            async with database.transaction() as session:
                document = await document_of(session, principal.account_id, _id(invoice), locale)
            # Some milliseconds a page, in which other calls would not go on.
            content = await asyncio.to_thread(invoice_pdf, document)
        return _file(content, "application/pdf", f"{document.name}.pdf")

    @get("/{invoice:str}/lines.csv", summary="Its lines as CSV", media_type="text/csv")
    async def lines(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        documents: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
        locale: Locale = None,
    ) -> Response[bytes]:
        await request_limits.count(principal.quotas)
        async with documents.place(principal.account_id), database.transaction() as session:
            document = await document_of(session, principal.account_id, _id(invoice), locale)
        return _file(lines_csv(document), "text/csv", f"{document.name}.csv")

    @get("/{invoice:str}/calls", summary="The calls that it bills, or that one of its lines does")
    async def calls(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        limit: CallLimit = 100,
        after: FromQuery[str | None] = None,
        line: LineNumber = None,
    ) -> dict[str, Any]:
        mark = mark_of(REQUEST_PREFIX, after)
        place = principal.account_id, _id(invoice)
        async with database.transaction() as session:
            calls = await calls_of_invoice(session, *place, limit + 1, mark, line)
        data = [call.to_json() for call in calls[:limit]]
        return {"object": "list", "data": data, "has_more": len(calls) > limit}

    @get("/{invoice:str}/calls.csv", summary="The same calls as CSV", media_type="text/csv")
    async def calls_as_csv(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        line: LineNumber = None,
    ) -> Stream:
        return await calls_file(database, principal.account_id, _id(invoice), line)


def _id(text: str) -> UUID:
    found = ids.parse(PREFIX, text)
    if found is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return found


def _file(content: bytes, media_type: str, name: str) -> Response[bytes]:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
