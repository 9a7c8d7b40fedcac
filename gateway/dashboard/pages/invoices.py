"""The invoice pages: list, preview of the running period, one invoice, downloads and payment.

Pages, JSON, CSV and PDF are rendered from the same InvoiceDocument, so that they cannot differ.
"""

import asyncio
from collections.abc import Collection as CollectionOf
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from billing.accounts.collection_method import Collection
from billing.accounts.profiles import get_profile
from billing.bank_statements.proofs import PROOF_ID_PREFIX, list_proofs
from billing.collection.collector import Collector
from billing.collection.hosted_pages import get_payment_page_url
from billing.collection.line_disputes import (
    find_disputable_lines,
    line_dispute_status,
    list_line_disputes,
)
from billing.collection.payments.checkout import Checkout
from billing.dates import parse_time_zone
from billing.invoice_documents.billed_call_query import InvoiceLineNotFound, list_invoice_calls
from billing.invoice_documents.builder import build_invoice_document, build_invoice_preview
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.invoice_list import list_invoices
from billing.invoice_documents.rendering.csv import render_lines_csv
from billing.invoice_documents.rendering.focus_csv import render_focus_csv
from billing.invoice_documents.rendering.pdf import render_invoice_pdf
from billing.invoices.lifecycle import INVOICE_ID_PREFIX, InvoiceNotFound, get_invoice
from billing.ledger.ledger import Book, book_balance
from billing.metering.quotas import QuotaRef, find_request_rate_quotas
from billing.metering.usage import REQUEST_ID_PREFIX
from billing.tables import InvoiceStatus, LineDispute, PaymentProof
from gateway.dashboard.page_request import PageRequest
from gateway.identity.roles import Permission
from gateway.identity.services import IdentityServices
from gateway.process.call_export import create_calls_csv_response
from gateway.process.document_queue import DocumentQueue
from gateway.process.hosted_pages import get_hosted_page_url
from gateway.quota.request_limits import RequestLimits
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_INVOICES_PER_PAGE, _CALLS_PER_PAGE = 24, 50


@dataclass(frozen=True, slots=True)
class _LineDisputes:
    """The disputes of an invoice by line number, and the lines that can still be disputed."""

    disputes: Mapping[int, LineDispute] = field(default_factory=dict)
    disputable: CollectionOf[int] = ()


@dataclass(frozen=True, slots=True)
class _Transfer:
    """How to pay by transfer: the operator's account, proofs with their ids, may upload more."""

    bank_details: str | None
    proofs: Sequence[tuple[PaymentProof, str]]
    may: bool


