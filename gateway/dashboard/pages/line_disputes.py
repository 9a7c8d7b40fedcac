"""Disputing an invoice line: the form and its submission. The invoice's page shows the status."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.collection.line_disputes import (
    LINE_DISPUTE_ID_PREFIX,
    InvalidLineDisputeState,
    LineDisputeInvalid,
    dispute_line,
    find_disputable_lines,
)
from billing.invoice_documents.billed_call_query import InvoiceLineNotFound
from billing.invoice_documents.builder import build_invoice_document
from billing.invoices.lifecycle import INVOICE_ID_PREFIX as INVOICE_PREFIX
from billing.invoices.lifecycle import InvoiceNotFound, get_invoice
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_PRESERVED_FIELDS = PreservedFields(
    "/dashboard/invoices/{invoice}/lines/{number}/dispute", ("reason",)
)


class LineDisputePages(Controller):
    """Handlers of `/dashboard/invoices/{invoice}/lines/{number}/dispute`."""

    path = "/invoices/{invoice:str}/lines/{number:int}/dispute"

    @get("/", name="dashboard:dispute-line", permission=Permission.PAY)
    async def show_dispute_form(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        invoice: FromPath[str],
        number: FromPath[int],
    ) -> Response[str]:
        """Show the form to dispute an invoice line."""
        return await _render_dispute_form(
            page, database, clock, _parse_invoice_id(invoice), number, restored_form(page), 200
        )

    @post("/", permission=Permission.PAY, keeps=_PRESERVED_FIELDS)
    async def open_line_dispute(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        invoice: FromPath[str],
        number: FromPath[int],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Open a dispute about the invoice line."""
        fields, invoice_id = await read_form_fields(request), _parse_invoice_id(invoice)
        actor, account_id = page.actor, page.account_id
        try:
            async with database.transaction() as session:
                line_dispute = await dispute_line(
                    session,
                    clock,
                    account_id,
                    invoice_id,
                    number,
                    page.viewer.email,
                    fields.get("reason", ""),
                )
                name, details = (
                    ids.format_id(LINE_DISPUTE_ID_PREFIX, line_dispute.id),
                    {"invoice": invoice, "line": number},
                )
                await record_audit_event(
                    session, clock, actor, account_id, "line.disputed", name, details
                )
        except (LineDisputeInvalid, InvalidLineDisputeState) as error:
            form = with_errors(page, fields, error)
            return await _render_dispute_form(
                page, database, clock, invoice_id, number, form, UNPROCESSABLE
            )
        return page.redirect(f"/dashboard/invoices/{invoice}#disputes")


async def _render_dispute_form(
    page: PageRequest,
    database: Database,
    clock: Clock,
    invoice_id: UUID,
    number: int,
    form: FormState,
    status: int,
) -> Response[str]:
    """Render the form for disputing a line. Raises LineNotFound."""
    async with database.transaction() as session:
        document = await build_invoice_document(session, page.account_id, invoice_id, page.language)
        invoice = await get_invoice(session, page.account_id, invoice_id)
        lines = await find_disputable_lines(session, clock.now(), invoice)
    if not 0 < number <= len(document.lines):
        raise InvoiceLineNotFound("The invoice has no such line.", param="line")
    back = f"/dashboard/invoices/{ids.format_id(INVOICE_PREFIX, invoice_id)}"
    return page.render(
        "line_dispute.html",
        status=status,
        document=document,
        line=document.lines[number - 1],
        disputable=number in lines,
        form=form,
        back=back,
        action=f"{back}/lines/{number}/dispute",
    )


def _parse_invoice_id(text: str) -> UUID:
    """Parse an invoice id. Raises InvoiceNotFound if it is invalid."""
    invoice_id = ids.parse_id(INVOICE_PREFIX, text)
    if invoice_id is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return invoice_id
