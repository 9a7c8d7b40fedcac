"""`maas invoices`: list, export, pay, void, write off and credit invoices."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.profiles import lock_profile
from billing.cycle import bill_accounts
from billing.invoice_documents.builder import build_invoice_document, build_invoice_preview
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.export import export_invoice
from billing.invoice_documents.invoice_list import (
    find_invoice,
    list_final_invoice_ids,
    list_invoices,
)
from billing.invoices.credit_notes import CreditNoteInvalid, CreditNoteRequest, create_credit_note
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.invoices.payments import IncomingPayment, PaymentInvalid, record_payment
from billing.invoices.void_and_write_off import void_invoice, write_off_invoice
from billing.tables import Account, Invoice
from gateway.cli.arguments import parse_instant, parse_minor
from gateway.cli.line_disputes import line_disputes_app
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, run_command, run_in_transaction
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.installation import migrated_database_url
from infra.settings import Settings

invoices_app = typer.Typer(no_args_is_help=True)
invoices_app.add_typer(line_disputes_app)
InvoiceName = Annotated[str, typer.Argument(help="The invoice's number or id (inv_…).")]
Language = Annotated[str | None, typer.Option(help="zh or en; else the account's.")]
_InvoiceChange = Callable[[AsyncSession, Account, Invoice], Awaitable[dict[str, Any]]]


@invoices_app.command("preview")
def invoices_preview(account: AccountName, locale: Language = None, as_json: Json = False) -> None:
    """What the running period would be billed if it ended now."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_preview(session: AsyncSession) -> InvoiceDocument:
            owner = await get_account(session, account)
            return await build_invoice_preview(
                session, SystemClock(), owner.id, _parse_language(locale)
            )

        _show_document(output, as_json, run_in_transaction(settings, load_preview))

    run_command(as_json, execute)