class InvoicePages(Controller):
    """Handlers of `/dashboard/invoices`."""

    path = "/invoices"

    @get("/", name="dashboard:invoices")
    async def list_invoices(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the account's invoices."""
        cursor = None if after is None else ids.parse_id(INVOICE_ID_PREFIX, after)
        async with database.transaction() as session:
            profile = await get_profile(session, page.account_id)
            rows = await list_invoices(session, page.account_id, _INVOICES_PER_PAGE + 1, cursor)
            running = await build_invoice_preview(session, clock, page.account_id, page.language)
        visible, more = rows[:_INVOICES_PER_PAGE], None
        if len(rows) > _INVOICES_PER_PAGE:
            last_id = ids.format_id(INVOICE_ID_PREFIX, visible[-1].invoice.id)
            more = f"/dashboard/invoices?after={last_id}"
        return page.render(
            "invoices.html",
            rows=visible,
            running=None if after else running,
            more=more,
            first="/dashboard/invoices" if after else None,
            zone=parse_time_zone(profile.time_zone),
            now=clock.now(),
        )

    @get("/preview", name="dashboard:preview")
    async def show_upcoming_invoice(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show the invoice as it would be if the period ended now."""
        async with database.transaction() as session:
            document = await build_invoice_preview(session, clock, page.account_id, page.language)
        return _render_invoice(page, document, clock, payable=False, line_disputes=_LineDisputes())

    @get("/{invoice:str}", name="dashboard:invoice")
    async def show_invoice(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        collector: NamedDependency[Collector | None],
        settings: NamedDependency[Settings],
        checkout: NamedDependency[Checkout],
        invoice: FromPath[str],
    ) -> Response[str]:
        """Show an invoice with its lines and payments, and how to pay it by transfer."""
        document = await _get_document(page, database, invoice)
        is_collected = collector is not None and document.collection != "manual"
        may_pay = page.viewer.has_permission(Permission.PAY)
        invoice_id = _parse_invoice_id(invoice)
        line_disputes = await _get_line_disputes(page, database, clock, invoice_id)
        transfer = await _get_transfer(page, database, settings, document, invoice_id)
        methods = checkout.providers.infos_for(document.currency) if may_pay else ()
        wallet = await _get_wallet(page, database) if may_pay else 0
        return _render_invoice(
            page,
            document,
            clock,
            payable=is_collected and may_pay,
            line_disputes=line_disputes,
            transfer=transfer,
            methods=[info.name for info in methods],
            wallet=wallet,
        )

    @get("/{invoice:str}/pdf", name="dashboard:pdf")
    async def download_pdf(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        document_queue: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
    ) -> Response[bytes]:
        """Return the invoice as PDF."""
        await request_limits.count_request(await _request_quotas(page, database))
        async with document_queue.slot(page.account_id):
            document = await _get_document(page, database, invoice)
            # Rendering takes milliseconds per page and would block the event loop.
            content = await asyncio.to_thread(render_invoice_pdf, document)
        return _file_response(content, "application/pdf", f"{document.name}.pdf")

    @get("/{invoice:str}/lines.csv", name="dashboard:lines")
    async def download_lines(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        document_queue: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
    ) -> Response[bytes]:
        """Return the invoice's lines as CSV."""
        await request_limits.count_request(await _request_quotas(page, database))
        async with document_queue.slot(page.account_id):
            document = await _get_document(page, database, invoice)
        return _file_response(render_lines_csv(document), "text/csv", f"{document.name}.csv")

    @get("/{invoice:str}/focus.csv", name="dashboard:focus")
    async def download_focus(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        document_queue: NamedDependency[DocumentQueue],
        request_limits: NamedDependency[RequestLimits],
        invoice: FromPath[str],
    ) -> Response[bytes]:
        """Return the invoice as FOCUS rows, for cost tools."""
        await request_limits.count_request(await _request_quotas(page, database))
        async with document_queue.slot(page.account_id):
            document = await _get_document(page, database, invoice)
        return _file_response(render_focus_csv(document), "text/csv", f"{document.name}-focus.csv")

    @get("/{invoice:str}/lines/{number:int}", name="dashboard:line")
    async def list_billed_calls(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        number: FromPath[int],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the calls that a line bills."""
        document = await _get_document(page, database, invoice)
        if not 0 < number <= len(document.lines):
            raise InvoiceLineNotFound("The invoice has no such line.", param="line")
        cursor = None if after is None else ids.parse_id(REQUEST_ID_PREFIX, after)
        invoice_id = _parse_invoice_id(invoice)
        async with database.transaction() as session:
            calls = await list_invoice_calls(
                session, page.account_id, invoice_id, _CALLS_PER_PAGE + 1, cursor, number
            )
        address, more = f"/dashboard/invoices/{invoice}/lines/{number}", None
        if len(calls) > _CALLS_PER_PAGE:
            last_id = ids.format_id(REQUEST_ID_PREFIX, calls[_CALLS_PER_PAGE - 1].request_id)
            more = f"{address}?after={last_id}"
        return page.render(
            "invoice_line.html",
            document=document,
            line=document.lines[number - 1],
            calls=calls[:_CALLS_PER_PAGE],
            more=more,
            first=address if after else None,
            zone=parse_time_zone(document.time_zone),
            back=f"/dashboard/invoices/{invoice}",
            csv=f"{address}/calls.csv",
        )

    @get("/{invoice:str}/lines/{number:int}/calls.csv", name="dashboard:line-csv")
    async def export_billed_calls(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        invoice: FromPath[str],
        number: FromPath[int],
    ) -> Stream:
        """Stream the calls that a line bills as CSV."""
        return await create_calls_csv_response(
            database, page.account_id, _parse_invoice_id(invoice), number
        )

    @post("/{invoice:str}/pay", permission=Permission.PAY)
    async def redirect_to_payment(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        collector: NamedDependency[Collector | None],
        invoice: FromPath[str],
    ) -> Response[Any]:
        """Redirect to the collector's payment page. The result arrives as an event."""
        await _get_document(page, database, invoice)
        create_page = partial(
            get_payment_page_url,
            database,
            account_id=page.account_id,
            invoice_id=_parse_invoice_id(invoice),
            back=f"{identity.links.dashboard}/invoices/{invoice}",
        )
        return page.redirect(await get_hosted_page_url(collector, create_page))


async def _get_document(page: PageRequest, database: Database, invoice: str) -> InvoiceDocument:
    """Load the document of an invoice. Raises InvoiceNotFound."""
    invoice_id = _parse_invoice_id(invoice)
    async with database.transaction() as session:
        return await build_invoice_document(session, page.account_id, invoice_id, page.language)


async def _get_line_disputes(
    page: PageRequest, database: Database, clock: Clock, invoice_id: UUID
) -> _LineDisputes:
    """Load the disputes of an invoice, and the lines the viewer may dispute."""
    async with database.transaction() as session:
        invoice = await get_invoice(session, page.account_id, invoice_id)
        disputes = await list_line_disputes(session, page.account_id, invoice_id)
        lines = await find_disputable_lines(session, clock.now(), invoice)
    may = page.viewer.has_permission(Permission.PAY)
    return _LineDisputes({dispute.line: dispute for dispute in disputes}, lines if may else set())


async def _get_transfer(
    page: PageRequest,
    database: Database,
    settings: Settings,
    document: InvoiceDocument,
    invoice_id: UUID,
) -> _Transfer | None:
    """Load how to pay by transfer; None if nothing is due or a collector collects the invoice."""
    is_manual = Collection.parse(document.collection).is_manual
    if not is_manual or not document.final or document.balance.owed <= 0:
        return None
    async with database.transaction() as session:
        proofs = await list_proofs(session, page.account_id, invoice_id)
    named = [(proof, ids.format_id(PROOF_ID_PREFIX, proof.id)) for proof in proofs]
    may = page.viewer.has_permission(Permission.PAY) and document.status == InvoiceStatus.OPEN
    return _Transfer(settings.bank_details, named, may)


async def _get_wallet(page: PageRequest, database: Database) -> int:
    """Return the balance of the wallet in minor units."""
    async with database.transaction() as session:
        return -await book_balance(session, page.account_id, Book.WALLET)


def _render_invoice(
    page: PageRequest,
    document: InvoiceDocument,
    clock: Clock,
    *,
    payable: bool,
    line_disputes: _LineDisputes,
    transfer: _Transfer | None = None,
    methods: Sequence[str] = (),
    wallet: int = 0,
) -> Response[str]:
    """Render the page of an invoice or of the preview; `payable` allows the link to pay it.

    `methods` are the payment methods by QR code, `wallet` is what the wallet can pay.
    """
    is_owed = document.status == "open" and document.balance.owed > 0
    return page.render(
        "invoice.html",
        document=document,
        said=line_disputes,
        status_of=line_dispute_status,
        zone=parse_time_zone(document.time_zone),
        now=clock.now(),
        transfer=transfer,
        payable=payable and document.final and document.balance.owed > 0,
        methods=methods if is_owed else (),
        wallet=min(wallet, document.balance.owed) if is_owed else 0,
        wallet_key=ids.new_id().hex,
        wallet_done=page.request.query_params.get("wallet"),
        invoice_id=ids.format_id(INVOICE_ID_PREFIX, document.id) if document.id else None,
    )


def _parse_invoice_id(text: str) -> UUID:
    """Parse an invoice id. Raises InvoiceNotFound if it is invalid."""
    invoice_id = ids.parse_id(INVOICE_ID_PREFIX, text)
    if invoice_id is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return invoice_id


def _file_response(content: bytes, media_type: str, name: str) -> Response[bytes]:
    """Return a file as a download."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


async def _request_quotas(page: PageRequest, database: Database) -> tuple[QuotaRef, ...]:
    """Return the account's request rate limit, which also applies to downloads by people."""
    async with database.transaction() as session:
        return await find_request_rate_quotas(session, page.account_id)
