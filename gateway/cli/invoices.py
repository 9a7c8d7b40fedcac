"""`maas invoices`: what accounts were billed, and what an operator does about it."""

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
from billing.invoice_documents.builder import document_of, preview_of
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.export import export_invoice
from billing.invoice_documents.invoice_list import final_invoices, find_invoice, invoice_page
from billing.invoices.credit_notes import Credit, CreditInvalid, write_credit_note
from billing.invoices.lifecycle import PREFIX
from billing.invoices.payments import PaymentInvalid, Receipt, record_payment
from billing.invoices.void_and_write_off import take_back, write_off
from billing.tables import Account, Invoice
from gateway.cli.arguments import instant_of, minor_of
from gateway.cli.line_disputes import line_disputes_app
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, with_database
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.installation import database_url
from infra.settings import Settings

invoices_app = typer.Typer(no_args_is_help=True)
invoices_app.add_typer(line_disputes_app)
InvoiceName = Annotated[str, typer.Argument(help="The invoice's number or id (inv_…).")]
Language = Annotated[str | None, typer.Option(help="zh or en; else the account's.")]
_Work = Callable[[AsyncSession, Account, Invoice], Awaitable[dict[str, Any]]]


@invoices_app.command("preview")
def invoices_preview(account: AccountName, locale: Language = None, as_json: Json = False) -> None:
    """What the running period would be billed if it ended now."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> InvoiceDocument:
            owner = await get_account(session, account)
            return await preview_of(session, SystemClock(), owner.id, _language(locale))

        _show(terminal, as_json, with_database(settings, read))

    tell(as_json, work)


@invoices_app.command("list")
def invoices_list(
    account: AccountName,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """An account's invoices, the newest first."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            owner = await get_account(session, account)
            return [one.to_json() for one in await invoice_page(session, owner.id, limit)]

        columns = ("number", "status", "net", "tax", "total", "owed", "currency", "issued_at", "id")
        terminal.table(with_database(settings, read), columns)

    tell(as_json, work)


