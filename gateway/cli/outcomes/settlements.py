"""`maas outcomes claim|confirm|settle|…`: outcomes and their monthly settlements."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.evidence.decision_records import PURPOSE
from billing.outcomes.settlement.claims import confirm_outcome, deny_outcome, submit_claim
from billing.outcomes.settlement.jobs import settle_outcomes
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import replay_bundle
from billing.outcomes.settlement.reversal import reverse_outcome
from billing.outcomes.settlement.settlement import get_bundle_text, get_settlement
from billing.outcomes.settlement.statement import render_statement_csv, render_statement_pdf
from billing.outcomes.settlement.views import (
    outcome_json,
    outcomes_page,
    replay_json,
    settlements_page,
)
from billing.tables import Outcome
from billing.translations.catalog import LOCALES
from gateway.cli.outcomes.disputes import SettlementName
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command, run_in_transaction
from gateway.operations.outcome_ids import parse_evidence_id, parse_outcome_id, parse_settlement_id
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings

OutcomeName = Annotated[str, typer.Argument(help="Outcome ID (outc_…).")]
EvidenceName = Annotated[str, typer.Argument(help="Evidence ID (evd_…) of the signed statement.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of rows to list.")]
_EvidenceAction = Callable[[AsyncSession, Clock, UUID, UUID, UUID], Awaitable[Outcome]]


@command
async def outcomes_claim(
    session: AsyncSession,
    clock: Clock,
    settings: Settings,
    account: AccountName,
    contract: Annotated[str, typer.Argument(help="Name (tag) of the contract.")],
    evidence: EvidenceName,
) -> Record:
    """Claim an outcome with signed evidence.

    A repeated claim returns the same outcome.
    """
    owner, evidence_id = await get_account(session, account), parse_evidence_id(evidence)
    key = SigningKey(secret_key(settings), PURPOSE).public_key
    outcome = await submit_claim(session, clock, owner.id, contract, evidence_id, key)
    return Record("Outcome claimed.", await outcome_json(session, outcome))


@command
async def outcomes_confirm(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    outcome: OutcomeName,
    evidence: EvidenceName,
) -> Record:
    """Confirm a claimed outcome with signed evidence."""
    changed = await _apply_evidence(session, clock, confirm_outcome, account, outcome, evidence)
    return Record("Outcome confirmed.", await outcome_json(session, changed))


@command
async def outcomes_deny(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    outcome: OutcomeName,
    evidence: EvidenceName,
) -> Record:
    """Deny a claimed outcome with signed evidence."""
    changed = await _apply_evidence(session, clock, deny_outcome, account, outcome, evidence)
    return Record("Outcome denied.", await outcome_json(session, changed))


@command
async def outcomes_reverse(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    outcome: OutcomeName,
    evidence: EvidenceName,
) -> Record:
    """Reverse a confirmed outcome with signed evidence.

    Invoiced amounts are credited.
    """
    changed = await _apply_evidence(session, clock, reverse_outcome, account, outcome, evidence)
    return Record("Outcome reversed.", await outcome_json(session, changed))


@command
async def outcomes_list(session: AsyncSession, account: AccountName, limit: Limit = 50) -> Table:
    """List an account's outcomes, newest first.

    Includes rejected outcomes.
    """
    rows = await outcomes_page(session, (await get_account(session, account)).id, limit)
    columns = ("business_key", "contract", "subject", "happened_at", "status", "attested_by", "id")
    return Table(rows, columns)


@command
async def outcomes_settlements(
    session: AsyncSession, account: AccountName, limit: Limit = 50
) -> Table:
    """List an account's monthly settlements, newest first."""
    rows = await settlements_page(session, (await get_account(session, account)).id, limit)
    columns = ("contract", "starts_at", "status", "quantity", "amount", "currency", "id")
    return Table(rows, columns)


@command
async def outcomes_settle(database: Database, clock: Clock) -> Record:
    """Run the settlement jobs now.

    Settles ended months, decides overdue disputes and charges accepted settlements.
    """
    await settle_outcomes(database, clock, measure_effect)
    return Record("Settlement jobs completed.", {"settled": True})


@command
async def outcomes_bundle(
    session: AsyncSession,
    account: AccountName,
    settlement: SettlementName,
    out: Annotated[Path, typer.Option(dir_okay=False, help="File to write.")],
) -> Record:
    """Download a settlement's evidence bundle.

    Anyone can recompute the settlement from it.
    """
    owner = await get_account(session, account)
    row = await get_settlement(session, owner.id, parse_settlement_id(settlement))
    out.write_text(row.bundle, encoding="utf-8")
    return Record("Evidence bundle written.", {"file": str(out), "sha256": row.digest.hex()})


@command
async def outcomes_statement(
    session: AsyncSession,
    account: AccountName,
    settlement: SettlementName,
    out: Annotated[Path, typer.Option(dir_okay=False, help="File to write: .pdf or .csv.")],
    language: Annotated[str, typer.Option(help="Language of the PDF: en or zh.")] = "en",
) -> Record:
    """Write the statement of a settlement: amount, outcomes and prediction scores."""
    owner = await get_account(session, account)
    row = await get_settlement(session, owner.id, parse_settlement_id(settlement))
    if out.suffix == ".csv":
        content = render_statement_csv(row.bundle)
    else:
        locale = language if language in LOCALES else "en"
        content = render_statement_pdf(row.bundle, row.digest.hex(), locale)
    out.write_bytes(content)
    return Record("Statement written.", {"file": str(out), "bytes": len(content)})


@command
def outcomes_replay(
    settings: Settings,
    name: Annotated[str, typer.Argument(help="Evidence bundle file, or settlement ID (oset_…).")],
) -> Record:
    """Recompute a settlement from its evidence bundle.

    A bundle file needs no database. Exits with code 1 if a figure differs.
    """
    file = Path(name)
    if file.is_file():
        bundle = file.read_text(encoding="utf-8", errors="replace")
    else:
        settlement_id = parse_settlement_id(name)
        bundle = run_in_transaction(
            settings, lambda session: get_bundle_text(session, settlement_id)
        )
    replayed = replay_json(replay_bundle(bundle, measure_effect))
    title = "The settlement is correct." if replayed["agrees"] else "The settlement differs."
    return Record(title, replayed, exit_code=0 if replayed["agrees"] else 1)


async def _apply_evidence(
    session: AsyncSession,
    clock: Clock,
    action: _EvidenceAction,
    account: str,
    outcome: str,
    evidence: str,
) -> Outcome:
    """Apply signed evidence to an outcome."""
    owner = await get_account(session, account)
    outcome_id, evidence_id = parse_outcome_id(outcome), parse_evidence_id(evidence)
    return await action(session, clock, owner.id, outcome_id, evidence_id)
