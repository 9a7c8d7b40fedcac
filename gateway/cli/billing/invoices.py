"""`maas invoices`: list, export, pay, void, write off and credit invoices."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.cycle import bill_accounts
from billing.invoice_documents.builder import build_invoice_document, build_invoice_preview
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.export import export_invoice
from billing.invoice_documents.invoice_list import (
    find_invoice,
    list_final_invoice_ids,
    list_invoices,
)
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from gateway.cli.arguments import parse_month
from gateway.cli.billing.line_disputes import line_disputes_app
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.invoices import InvoiceOperations, NewCredit, NewPayment
from gateway.operations.wallet_payments import WalletPayment, pay_from_own_wallet
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

invoices_app = typer.Typer(no_args_is_help=True)
invoices_app.add_typer(line_disputes_app)
InvoiceName = Annotated[str, typer.Argument(help="Invoice number or ID (inv_…).")]
Language = Annotated[str | None, typer.Option(help="Language: zh or en. Default: the account's.")]


@invoices_app.command("preview")
@command
async def invoices_preview(
    session: AsyncSession, clock: Clock, account: AccountName, locale: Language = None
) -> Report:
    """Preview the invoice of the current billing period."""
    owner = await get_account(session, account)
    language = _parse_language(locale)
    return _document_report(await build_invoice_preview(session, clock, owner.id, language))


@invoices_app.command("list")
@command
async def invoices_list(
    session: AsyncSession,
    account: AccountName,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Maximum number of invoices to list.")
    ] = 50,
) -> Table:
    """List an account's invoices, newest first."""
    owner = await get_account(session, account)
    rows = [item.to_json() for item in await list_invoices(session, owner.id, limit)]
    columns = ("number", "status", "net", "tax", "total", "owed", "currency", "issued_at", "id")
    return Table(rows, columns)


@invoices_app.command("show")
@command
async def invoices_show(
    session: AsyncSession, account: AccountName, invoice: InvoiceName, locale: Language = None
) -> Report:
    """Show an invoice with its lines."""
    owner = await get_account(session, account)
    row = await find_invoice(session, owner.id, invoice)
    language = _parse_language(locale)
    return _document_report(await build_invoice_document(session, owner.id, row.id, language))


@invoices_app.command("close")
@command
async def invoices_close(database: Database, clock: Clock) -> Report:
    """Run the billing jobs now.

    Closes ended billing periods and invoices due fees.
    """
    invoices = [
        ids.format_id(INVOICE_ID_PREFIX, invoice_id)
        for invoice_id in await bill_accounts(database, clock)
    ]
    shown = Record("Billing periods closed.", {"invoices": "\n  ".join(invoices) or None})
    return Report({"invoices": invoices}, (shown,))


@invoices_app.command("export")
@command
async def invoices_export(
    session: AsyncSession,
    account: AccountName,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder to write to.")],
    invoice: Annotated[
        str | None, typer.Option(help="Number or ID of one invoice, which may be a draft.")
    ] = None,
    month: Annotated[
        str | None, typer.Option(help="Only invoices of this month, e.g. 2026-10.")
    ] = None,
) -> Report:
    """Export final invoices with the data to recompute them.

    Each invoice becomes a folder with its lines, terms and calls.
    """
    first_of_month = None if month is None else parse_month(month)
    owner = await get_account(session, account)
    if invoice is not None:
        invoice_ids = [(await find_invoice(session, owner.id, invoice)).id]
    else:
        invoice_ids = await list_final_invoice_ids(session, owner.id, first_of_month)
    folders = [
        str(await export_invoice(session, owner.id, invoice_id, out)) for invoice_id in invoice_ids
    ]
    shown = Record("Invoices exported.", {"folders": "\n  ".join(folders) or None})
    return Report({"folders": folders}, (shown,))


