"""`maas outcomes contracts`: propose, agree to and end outcome contracts, for the operator.

Customers agree through the API, with their own key.
"""

from collections.abc import Awaitable, Callable
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
from billing.outcomes.contracts.terms import OutcomeTermsInvalid
from billing.outcomes.evidence.views import contract_json
from billing.outcomes.settlement.baseline_fit import fit_version_baseline
from billing.tables import Account, OutcomeContract
from gateway.access.price_book import catalog_price_terms
from gateway.cli.arguments import parse_instant
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, read_text_file, run_command, run_in_transaction
from infra.clock import SystemClock
from infra.settings import Settings
from models.catalog import load_catalog

contracts_app = typer.Typer(help="Contracts that are paid by effect.", no_args_is_help=True)
ContractName = Annotated[str, typer.Argument(help="The contract's id (octr_…) or name.")]
Number = Annotated[int, typer.Option("--version", help="The version's number.")]
By = Annotated[str, typer.Option(help="Who says it for the operator, by name.")]
TextFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
_ContractChange = Callable[[AsyncSession, Account, OutcomeContract], Awaitable[object]]


@contracts_app.command("propose")
def contracts_propose(file: TextFile, account: AccountName, by: By, as_json: Json = False) -> None:
    """Propose a contract file as the contract's next version; nobody has agreed to it then."""

    def execute(settings: Settings, output: Output) -> None:
        terms = parse_contract_toml(read_text_file(file, "The contract", OutcomeTermsInvalid))
        catalog = load_catalog(settings.profile)

        async def propose(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            listed = catalog_price_terms(catalog, owner.currency)
            who = parse_operator(by)
            await propose_version(session, SystemClock(), owner.id, terms, who, listed)
            return await _contract_fields(
                session, await find_contract(session, owner.id, terms.tag)
            )

        _show_contract(output, as_json, "Proposed.", run_in_transaction(settings, propose))

    run_command(as_json, execute)


@contracts_app.command("list")
def contracts_list(account: AccountName, as_json: Json = False) -> None:
    """An account's contracts, version by version."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_contracts(session: AsyncSession) -> list[dict[str, Any]]:
            rows = await list_contracts(session, (await get_account(session, account)).id)
            return [await _contract_fields(session, contract) for contract in rows]

        contracts = run_in_transaction(settings, load_contracts)
        rows = (
            contracts
            if as_json
            else [row for contract in contracts for row in _version_rows(contract)]
        )
        output.table(rows, ("contract", "number", "status", "starts_at", "ends_at", "hash"))

    run_command(as_json, execute)


@contracts_app.command("show")
def contracts_show(account: AccountName, contract: ContractName, as_json: Json = False) -> None:
    """A contract with its versions: their text, their hashes, and who has agreed."""

    async def no_change(_session: AsyncSession, _owner: Account, _found: OutcomeContract) -> None:
        return None

    _with_contract("The contract:", account, contract, as_json, no_change)


@contracts_app.command("agree")
def contracts_agree(
    account: AccountName,
    contract: ContractName,
    version: Number,
    digest: Annotated[str, typer.Option("--hash", help="The hash of what was read.")],
    by: By,
    as_json: Json = False,
) -> None:
    """Agree to a version for the operator, by the hash of what was read."""

    def execute(settings: Settings, output: Output) -> None:
        catalog = load_catalog(settings.profile)

        async def record_agreement(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            row = await find_contract(session, owner.id, contract)
            agreement, listed = (
                VersionReference(version, digest),
                catalog_price_terms(catalog, owner.currency),
            )
            await agree_to_version(
                session, SystemClock(), owner.id, row.id, agreement, parse_operator(by), listed
            )
            return await _contract_fields(session, row)

        _show_contract(output, as_json, "Agreed.", run_in_transaction(settings, record_agreement))

    run_command(as_json, execute)


@contracts_app.command("baseline")
def contracts_baseline(
    account: AccountName, contract: ContractName, version: Number, as_json: Json = False
) -> None:
    """Fit the baseline of a version that nobody has agreed to yet, from the signed readings."""

    async def fit_baseline(session: AsyncSession, owner: Account, row: OutcomeContract) -> None:
        await fit_version_baseline(session, SystemClock(), owner.id, row.id, version)

    _with_contract("Fitted.", account, contract, as_json, fit_baseline)


@contracts_app.command("end")
def contracts_end(
    account: AccountName,
    contract: ContractName,
    by: By,
    at: Annotated[str | None, typer.Option(help="As 2027-01-01T00:00:00+08:00; else now.")] = None,
    as_json: Json = False,
) -> None:
    """End a contract from a moment on, with all that is proposed."""

    async def end_row(session: AsyncSession, owner: Account, row: OutcomeContract) -> None:
        moment = None if at is None else parse_instant(at, ContractEndInvalid)
        await end_contract(session, SystemClock(), owner.id, row.id, parse_operator(by), moment)

    _with_contract("Ended.", account, contract, as_json, end_row)


def parse_operator(name: str) -> Party:
    """Return the operator's party with a person's name. Raises BadParameter."""
    if not 0 < len(name.strip()) <= 100 or not name.isprintable():
        raise typer.BadParameter("a name is 1 to 100 printable characters", param_hint="--by")
    return Party(Side.OPERATOR, name.strip())


def _with_contract(
    title: str, account: str, contract: str, as_json: bool, change: _ContractChange
) -> None:
    """Apply a change to a contract, and print its new state."""

    def execute(settings: Settings, output: Output) -> None:
        async def apply_change(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            row = await find_contract(session, owner.id, contract)
            await change(session, owner, row)
            return await _contract_fields(session, row)

        _show_contract(output, as_json, title, run_in_transaction(settings, apply_change))

    run_command(as_json, execute)


async def _contract_fields(session: AsyncSession, contract: OutcomeContract) -> dict[str, Any]:
    """Return a contract with its versions as output fields."""
    versions = await list_versions(session, contract.account_id, contract.id)
    return contract_json(contract, versions, SystemClock().now())


def _show_contract(output: Output, as_json: bool, title: str, fields: dict[str, Any]) -> None:
    """Print a contract with its versions."""
    if as_json:
        output.record("", fields)
        return
    output.record(title, {name: fields[name] for name in ("id", "contract", "in_force")})
    for row in fields["versions"]:
        formatted = {name: _format_object(row[name]) for name in row if isinstance(row[name], dict)}
        version = {**row, **formatted}
        del version["object"]
        output.record(f"Version {version.pop('number')}:", version)


def _version_rows(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a contract's versions as table rows."""
    return [{"contract": fields["contract"], **row} for row in fields["versions"]]


def _format_object(value: dict[str, Any]) -> str:
    """Format a nested object: who did something and when, or the calls that may support a claim."""
    if "models" in value:
        return f"{', '.join(value['models'])}: {', '.join(value['operations'])}"
    return f"{value['by']}, {value['at']}"
