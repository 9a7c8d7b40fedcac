"""`/v1/admin/accounts/{account}/invoices`: list, retrieve, pay, void, write off and credit."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.cycle import bill_accounts
from billing.invoice_documents.builder import build_invoice_document, build_invoice_preview
from billing.invoice_documents.invoice_list import find_invoice, list_invoices
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.tables import Account
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.operations.invoices import InvoiceOperations, NewCredit, NewPayment
from infra import ids


class InvoicePayment(msgspec.Struct):
    """A payment received outside a payment provider: `amount` such as `310.00`.

    `reference` is unique, such as the bank's. `received_at` is ISO 8601, by default now.
    """

    amount: str
    reference: str
    received_at: str | None = None


class InvoiceCredit(msgspec.Struct):
    """A credit note: `amount` with tax, a `reason` that is printed, a unique `reference`.

    `refund: true` refunds what was paid instead of adding it to the wallet.
    """

    amount: str
    reason: str
    reference: str
    refund: bool = False


_PATH = "/v1/admin/accounts/{account}/invoices/{invoice}"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{_PATH}/payments": InvoicePayment,
    f"{_PATH}/credit_notes": InvoiceCredit,
}
_PAYMENT = msgspec.json.Decoder(InvoicePayment)
_CREDIT = msgspec.json.Decoder(InvoiceCredit)
_Apply = Callable[[InvoiceOperations], Awaitable[dict[str, Any]]]
_Language = FromQuery[Literal["zh", "en"] | None]


class AdminInvoiceRoutes(Controller):
    """Invoices of an account. `{invoice}` is a number (`MAAS-000012`) or an id (`inv_…`)."""

    path = "/accounts/{account:str}/invoices"

    @get(
        "/",
        summary="List invoices of an account, newest first",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def invoices(
        self,
        admin: NamedDependency[AdminRequest],
        account: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of invoices, drafts included."""
        cursor = parse_cursor(INVOICE_ID_PREFIX, after)
        rows = await admin.read_account(
            account, lambda session, owner: list_invoices(session, owner.id, limit + 1, cursor)
        )
        return page_json(rows, limit, lambda row: row.to_json())

    @get(
        "/preview",
        summary="Preview the invoice of the current billing period",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def preview(
        self,
        admin: NamedDependency[AdminRequest],
        account: FromPath[str],
        locale: _Language = None,
    ) -> dict[str, Any]:
        """Return the invoice as it would be now."""

        async def load(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Return the preview as JSON."""
            return (await build_invoice_preview(session, admin.clock, owner.id, locale)).to_json()

        return await admin.read_account(account, load)

    @get(
        "/{invoice:str}",
        summary="Retrieve an invoice with its lines",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def invoice(
        self,
        admin: NamedDependency[AdminRequest],
        account: FromPath[str],
        invoice: FromPath[str],
        locale: _Language = None,
    ) -> dict[str, Any]:
        """Return an invoice."""

        async def load(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Return the invoice as JSON."""
            row = await find_invoice(session, owner.id, invoice)
            return (await build_invoice_document(session, owner.id, row.id, locale)).to_json()

        return await admin.read_account(account, load)

    @post(
        "/{invoice:str}/payments",
        status_code=200,
        summary="Record a payment received outside a payment provider",
        admin_scope=AdminScope.PAYMENTS_WRITE,
    )
    async def pay(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        invoice: FromPath[str],
    ) -> Response[bytes]:
        """Record a payment; a repeated `reference` changes nothing."""
        new = NewPayment(**msgspec.structs.asdict(admin_change.decode(_PAYMENT)))
        return await _change(admin_change, account, lambda one: one.record_payment(invoice, new))

    @post(
        "/{invoice:str}/void",
        status_code=200,
        summary="Void an open invoice on which nothing was paid",
        admin_scope=AdminScope.INVOICES_WRITE,
    )
    async def void(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        invoice: FromPath[str],
    ) -> Response[bytes]:
        """Void an invoice."""
        return await _change(admin_change, account, lambda one: one.void(invoice))

    @post(
        "/{invoice:str}/write_off",
        status_code=200,
        summary="Mark an open invoice as uncollectible",
        admin_scope=AdminScope.INVOICES_WRITE,
    )
    async def write_off(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        invoice: FromPath[str],
    ) -> Response[bytes]:
        """Write off what is owed on an invoice."""
        return await _change(admin_change, account, lambda one: one.write_off(invoice))

    @post(
        "/{invoice:str}/credit_notes",
        status_code=200,
        summary="Create a credit note for an amount of an invoice",
        admin_scope=AdminScope.INVOICES_WRITE,
    )
    async def credit(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        invoice: FromPath[str],
    ) -> Response[bytes]:
        """Create a credit note; a repeated `reference` changes nothing."""
        new = NewCredit(**msgspec.structs.asdict(admin_change.decode(_CREDIT)))
        return await _change(admin_change, account, lambda one: one.credit(invoice, new))


class AdminBillingRunRoutes(Controller):
    """The billing jobs, run now."""

    path = "/billing_runs"

    @post(
        "/",
        status_code=200,
        summary="Close ended billing periods and invoice due fees now",
        admin_scope=AdminScope.INVOICES_WRITE,
    )
    async def run(self, admin_change: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Run the billing jobs; a repeated run creates no further invoices."""
        created = await bill_accounts(admin_change.database, admin_change.clock)
        invoices = [ids.format_id(INVOICE_ID_PREFIX, invoice_id) for invoice_id in created]
        return {"object": "billing_run", "invoices": invoices}


async def _change(admin: AdminRequest, account: str, apply: _Apply) -> Response[bytes]:
    """Apply a change of an invoice and return its state."""

    async def change(session: AsyncSession, owner: Account) -> dict[str, Any]:
        """Apply the change in the transaction of the Idempotency-Key."""
        operations = InvoiceOperations(session, admin.clock, admin.actor, owner)
        return {"object": "invoice", **await apply(operations)}

    return await admin.change_account(account, change)
