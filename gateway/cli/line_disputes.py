"""`maas invoices disputes|answer`: what accounts say against lines of invoices, and the answers."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.collection.line_disputes import (
    PREFIX,
    Answer,
    LineDisputeNotFound,
    answer_line_dispute,
    open_line_disputes,
)
from billing.invoices.credit_notes import CreditInvalid
from billing.tables import LineDispute
from gateway.cli.arguments import minor_of
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, with_database
from gateway.operations.line_dispute_views import line_dispute_json
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings

line_disputes_app = typer.Typer()


@line_disputes_app.command("disputes")
def invoices_disputes(account: AccountName, as_json: Json = False) -> None:
    """Disputes of an account's lines that wait for an answer, the oldest first."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            owner = await get_account(session, account)
            found = await open_line_disputes(session, owner.id)
            return [line_dispute_json(one) for one in found]

        columns = ("invoice", "line", "reason", "opened_by", "opened_at", "id")
        terminal.table(with_database(settings, read), columns)

    tell(as_json, work)


@line_disputes_app.command("answer")
def invoices_answer(
    account: AccountName,
    dispute: Annotated[str, typer.Argument(help="The dispute's id (ldsp_…).")],
    text: Annotated[str, typer.Argument(help="What is said; of a credit note the reason.")],
    by: Annotated[str, typer.Option(help="Who answers.")],
    credit: Annotated[str | None, typer.Option(help="With tax, as 12.00; else refused.")] = None,
    refund: Annotated[
        bool, typer.Option("--refund", help="What was paid goes back, not into the wallet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Credit what was wrong with a line, or say why it stays."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def run(session: AsyncSession) -> LineDispute:
            owner = await get_account(session, account)
            found = ids.parse(PREFIX, dispute)
            if found is None:
                raise LineDisputeNotFound("The account has no such dispute of a line.")
            minor = 0 if credit is None else minor_of(credit, owner.currency, CreditInvalid)
            answer = Answer(by, text, minor, refund)
            return await answer_line_dispute(session, SystemClock(), owner.id, found, answer)

        terminal.record("Answered.", line_dispute_json(with_database(settings, run)))

    tell(as_json, work)