@invoices_app.command("pay")
@command
async def invoices_pay(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    invoice: InvoiceName,
    amount: Annotated[
        str, typer.Option(help="Amount received, in the account's currency, e.g. 310.00.")
    ],
    reference: Annotated[
        str,
        typer.Option(
            help="Unique reference of the payment, such as the bank's. A repeated reference "
            "changes nothing."
        ),
    ],
    received_at: Annotated[
        str | None,
        typer.Option(help="Date or time of the payment, UTC by default. Default: now."),
    ] = None,
) -> Record:
    """Record a payment received outside Stripe, such as a bank transfer.

    An overpayment is added to the wallet.
    """
    invoices = await _operations(session, clock, account)
    state = await invoices.record_payment(invoice, NewPayment(amount, reference, received_at))
    return Record("Payment recorded.", {**state, "reference": reference})


@invoices_app.command("pay-from-wallet")
@command
async def invoices_pay_from_wallet(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    invoice: InvoiceName,
    reference: Annotated[
        str, typer.Option(help="Unique reference of the payment. A repeated one changes nothing.")
    ],
    amount: Annotated[
        str, typer.Option(help="Amount with tax, e.g. 40.00. Default: all that is owed.")
    ] = "",
) -> Record:
    """Pay an open invoice from the account's wallet, whole or in part."""
    owner = await get_account(session, account)
    found = await find_invoice(session, owner.id, invoice)
    payment = WalletPayment(owner.id, found.id, reference, amount)
    state = await pay_from_own_wallet(session, clock, CLI_ACTOR, payment)
    return Record("Payment recorded.", state)


@invoices_app.command("void")
@command
async def invoices_void(
    session: AsyncSession, clock: Clock, account: AccountName, invoice: InvoiceName
) -> Record:
    """Void an open invoice on which nothing was paid."""
    invoices = await _operations(session, clock, account)
    return Record("Invoice voided.", await invoices.void(invoice))


@invoices_app.command("give-up")
@command
async def invoices_give_up(
    session: AsyncSession, clock: Clock, account: AccountName, invoice: InvoiceName
) -> Record:
    """Mark an open invoice as uncollectible.

    Writes off the amount owed. If the account was suspended for this invoice, it can call again
    within its credit limit.
    """
    invoices = await _operations(session, clock, account)
    return Record("Invoice marked as uncollectible.", await invoices.write_off(invoice))


@invoices_app.command("credit")
@command
async def invoices_credit(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    invoice: InvoiceName,
    amount: Annotated[str, typer.Option(help="Amount to credit, tax included, e.g. 12.00.")],
    reason: Annotated[str, typer.Option(help="Reason, printed on the credit note.")],
    reference: Annotated[
        str, typer.Option(help="Unique reference. A repeated reference changes nothing.")
    ],
    refund: Annotated[
        bool,
        typer.Option("--refund", help="Refund what was paid instead of adding it to the wallet."),
    ] = False,
) -> Record:
    """Create a credit note for an amount of an invoice."""
    invoices = await _operations(session, clock, account)
    state = await invoices.credit(invoice, NewCredit(amount, reason, reference, refund))
    return Record("Credit note created.", {**state, "reference": reference})


async def _operations(session: AsyncSession, clock: Clock, account: str) -> InvoiceOperations:
    """Return the changes of an account's invoices. Raises AccountNotFound."""
    owner = await get_account(session, account)
    return InvoiceOperations(session, clock, CLI_ACTOR, owner)


def _document_report(document: InvoiceDocument) -> Report:
    """Return the printable result of an invoice with its lines."""
    document_json = document.to_json()
    period = f"{document.period.first_day} to {document.period.last_day}"
    fields = ("status", "issued_on", "due_on", "net", "tax", "total", "paid", "owed", "currency")
    title = f"{document.translate('title')} {document.name}"
    head = Record(title, {"period": period, **{field: document_json[field] for field in fields}})
    columns = ("number", "description", "quantity", "included", "price_text", "amount")
    return Report(document_json, (head, Table(document_json["lines"], columns)))


def _parse_language(language: str | None) -> str | None:
    """Validate a language code. Raises BadParameter."""
    if language not in (None, "zh", "en"):
        raise typer.BadParameter("must be zh or en.", param_hint="--locale")
    return language
