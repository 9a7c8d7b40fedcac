"""`maas outcomes contracts`: propose, agree to and end outcome contracts, for the operator.

Customers agree through the API, with their own key.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.contracts.agreement import (
    ContractEndInvalid,
    VersionReference,
    agree_to_version,
    end_contract,
)
from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.contracts.contracts import (
    find_contract,
    list_contracts,
    list_versions,
    propose_version,
)
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import OutcomeTerms, OutcomeTermsInvalid
from billing.outcomes.evidence.views import contract_json
from billing.outcomes.settlement.baseline_fit import fit_version_baseline
from billing.tables import Account, OutcomeContract
from gateway.access.price_book import catalog_price_terms
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command, read_text_file, run_in_transaction
from gateway.operations.parsing import parse_instant
from infra.clock import Clock
from infra.settings import Settings
from models.catalog import Catalog, load_configured_catalog

contracts_app = typer.Typer(help="Manage outcome contracts.", no_args_is_help=True)
ContractName = Annotated[str, typer.Argument(help="Contract ID (octr_…) or name.")]
Number = Annotated[int, typer.Option("--version", help="Version of the contract.")]
By = Annotated[str, typer.Option(help="Name of the person who acts for the operator.")]


@contracts_app.command("propose")
@command
def contracts_propose(
    settings: Settings,
    clock: Clock,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Contract file (TOML).")
    ],
    account: AccountName,
    by: By,
) -> Report:
    """Propose a contract file as the next version of a contract.

    The version takes effect after both sides agreed to it.
    """
    terms = parse_contract_toml(read_text_file(file, "The contract", OutcomeTermsInvalid))
    catalog, operator = load_configured_catalog(settings), parse_operator(by)
    fields = run_in_transaction(
        settings, lambda session: _propose(session, clock, account, terms, operator, catalog)
    )
    return _contract_report("Contract version proposed.", fields)


@contracts_app.command("list")
@command
async def contracts_list(session: AsyncSession, clock: Clock, account: AccountName) -> Report:
    """List an account's contracts with their versions."""
    rows = await list_contracts(session, (await get_account(session, account)).id)
    contracts = [await _contract_fields(session, clock, contract) for contract in rows]
    versions = [row for contract in contracts for row in _version_rows(contract)]
    columns = ("contract", "number", "status", "starts_at", "ends_at", "hash")
    return Report(contracts, (Table(versions, columns),))


@contracts_app.command("show")
@command
async def contracts_show(
    session: AsyncSession, clock: Clock, account: AccountName, contract: ContractName
) -> Report:
    """Show a contract with its versions.

    Shows the text and hash of each version and who agreed to it.
    """
    _, row = await find_account_contract(session, account, contract)
    return _contract_report("Contract:", await _contract_fields(session, clock, row))


@contracts_app.command("agree")
@command
async def contracts_agree(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    contract: ContractName,
    version: Number,
    digest: Annotated[str, typer.Option("--hash", help="Hash of the version that you reviewed.")],
    by: By,
) -> Report:
    """Agree to a contract version as the operator.

    The hash makes sure that you agree to the version that you reviewed.
    """
    owner, row = await find_account_contract(session, account, contract)
    prices = catalog_price_terms(load_configured_catalog(settings), owner.currency)
    reference, operator = VersionReference(version, digest), parse_operator(by)
    await agree_to_version(session, clock, owner.id, row.id, reference, operator, prices)
    fields = await _contract_fields(session, clock, row)
    return _contract_report("Agreement recorded.", fields)


@contracts_app.command("baseline")
@command
async def contracts_baseline(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    contract: ContractName,
    version: Number,
) -> Report:
    """Fit the baseline of a contract version to the signed readings.

    Possible until a side agrees to the version.
    """
    owner, row = await find_account_contract(session, account, contract)
    await fit_version_baseline(session, clock, owner.id, row.id, version)
    return _contract_report("Baseline fitted.", await _contract_fields(session, clock, row))


@contracts_app.command("end")
@command
async def contracts_end(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    contract: ContractName,
    by: By,
    at: Annotated[
        str | None,
        typer.Option(help="End time, e.g. 2027-01-01T00:00:00+08:00. Default: now."),
    ] = None,
) -> Report:
    """End a contract.

    Also ends its proposed versions.
    """
    owner, row = await find_account_contract(session, account, contract)
    moment = None if at is None else parse_instant(at, ContractEndInvalid)
    await end_contract(session, clock, owner.id, row.id, parse_operator(by), moment)
    return _contract_report("Contract ended.", await _contract_fields(session, clock, row))


def parse_operator(name: str) -> Party:
    """Return the contract party of the operator, acted for by this person. Raises BadParameter."""
    if not 0 < len(name.strip()) <= 100 or not name.isprintable():
        raise typer.BadParameter("must have 1 to 100 printable characters.", param_hint="--by")
    return Party(Side.OPERATOR, name.strip())


async def find_account_contract(
    session: AsyncSession, account: str, contract: str
) -> tuple[Account, OutcomeContract]:
    """Return an account and its contract, each by ID or name."""
    owner = await get_account(session, account)
    return owner, await find_contract(session, owner.id, contract)


async def _propose(
    session: AsyncSession,
    clock: Clock,
    account: str,
    terms: OutcomeTerms,
    operator: Party,
    catalog: Catalog,
) -> dict[str, Any]:
    """Propose terms as the contract's next version. Returns the contract as output fields."""
    owner = await get_account(session, account)
    prices = catalog_price_terms(catalog, owner.currency)
    await propose_version(session, clock, owner.id, terms, operator, prices)
    contract = await find_contract(session, owner.id, terms.tag)
    return await _contract_fields(session, clock, contract)


async def _contract_fields(
    session: AsyncSession, clock: Clock, contract: OutcomeContract
) -> dict[str, Any]:
    """Return a contract with its versions as output fields."""
    versions = await list_versions(session, contract.account_id, contract.id)
    return contract_json(contract, versions, clock.now())


def _contract_report(title: str, fields: dict[str, Any]) -> Report:
    """Return the printable result: the title, and `fields` as text and as JSON."""
    sections = [Record(title, {name: fields[name] for name in ("id", "contract", "in_force")})]
    for row in fields["versions"]:
        formatted = {name: _format_object(row[name]) for name in row if isinstance(row[name], dict)}
        version = {**row, **formatted}
        del version["object"]
        sections.append(Record(f"Version {version.pop('number')}:", version))
    return Report(fields, sections)


def _version_rows(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a contract's versions as table rows."""
    return [{"contract": fields["contract"], **row} for row in fields["versions"]]


def _format_object(value: dict[str, Any]) -> str:
    """Format a nested object: who did something and when, or the calls that may support a claim."""
    if "models" in value:
        return f"{', '.join(value['models'])}: {', '.join(value['operations'])}"
    return f"{value['by']}, {value['at']}"
