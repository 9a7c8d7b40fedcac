"""Changes of an account: suspending and restoring it, its credit limit, a credit note.

Each is a page of its own that says what will happen and asks why, and a form that does it.
"""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import PREFIX
from billing.dates import zone_of
from billing.invoice_documents.builder import document_of
from billing.invoice_documents.document import InvoiceDocument
from billing.invoices.credit_notes import Credit, CreditDiffers, CreditInvalid
from billing.invoices.lifecycle import PREFIX as INVOICE_PREFIX
from billing.invoices.lifecycle import InvoiceStateWrong
from billing.metering.quotas import LimitInvalid
from billing.money import minor_from_text, nano_from_text
from billing.reports.customers import Customer, read_customer
from gateway.dashboard.errors import AmountUnreadable, PageNotFound
from gateway.dashboard.forms import Filled, fields_of, kept_form, mistaken
from gateway.dashboard.keeping import Keeps
from gateway.dashboard.page_request import INVALID, Viewing, place_of
from gateway.dashboard.pages.platform.common import account_address, require_id
from gateway.identity.audit_log import Actor
from gateway.identity.roles import Permission
from gateway.operations.accounts import (
    Order,
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

_NO_CREDIT = (
    ReasonMissing,
    AmountUnreadable,
    CreditInvalid,
    CreditDiffers,
    InvoiceStateWrong,
    SeveralErrors,
)
_PAGE = "/dashboard/platform/accounts/{account}"
_KEEPS_CREDIT = Keeps(_PAGE + "/invoices/{invoice}/credit", ("key", "amount", "reason", "refund"))
_SWITCHES = {"suspend": suspend_account, "restore": restore_account}


class AccountChanges(Controller):
    """`/dashboard/platform/accounts/acct_…/…`."""

    path = "/platform/accounts/{account:str}"
    opt = {"permission": Permission.OPERATE}  # noqa: RUF012  # the framework's own field

    @get("/{switch:str}", name="platform:switching")
    async def ask_switch(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        switch: FromPath[str],
    ) -> Response[str]:
        """Whether to suspend, or to restore."""
        _require_switch(switch)
        customer = await _customer(database, clock, account)
        return viewing.page(
            "platform/switch.html", customer=customer, switch=switch, form=kept_form(viewing)
        )

    @post("/{switch:str}", keeps=Keeps(_PAGE + "/{switch}", ("reason",)))
    async def switch(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        switch: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        _require_switch(switch)
        customer = await _customer(database, clock, account)
        said = await fields_of(request)
        try:
            order = _order(viewing, customer, said.get("reason", ""))
        except ReasonMissing as error:
            form = mistaken(viewing, {"reason": "", **said}, error)
            values = {"customer": customer, "switch": switch, "form": form}
            return viewing.page("platform/switch.html", status=INVALID, **values)
        async with database.transaction() as session:
            await _SWITCHES[switch](session, clock, order)
        return viewing.go(account_address(order.account_id))

    @get("/credit-limit", name="platform:credit-limit")
    async def ask_limit(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
    ) -> Response[str]:
        customer = await _customer(database, clock, account)
        return viewing.page(
            "platform/credit_limit.html", customer=customer, form=kept_form(viewing)
        )

    @post("/credit-limit", keeps=Keeps(_PAGE + "/credit-limit", ("amount", "reason")))
    async def limit(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        customer = await _customer(database, clock, account)
        said = {"reason": "", "amount": "", **await fields_of(request)}
        try:
            amount, order = collect(
                lambda: _nano(said["amount"]), lambda: _order(viewing, customer, said["reason"])
            )
            async with database.transaction() as session:
                await change_credit_limit(session, clock, order, amount)
        except (ReasonMissing, AmountUnreadable, LimitInvalid, SeveralErrors) as error:
            error.param = error.param or "amount"
            form = mistaken(viewing, said, error)
            values = {"customer": customer, "form": form}
            return viewing.page("platform/credit_limit.html", status=INVALID, **values)
        return viewing.go(account_address(order.account_id))

    @get("/invoices/{invoice:str}/credit", name="platform:credit-note")
    async def ask_credit(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        invoice: FromPath[str],
    ) -> Response[str]:
        customer = await _customer(database, clock, account)
        async with database.transaction() as session:
            document = await _document(session, viewing, customer, invoice)
        # The note's own name: the form sent twice writes one.
        return _credit_page(
            viewing, customer, document, kept_form(viewing, {"key": ids.new_id().hex})
        )

    @post("/invoices/{invoice:str}/credit", keeps=_KEEPS_CREDIT)
    async def credit(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        invoice: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        customer = await _customer(database, clock, account)
        said = {"reason": "", "amount": "", **await fields_of(request)}
        async with database.transaction() as session:
            document = await _document(session, viewing, customer, invoice)
        try:
            credit, order = collect(
                lambda: _credit(said, document), lambda: _order(viewing, customer, said["reason"])
            )
            key = _key(said.get("key", ""))
            async with database.transaction() as session:
                place = session, clock, order, require_id(INVOICE_PREFIX, invoice)
                await credit_invoice(*place, key, credit)
        except _NO_CREDIT as error:
            form = mistaken(viewing, said, error)
            return _credit_page(viewing, customer, document, form, INVALID)
        return viewing.go(account_address(order.account_id))


async def _customer(database: Database, clock: Clock, account: str) -> Customer:
    """Raises PageNotFound, AccountNotFound."""
    account_id = require_id(PREFIX, account)
    async with database.transaction() as session:
        return await read_customer(session, account_id, clock.now(), invoices=0)


async def _document(
    session: AsyncSession, viewing: Viewing, customer: Customer, invoice: str
) -> InvoiceDocument:
    """Raises PageNotFound, InvoiceNotFound."""
    invoice_id = require_id(INVOICE_PREFIX, invoice)
    return await document_of(session, customer.account.id, invoice_id, viewing.language)


def _credit_page(
    viewing: Viewing, customer: Customer, document: InvoiceDocument, form: Filled, status: int = 200
) -> Response[str]:
    return viewing.page(
        "platform/credit_note.html",
        status=status,
        customer=customer,
        document=document,
        form=form,
        zone=zone_of(document.time_zone),
    )


def _order(viewing: Viewing, customer: Customer, reason: str) -> Order:
    """Raises ReasonMissing."""
    by = Actor.of(viewing.viewer, place_of(viewing.request).address)
    return Order(by, customer.account.id, reason)


def _require_switch(text: str) -> None:
    if text not in _SWITCHES:
        raise PageNotFound("There is no such page.")


def _nano(text: str) -> int:
    try:
        return nano_from_text(text.strip())
    except ValueError as error:
        raise AmountUnreadable from error


def _credit(said: dict[str, str], document: InvoiceDocument) -> Credit:
    try:
        minor = minor_from_text(said["amount"].strip(), document.currency)
    except ValueError as error:
        raise AmountUnreadable from error
    return Credit(minor, said["reason"].strip(), refund="refund" in said)


def _key(text: str) -> str:
    """The name that the form was given. Raises PageNotFound for what is none of ours."""
    try:
        return UUID(hex=text).hex
    except ValueError as error:
        raise PageNotFound("This form is none of ours.") from error
