"""`maas invoices disputes` and `maas invoices answer`: disputed invoice lines and their answers."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.collection.line_disputes import (
    LINE_DISPUTE_ID_PREFIX,
    DisputeAnswer,
    LineDisputeNotFound,
    answer_line_dispute,
    list_open_line_disputes,
)
from billing.invoices.credit_notes import CreditNoteInvalid
from billing.tables import LineDispute
from gateway.cli.arguments import parse_minor
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, run_command, run_in_transaction
from gateway.operations.line_dispute_views import render_line_dispute
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings

line_disputes_app = typer.Typer()


@line_disputes_app.command("disputes")
def invoices_disputes(account: AccountName, as_json: Json = False) -> None:
    """Disputes of an account's lines that wait for an answer, the oldest first."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_disputes(session: AsyncSession) -> list[dict[str, Any]]:
            owner = await get_account(session, account)
            disputes = await list_open_line_disputes(session, owner.id)
            return [render_line_dispute(dispute_row) for dispute_row in disputes]

        columns = ("invoice", "line", "reason", "opened_by", "opened_at", "id")
        output.table(run_in_transaction(settings, load_disputes), columns)

    run_command(as_json, execute)


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

    def execute(settings: Settings, output: Output) -> None:
        async def answer_dispute(session: AsyncSession) -> LineDispute:
            owner = await get_account(session, account)
            dispute_id = ids.parse_id(LINE_DISPUTE_ID_PREFIX, dispute)
            if dispute_id is None:
                raise LineDisputeNotFound("The account has no such line dispute.")
            minor = 0 if credit is None else parse_minor(credit, owner.currency, CreditNoteInvalid)
            answer = DisputeAnswer(by, text, minor, refund)
            return await answer_line_dispute(session, SystemClock(), owner.id, dispute_id, answer)

        output.record(
            "Answered.", render_line_dispute(run_in_transaction(settings, answer_dispute))
        )

    run_command(as_json, execute)
