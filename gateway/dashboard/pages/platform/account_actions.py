"""Operator actions on an account: suspend, restore, change the credit limit, write a credit note.

Each action has a confirmation page that states the effect and asks for a reason.
"""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.credit.errors import CreditPolicyApplies
from billing.dates import parse_time_zone
from billing.invoice_documents.builder import build_invoice_document
from billing.invoice_documents.document import InvoiceDocument
from billing.invoices.credit_notes import CreditNoteConflict, CreditNoteInvalid, CreditNoteRequest
from billing.invoices.lifecycle import INVOICE_ID_PREFIX as INVOICE_PREFIX
from billing.invoices.lifecycle import InvalidInvoiceState
from billing.metering.quotas import LimitInvalid
from billing.money import minor_from_text, nano_from_text
from billing.reports.customers import Customer, get_customer
from gateway.dashboard.errors import AmountInvalid, PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import account_url, parse_id_or_404
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.accounts import (
    AccountChange,
    ReasonMissing,
    change_credit_limit,
    credit_invoice,
    restore_account,
    suspend_account,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, collect

_CREDIT_NOTE_ERRORS = (
    ReasonMissing,
    AmountInvalid,
    CreditNoteInvalid,
    CreditNoteConflict,
    InvalidInvoiceState,
    SeveralErrors,
)
_PAGE = "/dashboard/platform/accounts/{account}"
_LIMIT_ERRORS = (ReasonMissing, AmountInvalid, LimitInvalid, CreditPolicyApplies)
_CREDIT_NOTE_FIELDS = PreservedFields(
    _PAGE + "/invoices/{invoice}/credit", ("key", "amount", "reason", "refund")
)
_SWITCHES = {"suspend": suspend_account, "restore": restore_account}


class AccountActionPages(Controller):
    """Handlers of `/dashboard/platform/accounts/{account}/…` that change the account."""

    path = "/platform/accounts/{account:str}"
    opt = {"permission": Permission.OPERATE}  # noqa: RUF012  # declared by Litestar

    @get("/{switch:str}", name="platform:switching")
    async def show_suspension(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        switch: FromPath[str],
    ) -> Response[str]:
        """Show the confirmation to suspend or restore the account, as `switch` says."""
        _require_switch(switch)
        customer = await _get_customer(database, clock, account)
        return page.render(
            "platform/switch.html", customer=customer, switch=switch, form=restored_form(page)
        )

    @post("/{switch:str}", keeps=PreservedFields(_PAGE + "/{switch}", ("reason",)))
    async def set_suspension(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        switch: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Suspend or restore the account, as `switch` says."""
        _require_switch(switch)
        customer = await _get_customer(database, clock, account)
        fields = await read_form_fields(request)
        try:
            order = _account_change(page, customer, fields.get("reason", ""))
        except ReasonMissing as error:
            form = with_errors(page, {"reason": "", **fields}, error)
            values = {"customer": customer, "switch": switch, "form": form}
            return page.render("platform/switch.html", status=UNPROCESSABLE, **values)
        async with database.transaction() as session:
            await _SWITCHES[switch](session, clock, order)
        return page.redirect(account_url(order.account_id))

    @get("/credit-limit", name="platform:credit-limit")
    async def show_credit_limit(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
    ) -> Response[str]:
        """Show the form to change the credit limit."""
        customer = await _get_customer(database, clock, account)
        return page.render(
            "platform/credit_limit.html", customer=customer, form=restored_form(page)
        )

    @post("/credit-limit", keeps=PreservedFields(_PAGE + "/credit-limit", ("amount", "reason")))
    async def set_credit_limit(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Change the account's credit limit."""
        customer = await _get_customer(database, clock, account)
        fields = {"reason": "", "amount": "", **await read_form_fields(request)}
        try:
            amount, order = collect(
                lambda: _parse_nano(fields["amount"]),
                lambda: _account_change(page, customer, fields["reason"]),
            )
            async with database.transaction() as session:
                await change_credit_limit(session, clock, order, amount)
        except (*_LIMIT_ERRORS, SeveralErrors) as error:
            error.param = error.param or "amount"
            form = with_errors(page, fields, error)
            values = {"customer": customer, "form": form}
            return page.render("platform/credit_limit.html", status=UNPROCESSABLE, **values)
        return page.redirect(account_url(order.account_id))

    @get("/invoices/{invoice:str}/credit", name="platform:credit-note")
    async def show_credit_note_form(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        invoice: FromPath[str],
    ) -> Response[str]:
        """Show the form to write a credit note for an invoice."""
        customer = await _get_customer(database, clock, account)
        async with database.transaction() as session:
            document = await _get_document(session, page, customer, invoice)
        # The form carries an idempotency key, so that sending it twice writes one note.
        return _render_credit_note(
            page, customer, document, restored_form(page, {"key": ids.new_id().hex})
        )

    @post("/invoices/{invoice:str}/credit", keeps=_CREDIT_NOTE_FIELDS)
    async def create_credit_note(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        invoice: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Write a credit note for an invoice."""
        customer = await _get_customer(database, clock, account)
        fields = {"reason": "", "amount": "", **await read_form_fields(request)}
        async with database.transaction() as session:
            document = await _get_document(session, page, customer, invoice)
        try:
            credit, order = collect(
                lambda: _parse_credit_note(fields, document),
                lambda: _account_change(page, customer, fields["reason"]),
            )
            key = _parse_idempotency_key(fields.get("key", ""))
            async with database.transaction() as session:
                invoice_id = parse_id_or_404(INVOICE_PREFIX, invoice)
                await credit_invoice(session, clock, order, invoice_id, key, credit)
        except _CREDIT_NOTE_ERRORS as error:
            form = with_errors(page, fields, error)
            return _render_credit_note(page, customer, document, form, UNPROCESSABLE)
        return page.redirect(account_url(order.account_id))


async def _get_customer(database: Database, clock: Clock, account: str) -> Customer:
    """Load an account. Raises PageNotFound, AccountNotFound."""
    account_id = parse_id_or_404(ACCOUNT_ID_PREFIX, account)
    async with database.transaction() as session:
        return await get_customer(session, account_id, clock.now(), invoices=0)


async def _get_document(
    session: AsyncSession, page: PageRequest, customer: Customer, invoice: str
) -> InvoiceDocument:
    """Load the document of an invoice. Raises PageNotFound, InvoiceNotFound."""
    invoice_id = parse_id_or_404(INVOICE_PREFIX, invoice)
    return await build_invoice_document(session, customer.account.id, invoice_id, page.language)


def _render_credit_note(
    page: PageRequest,
    customer: Customer,
    document: InvoiceDocument,
    form: FormState,
    status: int = 200,
) -> Response[str]:
    """Render the form for a credit note."""
    return page.render(
        "platform/credit_note.html",
        status=status,
        customer=customer,
        document=document,
        form=form,
        zone=parse_time_zone(document.time_zone),
    )


def _account_change(page: PageRequest, customer: Customer, reason: str) -> AccountChange:
    """Return who changes which account for what reason, for the audit log. Raises ReasonMissing."""
    actor = page.actor
    return AccountChange(actor, customer.account.id, reason)


def _require_switch(text: str) -> None:
    """Raise PageNotFound unless the text is `suspend` or `restore`."""
    if text not in _SWITCHES:
        raise PageNotFound("Page not found.")


def _parse_nano(text: str) -> int:
    """Parse an amount to nano-units. Raises AmountInvalid."""
    try:
        return nano_from_text(text.strip())
    except ValueError as error:
        raise AmountInvalid from error


def _parse_credit_note(fields: dict[str, str], document: InvoiceDocument) -> CreditNoteRequest:
    """Parse the form of a credit note. Raises AmountInvalid."""
    try:
        minor = minor_from_text(fields["amount"].strip(), document.currency)
    except ValueError as error:
        raise AmountInvalid from error
    return CreditNoteRequest(minor, fields["reason"].strip(), refund="refund" in fields)


def _parse_idempotency_key(text: str) -> str:
    """Parse the form's idempotency key. Raises PageNotFound if the form is not genuine."""
    try:
        return UUID(hex=text).hex
    except ValueError as error:
        raise PageNotFound("Unknown form.") from error
