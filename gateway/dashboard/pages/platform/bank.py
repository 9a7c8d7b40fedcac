"""The operator's page of bank transfers: import of statements, confirmation, rejection."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.bank_statements.errors import BankStatementInvalid, InvalidBankLineState
from billing.bank_statements.lines import MAX_STATEMENT_BYTES, ImportedStatement, list_lines
from billing.bank_statements.matching import LineStatus
from billing.bank_statements.proofs import PROOF_ID_PREFIX, list_open_proofs
from billing.bank_statements.views import render_line
from billing.invoices.lifecycle import InvalidInvoiceState, InvoiceNotFound
from billing.invoices.numbering import format_invoice_number
from billing.tables import Account, Invoice, LegalEntity, PaymentProof
from gateway.dashboard.forms import (
    EMPTY_FORM,
    NO_UPLOAD,
    FormState,
    read_form_fields,
    read_upload,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from gateway.operations.bank_statements import (
    confirm_exact,
    confirm_one,
    find_any_invoice,
    import_file,
    parse_line_id,
    reject_one,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_URL = "/dashboard/platform/bank"
_FORM_OVERHEAD_BYTES = 64 << 10
_MAX_ROWS = 200


class BankPages(Controller):
    """Handlers of `/dashboard/platform/bank`."""

    path = "/platform/bank"

    @get("/", name="platform:bank", permission=Permission.WATCH)
    async def show_lines(
        self, page: NamedDependency[PageRequest], database: NamedDependency[Database]
    ) -> Response[str]:
        """Show transfers that are not confirmed."""
        return await _render(page, database, EMPTY_FORM)

    @post(
        "/import",
        permission=Permission.OPERATE,
        request_max_body_size=MAX_STATEMENT_BYTES + _FORM_OVERHEAD_BYTES,
    )
    async def import_statement(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Store and match the transfers of an uploaded statement."""
        upload = await read_upload(request) or NO_UPLOAD
        try:
            async with database.transaction() as session:
                place = (session, clock, page.actor, upload.filename, upload.content)
                imported = await import_file(*place)
        except BankStatementInvalid as error:
            return await _render(page, database, with_errors(page, {}, error), UNPROCESSABLE)
        return await _render(page, database, EMPTY_FORM, imported=imported)

    @post("/exact", permission=Permission.OPERATE)
    async def confirm_all_exact(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[Any]:
        """Confirm all transfers whose number, amount and payer agree."""
        await confirm_exact(database, clock, page.actor, page.viewer.email)
        return page.redirect(_URL)

    @post("/confirm", permission=Permission.OPERATE)
    async def confirm(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Record a transfer as a payment of its match, or of the invoice that is named."""
        fields = await read_form_fields(request)
        line_id, name = parse_line_id(fields.get("line", "")), fields.get("invoice", "").strip()
        try:
            async with database.transaction() as session:
                invoice = await find_any_invoice(session, name) if name else None
                await confirm_one(session, clock, page.actor, line_id, page.viewer.email, invoice)
        except (InvalidBankLineState, InvalidInvoiceState, InvoiceNotFound) as error:
            return await _render(page, database, with_errors(page, {}, error), UNPROCESSABLE)
        return page.redirect(_URL)

    @post("/reject", permission=Permission.OPERATE)
    async def reject(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Reject the match of a transfer."""
        line_id = parse_line_id((await read_form_fields(request)).get("line", ""))
        try:
            async with database.transaction() as session:
                await reject_one(session, clock, page.actor, line_id, page.viewer.email)
        except InvalidBankLineState as error:
            return await _render(page, database, with_errors(page, {}, error), UNPROCESSABLE)
        return page.redirect(_URL)


async def _render(
    page: PageRequest,
    database: Database,
    form: FormState,
    status: int = 200,
    imported: ImportedStatement | None = None,
) -> Response[str]:
    """Render the page of open transfers, the oldest first."""
    async with database.transaction() as session:
        lines = await list_lines(session)
        rows = [await render_line(session, line) for line in lines[:_MAX_ROWS]]
        proofs = [await _proof_row(session, proof) for proof in await list_open_proofs(session)]
    exact = [one for one in lines if one.status == LineStatus.PROPOSED and not one.flags]
    return page.render(
        "platform/bank.html",
        status=status,
        rows=rows,
        more=len(lines) > _MAX_ROWS,
        exact=len(exact),
        form=form,
        imported=imported,
        proofs=proofs,
        zone=platform_zone(),
        operates=page.viewer.has_permission(Permission.OPERATE),
    )


async def _proof_row(
    session: AsyncSession, proof: PaymentProof
) -> tuple[PaymentProof, str, str, str]:
    """Return a proof with its id, and the names of its account and invoice."""
    account = await session.get_one(Account, proof.account_id)
    invoice = await session.get_one(Invoice, proof.invoice_id)
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    number = format_invoice_number(entity.code, invoice.number or 0)
    return proof, ids.format_id(PROOF_ID_PREFIX, proof.id), account.name, number
