"""`maas invoices disputes` and `maas invoices answer`: disputed invoice lines and their answers."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.collection.line_disputes import list_open_line_disputes
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.disputes import LineAnswer, answer_disputed_line
from gateway.operations.line_dispute_views import render_line_dispute
from infra.clock import Clock

line_disputes_app = typer.Typer()


@line_disputes_app.command("disputes")
@command
async def invoices_disputes(session: AsyncSession, account: AccountName) -> Table:
    """List an account's open line disputes, oldest first."""
    owner = await get_account(session, account)
    rows = [render_line_dispute(row) for row in await list_open_line_disputes(session, owner.id)]
    return Table(rows, ("invoice", "line", "reason", "opened_by", "opened_at", "id"))


@line_disputes_app.command("answer")
@command
async def invoices_answer(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    dispute: Annotated[str, typer.Argument(help="Line dispute ID (ldsp_…).")],
    text: Annotated[
        str,
        typer.Argument(help="Answer to the customer, and reason on the credit note."),
    ],
    by: Annotated[str, typer.Option(help="Name of the person who answers.")],
    credit: Annotated[
        str | None,
        typer.Option(help="Amount to credit, tax included, e.g. 12.00. Default: reject."),
    ] = None,
    refund: Annotated[
        bool,
        typer.Option("--refund", help="Refund what was paid instead of adding it to the wallet."),
    ] = False,
) -> Record:
    """Answer a line dispute.

    With --credit, creates a credit note for the amount. Without it, rejects the dispute.
    """
    owner = await get_account(session, account)
    answer = LineAnswer(text, by, credit, refund)
    answered = await answer_disputed_line(session, clock, CLI_ACTOR, owner, dispute, answer)
    return Record("Line dispute answered.", render_line_dispute(answered))