@invoices_app.command("list")
def invoices_list(
    account: AccountName,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """An account's invoices, the newest first."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_invoices(session: AsyncSession) -> list[dict[str, Any]]:
            owner = await get_account(session, account)
            return [item.to_json() for item in await list_invoices(session, owner.id, limit)]

        columns = ("number", "status", "net", "tax", "total", "owed", "currency", "issued_at", "id")
        output.table(run_in_transaction(settings, load_invoices), columns)

    run_command(as_json, execute)


@invoices_app.command("show")
def invoices_show(
    account: AccountName, invoice: InvoiceName, locale: Language = None, as_json: Json = False
) -> None:
    """An invoice with its lines."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_document(session: AsyncSession) -> InvoiceDocument:
            owner = await get_account(session, account)
            row = await find_invoice(session, owner.id, invoice)
            return await build_invoice_document(session, owner.id, row.id, _parse_language(locale))

        _show_document(output, as_json, run_in_transaction(settings, load_document))

    run_command(as_json, execute)


@invoices_app.command("close")
def invoices_close(as_json: Json = False) -> None:
    """Do now what the jobs do: close periods that are over, charge fees that are due."""

    def execute(settings: Settings, output: Output) -> None:
        final = [
            ids.format_id(INVOICE_ID_PREFIX, invoice_id)
            for invoice_id in _close_due_periods(settings)
        ]
        output.record("Closed.", {"invoices": final if as_json else "\n  ".join(final) or None})

    run_command(as_json, execute)


@invoices_app.command("export")
def invoices_export(
    account: AccountName,
    out: Annotated[Path, typer.Option(file_okay=False, help="The folder to write into.")],
    invoice: Annotated[str | None, typer.Option(help="Only this one, a draft too.")] = None,
    month: Annotated[str | None, typer.Option(help="Only those of a month, as 2026-10.")] = None,
    as_json: Json = False,
) -> None:
    """Write final invoices with all by which they can be computed again: terms, calls, lines."""
    first_of_month = None if month is None else _parse_month(month)

    def execute(settings: Settings, output: Output) -> None:
        async def export_selected(session: AsyncSession) -> list[str]:
            owner = await get_account(session, account)
            if invoice is not None:
                invoice_ids = [(await find_invoice(session, owner.id, invoice)).id]
            else:
                invoice_ids = await list_final_invoice_ids(session, owner.id, first_of_month)
            return [
                str(await export_invoice(session, owner.id, invoice_id, out))
                for invoice_id in invoice_ids
            ]

        folders = run_in_transaction(settings, export_selected)
        shown = folders if as_json else "\n  ".join(folders) or None
        output.record("Exported.", {"folders": shown})

    run_command(as_json, execute)


@invoices_app.command("pay")
def invoices_pay(
    account: AccountName,
    invoice: InvoiceName,
    amount: Annotated[str, typer.Option(help="What came in, as 310.00.")],
    reference: Annotated[str, typer.Option(help="The bank's; the same again changes nothing.")],
    received_at: Annotated[str | None, typer.Option(help="As 2026-11-03; else now.")] = None,
    as_json: Json = False,
) -> None:
    """Record a bank transfer. More than is owed goes into the wallet."""

    async def change(session: AsyncSession, owner: Account, row: Invoice) -> dict[str, Any]:
        clock = SystemClock()
        at = clock.now() if received_at is None else parse_instant(received_at, PaymentInvalid)
        minor = parse_minor(amount, owner.currency, PaymentInvalid)
        receipt = IncomingPayment("manual", reference, minor, at)
        await record_payment(session, clock, owner.id, row.id, receipt)
        return {"reference": reference}

    _with_invoice("Paid.", account, invoice, as_json, change)


@invoices_app.command("void")
def invoices_void(account: AccountName, invoice: InvoiceName, as_json: Json = False) -> None:
    """Take an open invoice back, of which nothing was paid."""

    async def change(session: AsyncSession, owner: Account, row: Invoice) -> dict[str, Any]:
        await void_invoice(session, SystemClock(), owner.id, row.id)
        return {}

    _with_invoice("Taken back.", account, invoice, as_json, change)


@invoices_app.command("give-up")
def invoices_give_up(account: AccountName, invoice: InvoiceName, as_json: Json = False) -> None:
    """Mark an open invoice as uncollectible: what is owed becomes a loss, and calls that were
    stopped for it go on, within the account's credit limit."""

    async def change(session: AsyncSession, owner: Account, row: Invoice) -> dict[str, Any]:
        await write_off_invoice(session, SystemClock(), owner.id, row.id)
        return {}

    _with_invoice("Given up.", account, invoice, as_json, change)


@invoices_app.command("credit")
def invoices_credit(
    account: AccountName,
    invoice: InvoiceName,
    amount: Annotated[str, typer.Option(help="With tax, as 12.00.")],
    reason: Annotated[str, typer.Option(help="What the credit note says.")],
    reference: Annotated[str, typer.Option(help="Its own name: the same again changes nothing.")],
    refund: Annotated[
        bool, typer.Option("--refund", help="What was paid goes back, not into the wallet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a credit note for a part of an invoice."""

    async def change(session: AsyncSession, owner: Account, row: Invoice) -> dict[str, Any]:
        credit = CreditNoteRequest(
            parse_minor(amount, owner.currency, CreditNoteInvalid), reason, refund
        )
        await create_credit_note(session, SystemClock(), owner.id, row.id, reference, credit)
        return {"reference": reference}

    _with_invoice("Credited.", account, invoice, as_json, change)


def _with_invoice(
    title: str, account: str, invoice: str, as_json: bool, change: _InvoiceChange
) -> None:
    """Apply a change to an invoice under the account's lock, and print its new state."""

    def execute(settings: Settings, output: Output) -> None:
        async def apply_change(session: AsyncSession) -> tuple[dict[str, Any], InvoiceDocument]:
            owner = await get_account(session, account)
            await lock_profile(session, owner.id)
            row = await find_invoice(session, owner.id, invoice)
            details = await change(session, owner, row)
            return details, await build_invoice_document(session, owner.id, row.id)

        details, document = run_in_transaction(settings, apply_change)
        fields_by_name = document.to_json()
        fields = ("id", "number", "status", "total", "paid", "credited", "owed", "currency")
        output.record(title, {**{field: fields_by_name[field] for field in fields}, **details})

    run_command(as_json, execute)


def _close_due_periods(settings: Settings) -> list[UUID]:
    """Close all due billing periods, in one transaction per account. Returns the new invoices."""

    async def run(url: str) -> list[UUID]:
        database = Database(url, pool_size=1)
        try:
            return await bill_accounts(database, SystemClock())
        finally:
            await database.close()

    with migrated_database_url(settings) as url:
        return asyncio.run(run(url))


def _show_document(output: Output, as_json: bool, document: InvoiceDocument) -> None:
    """Print an invoice with its lines."""
    document_json = document.to_json()
    if as_json:
        output.record("", document_json)
        return
    period = f"{document.period.first_day} to {document.period.last_day}"
    fields = ("status", "issued_on", "due_on", "net", "tax", "total", "paid", "owed", "currency")
    title = f"{document.translate('title')} {document.name}"
    output.record(title, {"period": period, **{field: document_json[field] for field in fields}})
    columns = ("number", "description", "quantity", "included", "price_text", "amount")
    output.table(document_json["lines"], columns)


def _parse_language(language: str | None) -> str | None:
    """Validate a language code. Raises BadParameter."""
    if language not in (None, "zh", "en"):
        raise typer.BadParameter("zh or en", param_hint="--locale")
    return language


def _parse_month(text: str) -> date:
    """Parse a month such as `2026-10` to its first day. Raises BadParameter."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise typer.BadParameter("a month is 2026-10", param_hint="--month") from None
