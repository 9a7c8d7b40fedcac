"""`maas outcomes dispute|answer|reply|decide|concede`: disputes of outcome settlements."""

from enum import StrEnum
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.settlement.amounts import CUSTOMER, OPERATOR
from billing.outcomes.settlement.disputes import (
    NewDispute,
    open_dispute,
    reply_to_dispute,
)
from billing.outcomes.settlement.views import dispute_json, disputes_page
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.disputes import OutcomeDisputes
from gateway.operations.outcome_ids import parse_dispute_id, parse_settlement_id
from infra.clock import Clock

DisputeName = Annotated[str, typer.Argument(help="Dispute ID (odsp_…).")]
SettlementName = Annotated[str, typer.Argument(help="Settlement ID (oset_…).")]


class Side(StrEnum):
    """The party in whose favour a dispute is decided."""

    CUSTOMER = CUSTOMER
    OPERATOR = OPERATOR


@command
async def outcomes_disputes(
    session: AsyncSession,
    account: AccountName,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Maximum number of disputes to list.")
    ] = 50,
) -> Table:
    """List an account's disputes, newest first."""
    rows = await disputes_page(session, (await get_account(session, account)).id, limit)
    columns = ("settlement", "status", "frozen", "currency", "answer_due", "reply_due", "id")
    return Table(rows, columns)


@command
async def outcomes_dispute(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    settlement: SettlementName,
    reason: Annotated[str, typer.Option(help="Reason for the dispute.")],
    by: Annotated[str, typer.Option(help="Name of the customer's contact who disputes.")],
    outcome: Annotated[
        list[str] | None,
        typer.Option(help="Outcome ID (outc_…). Repeatable. Default: the whole settlement."),
    ] = None,
) -> Record:
    """Dispute a settlement on behalf of the customer.

    With --outcome, disputes only these outcomes of the settlement.
    """
    owner, settlement_id = await get_account(session, account), parse_settlement_id(settlement)
    new_dispute = NewDispute(by, reason, tuple(outcome or ()))
    dispute = await open_dispute(session, clock, owner.id, settlement_id, new_dispute)
    return Record("Dispute opened.", await dispute_json(session, dispute))


@command
async def outcomes_answer(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    dispute: DisputeName,
    text: Annotated[str, typer.Argument(help="The operator's answer.")],
) -> Record:
    """Answer a dispute as the operator."""
    disputes = await _disputes(session, clock, account)
    return Record("Dispute answered.", await disputes.answer(dispute, text))


@command
async def outcomes_reply(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    dispute: DisputeName,
    text: Annotated[str, typer.Argument(help="The customer's reply.")],
) -> Record:
    """Reply to the answer on behalf of the customer."""
    owner, dispute_id = await get_account(session, account), parse_dispute_id(dispute)
    replied = await reply_to_dispute(session, clock, owner.id, dispute_id, text)
    return Record("Reply recorded.", await dispute_json(session, replied))


@command
async def outcomes_decide(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    dispute: DisputeName,
    side: Annotated[Side, typer.Option("--for", help="Side that wins the dispute.")],
    by: Annotated[str, typer.Option(help="Name of the arbiter.")],
) -> Record:
    """Decide a dispute.

    Possible after the operator's answer and the customer's reply. Amounts are adjusted immediately.
    """
    disputes = await _disputes(session, clock, account)
    return Record("Dispute decided.", await disputes.decide(dispute, side.value, by))


@command
async def outcomes_concede(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    dispute: DisputeName,
    side: Annotated[Side, typer.Option("--as", help="Side that concedes.")] = Side.OPERATOR,
) -> Record:
    """Concede a dispute to the other side."""
    disputes = await _disputes(session, clock, account)
    return Record("Dispute conceded.", await disputes.concede(dispute, side.value))


async def _disputes(session: AsyncSession, clock: Clock, account: str) -> OutcomeDisputes:
    """Return the operator's actions on the disputes of an account. Raises AccountNotFound."""
    owner = await get_account(session, account)
    return OutcomeDisputes(session, clock, CLI_ACTOR, owner)
