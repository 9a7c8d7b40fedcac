"""`/v1/invoices`: the account's invoices, the preview of the next one, and the billed calls."""

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from billing.invoice_documents.billed_call_query import list_invoice_calls
from billing.invoice_documents.builder import build_invoice_document, build_invoice_preview
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.invoice_list import list_invoices
from billing.invoice_documents.rendering.csv import render_lines_csv
from billing.invoice_documents.rendering.focus_csv import render_focus_csv
from billing.invoice_documents.rendering.pdf import render_invoice_pdf
from billing.invoices.lifecycle import INVOICE_ID_PREFIX, InvoiceNotFound
from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.access.project_scope import readable_projects
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.process.call_export import create_calls_csv_response
from gateway.process.document_queue import DocumentQueue
from gateway.quota.request_limits import RequestLimits
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

Locale = FromQuery[Literal["zh", "en"] | None]
CallLimit = Annotated[int, QueryParameter(ge=1, le=1000)]
LineNumber = Annotated[int | None, QueryParameter(ge=1)]


class InvoiceRoutes(Controller):
    """Invoices as JSON, PDF and CSV; amounts are decimal strings in the currency's major unit."""

    path = "/v1/invoices"

    @get("/", summary="List invoices including drafts, newest first")
    async def invoices(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's invoices, newest first, drafts included."""
        cursor = parse_cursor(INVOICE_ID_PREFIX, after)
        async with database.transaction() as session:
            rows = await list_invoices(session, principal.account_id, limit + 1, cursor)
        return page_json(rows, limit, lambda row: row.to_json())

    @get("/preview", summary="Retrieve the upcoming invoice: the amount if the period ended now")
    async def preview(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        locale: Locale = None,
    ) -> dict[str, Any]:
        """Return the invoice document of the current period as if the period ended now."""
        async with database.transaction() as session:
            document = await build_invoice_preview(session, clock, principal.account_id, locale)
        return document.to_json()

    @get("/{invoice:str}", summary="Retrieve an invoice with its lines, taxes, tags and terms")
    async def invoice(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        locale: Locale = None,
    ) -> dict[str, Any]:
        """Return an invoice's document as JSON, with texts in `locale`."""
        async with database.transaction() as session:
            document = await build_invoice_document(
                session, principal.account_id, _parse_invoice_id(invoice), locale
            )
        return document.to_json()

    @get("/{invoice:str}/pdf", summary="Download an invoice as PDF", media_type="application/pdf")
    async def pdf(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        document_queue: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
        locale: Locale = None,
    ) -> Response[bytes]:
        """Return an invoice as PDF, after a wait in the document queue."""
        await request_limits.count_request(principal.quotas)
        async with document_queue.slot(principal.account_id):
            async with database.transaction() as session:
                document = await build_invoice_document(
                    session, principal.account_id, _parse_invoice_id(invoice), locale
                )
            # Takes milliseconds per page, which would block the event loop.
            content = await asyncio.to_thread(render_invoice_pdf, document)
        return _download(content, "application/pdf", f"{document.name}.pdf")

    @get(
        "/{invoice:str}/lines.csv",
        summary="Download an invoice's lines as CSV",
        media_type="text/csv",
    )
    async def lines(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        document_queue: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
        locale: Locale = None,
    ) -> Response[bytes]:
        """Return an invoice's lines as CSV, after a wait in the document queue."""
        place = (principal, database, document_queue, request_limits)
        document = await _load_document(*place, invoice, locale)
        return _download(render_lines_csv(document), "text/csv", f"{document.name}.csv")

    @get(
        "/{invoice:str}/focus.csv",
        summary="Download an invoice in the FOCUS format",
        media_type="text/csv",
    )
    async def focus(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        document_queue: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
        locale: Locale = None,
    ) -> Response[bytes]:
        """Return an invoice as rows of the FinOps Open Cost and Usage Specification (FOCUS) 1.2.

        After a wait in the document queue.
        """
        place = (principal, database, document_queue, request_limits)
        document = await _load_document(*place, invoice, locale)
        return _download(render_focus_csv(document), "text/csv", f"{document.name}-focus.csv")

    @get("/{invoice:str}/calls", summary="List the calls billed by an invoice or one of its lines")
    async def calls(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        limit: CallLimit = 100,
        after: FromQuery[str | None] = None,
        line: LineNumber = None,
    ) -> dict[str, Any]:
        """Return a page of the calls that an invoice bills, or only those of its line `line`.

        A key of a project lists the calls of that project only.
        """
        cursor = parse_cursor(REQUEST_ID_PREFIX, after)
        account_id, invoice_id = principal.account_id, _parse_invoice_id(invoice)
        projects = readable_projects(principal)
        async with database.transaction() as session:
            calls = await list_invoice_calls(
                session, account_id, invoice_id, limit + 1, cursor, line, projects
            )
        data = [call.to_json() for call in calls[:limit]]
        return {"object": "list", "data": data, "has_more": len(calls) > limit}

    @get(
        "/{invoice:str}/calls.csv",
        summary="Download the billed calls as CSV",
        media_type="text/csv",
    )
    async def calls_as_csv(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        line: LineNumber = None,
    ) -> Stream:
        """Stream the calls that an invoice bills as CSV, or only those of its line `line`.

        A key of a project gets the calls of that project only.
        """
        invoice_id, projects = _parse_invoice_id(invoice), readable_projects(principal)
        return await create_calls_csv_response(
            database, principal.account_id, invoice_id, line, projects
        )


async def _load_document(
    principal: Principal,
    database: Database,
    document_queue: DocumentQueue,
    request_limits: RequestLimits,
    invoice: str,
    locale: str | None,
) -> InvoiceDocument:
    """Count the request and build an invoice's document, after a wait in the document queue.

    Raises InvoiceNotFound and the errors of the limits.
    """
    await request_limits.count_request(principal.quotas)
    async with document_queue.slot(principal.account_id), database.transaction() as session:
        return await build_invoice_document(
            session, principal.account_id, _parse_invoice_id(invoice), locale
        )


def _parse_invoice_id(text: str) -> UUID:
    """Parse a public invoice id. Raises InvoiceNotFound if it is malformed."""
    invoice_id = ids.parse_id(INVOICE_ID_PREFIX, text)
    if invoice_id is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return invoice_id


def _download(content: bytes, media_type: str, name: str) -> Response[bytes]:
    """Return a response that browsers save as a file called `name`."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
