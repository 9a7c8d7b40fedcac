"""`maas outcomes dispute|answer|reply|decide|concede`: what is said against settlements."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.settlement.amounts import CUSTOMER, OPERATOR
from billing.outcomes.settlement.disputes import (
    Objection,
    answer,
    decide,
    give_in,
    open_dispute,
    reply,
)
from billing.outcomes.settlement.views import dispute_json, disputes_page
from billing.tables import Dispute
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, with_database
from gateway.operations.outcome_ids import dispute_id, settlement_id
from infra.clock import SystemClock
from infra.settings import Settings

DisputeName = Annotated[str, typer.Argument(help="The dispute's id (odsp_…).")]
SettlementName = Annotated[str, typer.Argument(help="The settlement's id (oset_…).")]
Text = Annotated[str, typer.Argument(help="What is said.")]
_Argue = Callable[[AsyncSession, UUID], Awaitable[Dispute]]


class Side(StrEnum):
    """Who wins a dispute."""

    CUSTOMER = CUSTOMER
    OPERATOR = OPERATOR


def outcomes_disputes(
    account: AccountName,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """An account's disputes, the newest first."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            return await disputes_page(session, (await get_account(session, account)).id, limit)

        columns = ("settlement", "status", "frozen", "currency", "answer_due", "reply_due", "id")
        terminal.table(with_database(settings, read), columns)

    tell(as_json, work)


def outcomes_dispute(
    account: AccountName,
    settlement: SettlementName,
    reason: Annotated[str, typer.Option(help="Why.")],
    by: Annotated[str, typer.Option(help="Who says so, of the customer's.")],
    outcome: Annotated[list[str] | None, typer.Option(help="Only this one (outc_…).")] = None,
    as_json: Json = False,
) -> None:
    """Dispute a settlement, or outcomes of it, in the customer's name."""
    said = Objection(by, reason, tuple(outcome or ()))

    async def argue(session: AsyncSession, account_id: UUID) -> Dispute:
        place = account_id, settlement_id(settlement)
        return await open_dispute(session, SystemClock(), *place, said)

    _argue("Disputed.", argue, account, as_json)


def outcomes_answer(
    account: AccountName, dispute: DisputeName, text: Text, as_json: Json = False
) -> None:
    """Answer a dispute, as the operator."""

    async def argue(session: AsyncSession, account_id: UUID) -> Dispute:
        return await answer(session, SystemClock(), account_id, dispute_id(dispute), text)

    _argue("Answered.", argue, account, as_json)


def outcomes_reply(
    account: AccountName, dispute: DisputeName, text: Text, as_json: Json = False
) -> None:
    """Reply to the answer, in the customer's name."""

    async def argue(session: AsyncSession, account_id: UUID) -> Dispute:
        return await reply(session, SystemClock(), account_id, dispute_id(dispute), text)

    _argue("Replied.", argue, account, as_json)


def outcomes_decide(
    account: AccountName,
    dispute: DisputeName,
    side: Annotated[Side, typer.Option("--for", help="Who is right.")],
    by: Annotated[str, typer.Option(help="The arbiter.")],
    as_json: Json = False,
) -> None:
    """Decide a dispute of which both sides have spoken; what follows is done at once."""

    async def argue(session: AsyncSession, account_id: UUID) -> Dispute:
        place = account_id, dispute_id(dispute)
        return await decide(session, SystemClock(), *place, side.value, by)

    _argue("Decided.", argue, account, as_json)


def outcomes_concede(
    account: AccountName,
    dispute: DisputeName,
    side: Annotated[Side, typer.Option("--as", help="Who gives in.")] = Side.OPERATOR,
    as_json: Json = False,
) -> None:
    """Agree with the other side, which wins."""

    async def argue(session: AsyncSession, account_id: UUID) -> Dispute:
        place = account_id, dispute_id(dispute)
        return await give_in(session, SystemClock(), *place, side.value)

    _argue("Decided.", argue, account, as_json)


def _argue(title: str, argue: _Argue, account: str, as_json: bool) -> None:
    """A step of a dispute."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def run(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            return await dispute_json(session, await argue(session, owner.id))

        terminal.record(title, with_database(settings, run))

    tell(as_json, work)
