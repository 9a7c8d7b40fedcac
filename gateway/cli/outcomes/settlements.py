"""`maas outcomes claim|confirm|settle|…`: outcomes and their monthly settlements."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.settlement.claims import confirm_outcome, deny_outcome, submit_claim
from billing.outcomes.settlement.jobs import settle_outcomes
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import replay_bundle
from billing.outcomes.settlement.reversal import reverse_outcome
from billing.outcomes.settlement.settlement import get_bundle_text, get_settlement
from billing.outcomes.settlement.views import (
    outcome_json,
    outcomes_page,
    replay_json,
    settlements_page,
)
from billing.tables import Outcome
from gateway.cli.outcomes.disputes import SettlementName
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, run_command, run_in_transaction
from gateway.operations.outcome_ids import parse_evidence_id, parse_outcome_id, parse_settlement_id
from infra.clock import Clock, SystemClock
from infra.database.database import Database
from infra.installation import migrated_database_url
from infra.settings import Settings

OutcomeName = Annotated[str, typer.Argument(help="The outcome's id (outc_…).")]
EvidenceName = Annotated[str, typer.Argument(help="The signed evidence's id (evd_…).")]
Limit = Annotated[int, typer.Option(min=1, max=10_000)]
_EvidenceAction = Callable[[AsyncSession, Clock, UUID, UUID, UUID], Awaitable[Outcome]]
_RowLoader = Callable[[AsyncSession, UUID, int], Awaitable[list[dict[str, Any]]]]


def outcomes_claim(
    account: AccountName,
    contract: Annotated[str, typer.Argument(help="The contract's tag.")],
    evidence: EvidenceName,
    as_json: Json = False,
) -> None:
    """Claim an outcome by signed evidence; the same again is the same outcome."""

    def execute(settings: Settings, output: Output) -> None:
        async def create_claim(session: AsyncSession) -> dict[str, Any]:
            owner, evidence_row = await get_account(session, account), parse_evidence_id(evidence)
            outcome = await submit_claim(session, SystemClock(), owner.id, contract, evidence_row)
            return await outcome_json(session, outcome)

        output.record("Claimed.", run_in_transaction(settings, create_claim))

    run_command(as_json, execute)


def outcomes_confirm(
    account: AccountName, outcome: OutcomeName, evidence: EvidenceName, as_json: Json = False
) -> None:
    """Confirm an outcome by signed evidence."""
    _apply_evidence("Confirmed.", confirm_outcome, account, (outcome, evidence), as_json)


def outcomes_deny(
    account: AccountName, outcome: OutcomeName, evidence: EvidenceName, as_json: Json = False
) -> None:
    """Refuse an outcome that is not confirmed, by signed evidence."""
    _apply_evidence("Denied.", deny_outcome, account, (outcome, evidence), as_json)


def outcomes_reverse(
    account: AccountName, outcome: OutcomeName, evidence: EvidenceName, as_json: Json = False
) -> None:
    """Take an outcome back, by signed evidence; what was invoiced is credited."""
    _apply_evidence("Reversed.", reverse_outcome, account, (outcome, evidence), as_json)


def outcomes_list(account: AccountName, limit: Limit = 50, as_json: Json = False) -> None:
    """An account's outcomes, refused ones too, the newest first."""
    columns = ("business_key", "contract", "subject", "happened_at", "status", "attested_by", "id")
    _show_table(outcomes_page, columns, account, limit, as_json)


def outcomes_settlements(account: AccountName, limit: Limit = 50, as_json: Json = False) -> None:
    """What an account's contracts came to by the month, the newest first."""
    columns = ("contract", "starts_at", "status", "quantity", "amount", "currency", "id")
    _show_table(settlements_page, columns, account, limit, as_json)


def outcomes_settle(as_json: Json = False) -> None:
    """Do now what the jobs do: settle months, end overdue disputes, charge what is accepted."""

    def execute(settings: Settings, output: Output) -> None:
        _settle_now(settings)
        output.record("Settled.", {"settled": True})

    run_command(as_json, execute)


def outcomes_bundle(
    account: AccountName,
    settlement: SettlementName,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.")],
    as_json: Json = False,
) -> None:
    """Write a settlement's evidence bundle, by which anybody can compute it again."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_bundle(session: AsyncSession) -> tuple[str, bytes]:
            owner = await get_account(session, account)
            settlement_row = await get_settlement(
                session, owner.id, parse_settlement_id(settlement)
            )
            return settlement_row.bundle, settlement_row.digest

        bundle, digest = run_in_transaction(settings, load_bundle)
        out.write_text(bundle, encoding="utf-8")
        output.record("Written.", {"file": str(out), "sha256": digest.hex()})

    run_command(as_json, execute)


def outcomes_replay(
    name: Annotated[str, typer.Argument(help="A bundle's file, or a settlement's id (oset_…).")],
    as_json: Json = False,
) -> None:
    """Compute a settlement again from its bundle alone; exit code 1 where a figure differs. Of a
    file no database is asked."""

    def execute(settings: Settings, output: Output) -> None:
        file = Path(name)
        if file.is_file():
            bundle = file.read_text(encoding="utf-8", errors="replace")
        else:
            bundle = run_in_transaction(
                settings, lambda session: get_bundle_text(session, parse_settlement_id(name))
            )
        replayed = replay_json(replay_bundle(bundle, measure_effect))
        output.record("Computed again.", replayed)
        if not replayed["agrees"]:
            raise typer.Exit(1)

    run_command(as_json, execute)


def _apply_evidence(
    title: str, action: _EvidenceAction, account: str, named: tuple[str, str], as_json: bool
) -> None:
    """Apply signed evidence to an outcome and print it."""

    def execute(settings: Settings, output: Output) -> None:
        async def apply_action(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            outcome_id = parse_outcome_id(named[0])
            evidence_id = parse_evidence_id(named[1])
            return await outcome_json(
                session, await action(session, SystemClock(), owner.id, outcome_id, evidence_id)
            )

        output.record(title, run_in_transaction(settings, apply_action))

    run_command(as_json, execute)


def _show_table(
    load_rows: _RowLoader, columns: tuple[str, ...], account: str, limit: int, as_json: bool
) -> None:
    """Load rows of an account and print them."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_account_rows(session: AsyncSession) -> list[dict[str, Any]]:
            return await load_rows(session, (await get_account(session, account)).id, limit)

        output.table(run_in_transaction(settings, load_account_rows), columns)

    run_command(as_json, execute)


def _settle_now(settings: Settings) -> None:
    """Run the settlement job once."""

    async def run(url: str) -> None:
        database = Database(url, pool_size=2)
        try:
            await settle_outcomes(database, SystemClock(), measure_effect)
        finally:
            await database.close()

    with migrated_database_url(settings) as url:
        asyncio.run(run(url))
