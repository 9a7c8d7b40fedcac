"""`maas bank-statements`: import statements, and confirm transfers as payments."""

from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.bank_statements.csv_file import StatementDefaults
from billing.bank_statements.errors import BankStatementInvalid, InvalidBankLineState
from billing.bank_statements.lines import BANK_LINE_ID_PREFIX, list_lines
from billing.bank_statements.matching import LineStatus
from billing.bank_statements.views import render_line
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command, read_text_file
from gateway.identity.audit_log import CLI_ACTOR
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

bank_statements_app = typer.Typer(no_args_is_help=True)
_COLUMNS = ("booked_on", "amount", "currency", "payer", "status", "flags", "invoices", "id")
LineName = Annotated[str, typer.Argument(help="Bank line ID (bkl_…).")]
Person = Annotated[str, typer.Option(help="Name of the person who decides.")]


@bank_statements_app.command("import")
@command
async def statements_import(
    session: AsyncSession,
    clock: Clock,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or camt.053.")],
    columns: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="TOML file with names of your columns."),
    ] = None,
    account: Annotated[
        str, typer.Option(help="Number of your bank account, if the file has none.")
    ] = "",
    currency: Annotated[str, typer.Option(help="Currency, if the file has none.")] = "CNY",
) -> Report:
    """Import a bank statement and match its transfers to open invoices.

    Lines are stored once. Exits with code 1 if rows cannot be read; the others are stored.
    """
    more = "" if columns is None else read_text_file(columns, "Columns", BankStatementInvalid)
    defaults = StatementDefaults(account, currency)
    place = (session, clock, CLI_ACTOR, file.name, file.read_bytes())
    done = await import_file(*place, more, defaults)
    problems = [{"row": row, "problem": problem} for row, problem in done.problems]
    figures = {"new": done.new, "known": done.known, "skipped": done.skipped}
    head = Record("Bank statement imported.", {**figures, "problems": len(problems)})
    value = {**figures, "problems": problems}
    sections = (head, Table(problems, ("row", "problem")))
    return Report(value, sections, exit_code=1 if problems else 0)


@bank_statements_app.command("list")
@command
async def statements_list(
    session: AsyncSession,
    status: Annotated[
        LineStatus | None, typer.Option(help="Only this status. Default: all not confirmed.")
    ] = None,
) -> Table:
    """List transfers with the invoices that they may pay."""
    rows = [await _row(session, line) for line in await list_lines(session, status)]
    return Table(rows, _COLUMNS)


@bank_statements_app.command("confirm")
@command
async def statements_confirm(
    database: Database,
    clock: Clock,
    by: Person,
    line: Annotated[str | None, typer.Argument(help="Bank line ID (bkl_…).")] = None,
    invoice: Annotated[
        str | None, typer.Option(help="Invoice number or ID that the line pays.")
    ] = None,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="All lines whose reference, amount and payer agree."),
    ] = False,
) -> Report:
    """Record a transfer as a payment, or with --exact all that leave no doubt.

    Confirming a line again changes nothing. An overpayment is added to the wallet.
    """
    if exact == (line is not None):
        raise InvalidBankLineState("State either a line or --exact.")
    if line is None:
        done = await confirm_exact(database, clock, CLI_ACTOR, by)
        failed = [
            {"line": ids.format_id(BANK_LINE_ID_PREFIX, line_id), "reason": reason}
            for line_id, reason in done.failed
        ]
        value = {"confirmed": len(done.confirmed), "failed": failed}
        shown = Record("Transfers confirmed.", {**value, "failed": len(failed)})
        return Report(value, (shown, Table(failed, ("line", "reason"))))
    async with database.transaction() as session:
        chosen = None if invoice is None else await find_any_invoice(session, invoice)
        row = await confirm_one(session, clock, CLI_ACTOR, parse_line_id(line), by, chosen)
        value = await _row(session, row)
    return Report(value, (Record("Transfer confirmed.", value),))


@bank_statements_app.command("reject")
@command
async def statements_reject(
    session: AsyncSession, clock: Clock, line: LineName, by: Person
) -> Record:
    """Reject the proposals of a transfer; they are not made again."""
    row = await reject_one(session, clock, CLI_ACTOR, parse_line_id(line), by)
    return Record("Proposals rejected.", await _row(session, row))


async def _row(session: AsyncSession, line: Any) -> dict[str, Any]:
    """Return a line as JSON with the numbers of its invoices."""
    shown = await render_line(session, line)
    return {**shown, "invoices": ", ".join(one["number"] for one in shown["proposals"])}
