"""`maas outcomes dispute|answer|reply|decide|concede`: disputes of outcome settlements."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.settlement.amounts import CUSTOMER, OPERATOR
from billing.outcomes.settlement.disputes import (
    NewDispute,
    answer_dispute,
    concede_dispute,
    decide_dispute,
    open_dispute,
    reply_to_dispute,
)
from billing.outcomes.settlement.views import dispute_json, disputes_page
from billing.tables import Dispute
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, run_command, run_in_transaction
from gateway.operations.outcome_ids import parse_dispute_id, parse_settlement_id
from infra.clock import SystemClock
from infra.settings import Settings

DisputeName = Annotated[str, typer.Argument(help="The dispute's id (odsp_…).")]
SettlementName = Annotated[str, typer.Argument(help="The settlement's id (oset_…).")]
Text = Annotated[str, typer.Argument(help="What is said.")]
_DisputeStep = Callable[[AsyncSession, UUID], Awaitable[Dispute]]


class Side(StrEnum):
    """The party in whose favour a dispute is decided."""

    CUSTOMER = CUSTOMER
    OPERATOR = OPERATOR


def outcomes_disputes(
    account: AccountName,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """An account's disputes, the newest first."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_disputes(session: AsyncSession) -> list[dict[str, Any]]:
            return await disputes_page(session, (await get_account(session, account)).id, limit)

        columns = ("settlement", "status", "frozen", "currency", "answer_due", "reply_due", "id")
        output.table(run_in_transaction(settings, load_disputes), columns)

    run_command(as_json, execute)


def outcomes_dispute(
    account: AccountName,
    settlement: SettlementName,
    reason: Annotated[str, typer.Option(help="Why.")],
    by: Annotated[str, typer.Option(help="Who says so, of the customer's.")],
    outcome: Annotated[list[str] | None, typer.Option(help="Only this one (outc_…).")] = None,
    as_json: Json = False,
) -> None:
    """Dispute a settlement, or outcomes of it, in the customer's name."""
    new_dispute = NewDispute(by, reason, tuple(outcome or ()))

    async def step(session: AsyncSession, account_id: UUID) -> Dispute:
        settlement_id = parse_settlement_id(settlement)
        return await open_dispute(session, SystemClock(), account_id, settlement_id, new_dispute)

    _run_step("Disputed.", step, account, as_json)


def outcomes_answer(
    account: AccountName, dispute: DisputeName, text: Text, as_json: Json = False
) -> None:
    """Answer a dispute, as the operator."""

    async def step(session: AsyncSession, account_id: UUID) -> Dispute:
        return await answer_dispute(
            session, SystemClock(), account_id, parse_dispute_id(dispute), text
        )

    _run_step("Answered.", step, account, as_json)


def outcomes_reply(
    account: AccountName, dispute: DisputeName, text: Text, as_json: Json = False
) -> None:
    """Reply to the answer, in the customer's name."""

    async def step(session: AsyncSession, account_id: UUID) -> Dispute:
        return await reply_to_dispute(
            session, SystemClock(), account_id, parse_dispute_id(dispute), text
        )

    _run_step("Replied.", step, account, as_json)


def outcomes_decide(
    account: AccountName,
    dispute: DisputeName,
    side: Annotated[Side, typer.Option("--for", help="Who is right.")],
    by: Annotated[str, typer.Option(help="The arbiter.")],
    as_json: Json = False,
) -> None:
    """Decide a dispute of which both sides have spoken; what follows is done at once."""

    async def step(session: AsyncSession, account_id: UUID) -> Dispute:
        dispute_id = parse_dispute_id(dispute)
        return await decide_dispute(session, SystemClock(), account_id, dispute_id, side.value, by)

    _run_step("Decided.", step, account, as_json)


def outcomes_concede(
    account: AccountName,
    dispute: DisputeName,
    side: Annotated[Side, typer.Option("--as", help="Who gives in.")] = Side.OPERATOR,
    as_json: Json = False,
) -> None:
    """Agree with the other side, which wins."""

    async def step(session: AsyncSession, account_id: UUID) -> Dispute:
        dispute_id = parse_dispute_id(dispute)
        return await concede_dispute(session, SystemClock(), account_id, dispute_id, side.value)

    _run_step("Decided.", step, account, as_json)


def _run_step(title: str, step: _DisputeStep, account: str, as_json: bool) -> None:
    """Apply a step of a dispute and print the dispute."""

    def execute(settings: Settings, output: Output) -> None:
        async def apply_step(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            return await dispute_json(session, await step(session, owner.id))

        output.record(title, run_in_transaction(settings, apply_step))

    run_command(as_json, execute)