@invoices_app.command("show")
def invoices_show(
    account: AccountName, invoice: InvoiceName, locale: Language = None, as_json: Json = False
) -> None:
    """An invoice with its lines."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> InvoiceDocument:
            owner = await get_account(session, account)
            found = await find_invoice(session, owner.id, invoice)
            return await document_of(session, owner.id, found.id, _language(locale))

        _show(terminal, as_json, with_database(settings, read))

    tell(as_json, work)


@invoices_app.command("close")
def invoices_close(as_json: Json = False) -> None:
    """Do now what the jobs do: close periods that are over, charge fees that are due."""

    def work(settings: Settings, terminal: Terminal) -> None:
        final = [ids.show(PREFIX, one) for one in _bill_now(settings)]
        terminal.record("Closed.", {"invoices": final if as_json else "\n  ".join(final) or None})

    tell(as_json, work)


@invoices_app.command("export")
def invoices_export(
    account: AccountName,
    out: Annotated[Path, typer.Option(file_okay=False, help="The folder to write into.")],
    invoice: Annotated[str | None, typer.Option(help="Only this one, a draft too.")] = None,
    month: Annotated[str | None, typer.Option(help="Only those of a month, as 2026-10.")] = None,
    as_json: Json = False,
) -> None:
    """Write final invoices with all by which they can be computed again: terms, calls, lines."""
    wanted = None if month is None else _month(month)

    def work(settings: Settings, terminal: Terminal) -> None:
        async def write(session: AsyncSession) -> list[str]:
            owner = await get_account(session, account)
            if invoice is not None:
                found = [(await find_invoice(session, owner.id, invoice)).id]
            else:
                found = await final_invoices(session, owner.id, wanted)
            return [str(await export_invoice(session, owner.id, one, out)) for one in found]

        folders = with_database(settings, write)
        shown = folders if as_json else "\n  ".join(folders) or None
        terminal.record("Exported.", {"folders": shown})

    tell(as_json, work)


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

    async def work(session: AsyncSession, owner: Account, found: Invoice) -> dict[str, Any]:
        clock = SystemClock()
        at = clock.now() if received_at is None else instant_of(received_at, PaymentInvalid)
        minor = minor_of(amount, owner.currency, PaymentInvalid)
        receipt = Receipt("manual", reference, minor, at)
        await record_payment(session, clock, owner.id, found.id, receipt)
        return {"reference": reference}

    _with_invoice("Paid.", account, invoice, as_json, work)


@invoices_app.command("void")
def invoices_void(account: AccountName, invoice: InvoiceName, as_json: Json = False) -> None:
    """Take an open invoice back, of which nothing was paid."""

    async def work(session: AsyncSession, owner: Account, found: Invoice) -> dict[str, Any]:
        await take_back(session, SystemClock(), owner.id, found.id)
        return {}

    _with_invoice("Taken back.", account, invoice, as_json, work)


@invoices_app.command("give-up")
def invoices_give_up(account: AccountName, invoice: InvoiceName, as_json: Json = False) -> None:
    """Mark an open invoice as uncollectible: what is owed becomes a loss, and calls that were
    stopped for it go on, within the account's credit limit."""

    async def work(session: AsyncSession, owner: Account, found: Invoice) -> dict[str, Any]:
        await write_off(session, SystemClock(), owner.id, found.id)
        return {}

    _with_invoice("Given up.", account, invoice, as_json, work)


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

    async def work(session: AsyncSession, owner: Account, found: Invoice) -> dict[str, Any]:
        credit = Credit(minor_of(amount, owner.currency, CreditInvalid), reason, refund)
        await write_credit_note(session, SystemClock(), owner.id, found.id, reference, credit)
        return {"reference": reference}

    _with_invoice("Credited.", account, invoice, as_json, work)


def _with_invoice(title: str, account: str, name: str, as_json: bool, work: _Work) -> None:
    """Do something with an invoice under the account's lock, and show where it stands then."""

    def show(settings: Settings, terminal: Terminal) -> None:
        async def run(session: AsyncSession) -> tuple[dict[str, Any], InvoiceDocument]:
            owner = await get_account(session, account)
            await lock_profile(session, owner.id)
            found = await find_invoice(session, owner.id, name)
            told = await work(session, owner, found)
            return told, await document_of(session, owner.id, found.id)

        told, document = with_database(settings, run)
        shown = document.to_json()
        fields = ("id", "number", "status", "total", "paid", "credited", "owed", "currency")
        terminal.record(title, {**{field: shown[field] for field in fields}, **told})

    tell(as_json, show)


def _bill_now(settings: Settings) -> list[UUID]:
    """Of its own transactions, one for each account."""

    async def run(url: str) -> list[UUID]:
        database = Database(url, pool_size=1)
        try:
            return await bill_accounts(database, SystemClock())
        finally:
            await database.close()

    with database_url(settings) as url:
        return asyncio.run(run(url))


def _show(terminal: Terminal, as_json: bool, document: InvoiceDocument) -> None:
    shown = document.to_json()
    if as_json:
        terminal.record("", shown)
        return
    period = f"{document.period.first_day} to {document.period.last_day}"
    fields = ("status", "issued_on", "due_on", "net", "tax", "total", "paid", "owed", "currency")
    title = f"{document.say('title')} {document.name}"
    terminal.record(title, {"period": period, **{field: shown[field] for field in fields}})
    columns = ("number", "description", "quantity", "included", "price_text", "amount")
    terminal.table(shown["lines"], columns)


def _language(said: str | None) -> str | None:
    if said not in (None, "zh", "en"):
        raise typer.BadParameter("zh or en", param_hint="--locale")
    return said


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise typer.BadParameter("a month is 2026-10", param_hint="--month") from None
