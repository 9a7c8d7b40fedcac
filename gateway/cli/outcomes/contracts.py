"""`maas outcomes contracts`: what is paid by effect, as the operator proposes, agrees and ends it.

The customer's own yes comes over the API, by its key.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.contracts.agreement import Agreement, EndInvalid, agree, end
from billing.outcomes.contracts.contract_file import read_contract_file
from billing.outcomes.contracts.contracts import find_contract, list_contracts, propose, versions_of
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import OutcomeTermsInvalid
from billing.outcomes.evidence.views import contract_json
from billing.outcomes.settlement.baseline_fit import fit_version
from billing.tables import Account, OutcomeContract
from gateway.access.price_book import listed_terms
from gateway.cli.arguments import instant_of
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, text_of, with_database
from infra.clock import SystemClock
from infra.settings import Settings
from models.catalog import load_catalog

contracts_app = typer.Typer(help="Contracts that are paid by effect.", no_args_is_help=True)
ContractName = Annotated[str, typer.Argument(help="The contract's id (octr_…) or name.")]
Number = Annotated[int, typer.Option("--version", help="The version's number.")]
By = Annotated[str, typer.Option(help="Who says it for the operator, by name.")]
TextFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
_Work = Callable[[AsyncSession, Account, OutcomeContract], Awaitable[object]]


@contracts_app.command("propose")
def contracts_propose(file: TextFile, account: AccountName, by: By, as_json: Json = False) -> None:
    """Propose a contract file as the contract's next version; nobody has agreed to it then."""

    def work(settings: Settings, terminal: Terminal) -> None:
        terms = read_contract_file(text_of(file, "The contract", OutcomeTermsInvalid))
        catalog = load_catalog(settings.profile)

        async def keep(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            listed = listed_terms(catalog, owner.currency)
            who = operator_of(by)
            await propose(session, SystemClock(), owner.id, terms, who, listed)
            return await _shown(session, await find_contract(session, owner.id, terms.tag))

        _show(terminal, as_json, "Proposed.", with_database(settings, keep))

    tell(as_json, work)


@contracts_app.command("list")
def contracts_list(account: AccountName, as_json: Json = False) -> None:
    """An account's contracts, version by version."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            rows = await list_contracts(session, (await get_account(session, account)).id)
            return [await _shown(session, one) for one in rows]

        contracts = with_database(settings, read)
        rows = contracts if as_json else [row for one in contracts for row in _rows(one)]
        terminal.table(rows, ("contract", "number", "status", "starts_at", "ends_at", "hash"))

    tell(as_json, work)


@contracts_app.command("show")
def contracts_show(account: AccountName, contract: ContractName, as_json: Json = False) -> None:
    """A contract with its versions: their text, their hashes, and who has agreed."""

    async def nothing(_session: AsyncSession, _owner: Account, _found: OutcomeContract) -> None:
        return None

    _with_contract("The contract:", account, contract, as_json, nothing)


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

    def work(settings: Settings, terminal: Terminal) -> None:
        catalog = load_catalog(settings.profile)

        async def say_yes(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            found = await find_contract(session, owner.id, contract)
            to, listed = Agreement(version, digest), listed_terms(catalog, owner.currency)
            place = (owner.id, found.id)
            await agree(session, SystemClock(), *place, to, operator_of(by), listed)
            return await _shown(session, found)

        _show(terminal, as_json, "Agreed.", with_database(settings, say_yes))

    tell(as_json, work)


@contracts_app.command("baseline")
def contracts_baseline(
    account: AccountName, contract: ContractName, version: Number, as_json: Json = False
) -> None:
    """Fit the baseline of a version that nobody has agreed to yet, from the signed readings."""

    async def keep(session: AsyncSession, owner: Account, found: OutcomeContract) -> None:
        await fit_version(session, SystemClock(), owner.id, found.id, version)

    _with_contract("Fitted.", account, contract, as_json, keep)


@contracts_app.command("end")
def contracts_end(
    account: AccountName,
    contract: ContractName,
    by: By,
    at: Annotated[str | None, typer.Option(help="As 2027-01-01T00:00:00+08:00; else now.")] = None,
    as_json: Json = False,
) -> None:
    """End a contract from a moment on, with all that is proposed."""

    async def stop(session: AsyncSession, owner: Account, found: OutcomeContract) -> None:
        moment = None if at is None else instant_of(at, EndInvalid)
        await end(session, SystemClock(), owner.id, found.id, operator_of(by), moment)

    _with_contract("Ended.", account, contract, as_json, stop)


def operator_of(name: str) -> Party:
    """Who speaks: the operator, by somebody whose name is kept."""
    if not 0 < len(name.strip()) <= 100 or not name.isprintable():
        raise typer.BadParameter("a name is 1 to 100 printable characters", param_hint="--by")
    return Party(Side.OPERATOR, name.strip())


def _with_contract(title: str, account: str, contract: str, as_json: bool, work: _Work) -> None:
    """Do it with one of an account's contracts, and show what that is then."""

    def show(settings: Settings, terminal: Terminal) -> None:
        async def run(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            found = await find_contract(session, owner.id, contract)
            await work(session, owner, found)
            return await _shown(session, found)

        _show(terminal, as_json, title, with_database(settings, run))

    tell(as_json, show)


async def _shown(session: AsyncSession, contract: OutcomeContract) -> dict[str, Any]:
    versions = await versions_of(session, contract.account_id, contract.id)
    return contract_json(contract, versions, SystemClock().now())


def _show(terminal: Terminal, as_json: bool, title: str, shown: dict[str, Any]) -> None:
    if as_json:
        terminal.record("", shown)
        return
    terminal.record(title, {name: shown[name] for name in ("id", "contract", "in_force")})
    for row in shown["versions"]:
        said = {name: _words(row[name]) for name in row if isinstance(row[name], dict)}
        version = {**row, **said}
        del version["object"]
        terminal.record(f"Version {version.pop('number')}:", version)


def _rows(shown: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"contract": shown["contract"], **row} for row in shown["versions"]]


def _words(said: dict[str, Any]) -> str:
    """Who did something and when, or which calls may support a claim."""
    if "models" in said:
        return f"{', '.join(said['models'])}: {', '.join(said['operations'])}"
    return f"{said['by']}, {said['at']}"
