"""`maas outcomes`: outcomes that are claimed, and what months of them come to."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.settlement.claims import claim, confirm, deny
from billing.outcomes.settlement.jobs import settle_outcomes
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import replay
from billing.outcomes.settlement.reversal import reverse
from billing.outcomes.settlement.settlement import bundle_of, get_settlement
from billing.outcomes.settlement.views import (
    outcome_json,
    outcomes_page,
    replayed_json,
    settlements_page,
)
from billing.tables import Outcome
from gateway.cli.outcomes.disputes import SettlementName
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, with_database
from gateway.operations.outcome_ids import evidence_id, outcome_id, settlement_id
from infra.clock import Clock, SystemClock
from infra.database.database import Database
from infra.installation import database_url
from infra.settings import Settings

OutcomeName = Annotated[str, typer.Argument(help="The outcome's id (outc_…).")]
EvidenceName = Annotated[str, typer.Argument(help="The signed evidence's id (evd_…).")]
Limit = Annotated[int, typer.Option(min=1, max=10_000)]
_Say = Callable[[AsyncSession, Clock, UUID, UUID, UUID], Awaitable[Outcome]]
_Rows = Callable[[AsyncSession, UUID, int], Awaitable[list[dict[str, Any]]]]


def outcomes_claim(
    account: AccountName,
    contract: Annotated[str, typer.Argument(help="The contract's tag.")],
    evidence: EvidenceName,
    as_json: Json = False,
) -> None:
    """Claim an outcome by signed evidence; the same again is the same outcome."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def make(session: AsyncSession) -> dict[str, Any]:
            owner, said = await get_account(session, account), evidence_id(evidence)
            made = await claim(session, SystemClock(), owner.id, contract, said)
            return await outcome_json(session, made)

        terminal.record("Claimed.", with_database(settings, make))

    tell(as_json, work)


def outcomes_confirm(
    account: AccountName, outcome: OutcomeName, evidence: EvidenceName, as_json: Json = False
) -> None:
    """Confirm an outcome by signed evidence."""
    _say("Confirmed.", confirm, account, (outcome, evidence), as_json)


def outcomes_deny(
    account: AccountName, outcome: OutcomeName, evidence: EvidenceName, as_json: Json = False
) -> None:
    """Refuse an outcome that is not confirmed, by signed evidence."""
    _say("Denied.", deny, account, (outcome, evidence), as_json)


def outcomes_reverse(
    account: AccountName, outcome: OutcomeName, evidence: EvidenceName, as_json: Json = False
) -> None:
    """Take an outcome back, by signed evidence; what was invoiced is credited."""
    _say("Reversed.", reverse, account, (outcome, evidence), as_json)


def outcomes_list(account: AccountName, limit: Limit = 50, as_json: Json = False) -> None:
    """An account's outcomes, refused ones too, the newest first."""
    columns = ("business_key", "contract", "subject", "happened_at", "status", "attested_by", "id")
    _table(outcomes_page, columns, account, limit, as_json)


def outcomes_settlements(account: AccountName, limit: Limit = 50, as_json: Json = False) -> None:
    """What an account's contracts came to by the month, the newest first."""
    columns = ("contract", "starts_at", "status", "quantity", "amount", "currency", "id")
    _table(settlements_page, columns, account, limit, as_json)


def outcomes_settle(as_json: Json = False) -> None:
    """Do now what the jobs do: settle months, end overdue disputes, charge what is accepted."""

    def work(settings: Settings, terminal: Terminal) -> None:
        _settle_now(settings)
        terminal.record("Settled.", {"settled": True})

    tell(as_json, work)


def outcomes_bundle(
    account: AccountName,
    settlement: SettlementName,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.")],
    as_json: Json = False,
) -> None:
    """Write a settlement's evidence bundle, by which anybody can compute it again."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> tuple[str, bytes]:
            owner = await get_account(session, account)
            found = await get_settlement(session, owner.id, settlement_id(settlement))
            return found.bundle, found.digest

        said, digest = with_database(settings, read)
        out.write_text(said, encoding="utf-8")
        terminal.record("Written.", {"file": str(out), "sha256": digest.hex()})

    tell(as_json, work)


def outcomes_replay(
    name: Annotated[str, typer.Argument(help="A bundle's file, or a settlement's id (oset_…).")],
    as_json: Json = False,
) -> None:
    """Compute a settlement again from its bundle alone; exit code 1 where a figure differs. Of a
    file no database is asked."""

    def work(settings: Settings, terminal: Terminal) -> None:
        file = Path(name)
        if file.is_file():
            said = file.read_text(encoding="utf-8", errors="replace")
        else:
            said = with_database(settings, lambda session: bundle_of(session, settlement_id(name)))
        replayed = replayed_json(replay(said, measure_effect))
        terminal.record("Computed again.", replayed)
        if not replayed["agrees"]:
            raise typer.Exit(1)

    tell(as_json, work)


def _say(title: str, what: _Say, account: str, named: tuple[str, str], as_json: bool) -> None:
    """What evidence says of an outcome."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def say(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            place = owner.id, outcome_id(named[0]), evidence_id(named[1])
            return await outcome_json(session, await what(session, SystemClock(), *place))

        terminal.record(title, with_database(settings, say))

    tell(as_json, work)


def _table(rows: _Rows, columns: tuple[str, ...], account: str, limit: int, as_json: bool) -> None:
    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            return await rows(session, (await get_account(session, account)).id, limit)

        terminal.table(with_database(settings, read), columns)

    tell(as_json, work)


def _settle_now(settings: Settings) -> None:
    async def run(url: str) -> None:
        database = Database(url, pool_size=2)
        try:
            await settle_outcomes(database, SystemClock(), measure_effect)
        finally:
            await database.close()

    with database_url(settings) as url:
        asyncio.run(run(url))
