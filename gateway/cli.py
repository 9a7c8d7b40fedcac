"""The `maas` command: what an operator does from a terminal.

Owns the commands' names and arguments. Each calls one function of ours and shows what it gives,
for a person or, with `--json`, for a program.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts import PREFIX as ACCOUNT_PREFIX
from billing.accounts import create_account, get_account, list_accounts
from billing.tables import Account, ApiKey
from billing.usage import list_usage, show_usage
from gateway import keys
from gateway.terminal import Terminal
from gateway.up import up as run_up
from infra import ids
from infra.clock import SystemClock
from infra.db import Database
from infra.errors import AppError
from infra.installation import database_url
from infra.log import configure_logging
from infra.secret import secret_key
from infra.settings import Settings, load_settings
from models.catalog import load_catalog

Result = TypeVar("Result")
Json = Annotated[bool, typer.Option("--json", help="Say it as JSON, for programs.")]
AccountName = Annotated[str, typer.Argument(help="The account's id (acct_…) or name.")]
KeyId = Annotated[str, typer.Argument(help="The key's id (key_…).")]

app = typer.Typer(
    help="Model as a Service: serve, meter and bill industrial models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
accounts_app = typer.Typer(help="The firms that call and pay.", no_args_is_help=True)
keys_app = typer.Typer(help="An account's API keys.", no_args_is_help=True)
app.add_typer(accounts_app, name="accounts")
app.add_typer(keys_app, name="keys")


def main() -> None:
    """Run the command; a fact that prevents it is shown in plain words, exit code 1."""
    app()


@app.command()
def up(as_json: Json = False) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    _tell(as_json, lambda settings, terminal: run_up(settings, terminal))


@accounts_app.command("create")
def accounts_create(
    name: Annotated[str, typer.Argument(help="The firm's name.")],
    currency: Annotated[str | None, typer.Option(help="CNY or USD.")] = None,
    as_json: Json = False,
) -> None:
    """Make an account."""

    def work(settings: Settings, terminal: Terminal) -> None:
        account = _with_database(
            settings,
            lambda session: create_account(
                session, SystemClock(), name, _currency(currency, settings)
            ),
        )
        terminal.record("Account made.", _show_account(account))

    _tell(as_json, work)


@accounts_app.command("list")
def accounts_list(as_json: Json = False) -> None:
    """All accounts."""

    def work(settings: Settings, terminal: Terminal) -> None:
        rows = [_show_account(account) for account in _with_database(settings, list_accounts)]
        terminal.table(rows, ("id", "name", "currency", "created_at"))

    _tell(as_json, work)


@keys_app.command("create")
def keys_create(
    account: AccountName,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "key",
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once and stored nowhere."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def make(session: AsyncSession) -> keys.IssuedKey:
            owner = await get_account(session, account)
            pepper = secret_key(settings)
            return await keys.create_key(session, SystemClock(), pepper, owner.id, name)

        _show_issued(terminal, _with_database(settings, make))

    _tell(as_json, work)


@keys_app.command("list")
def keys_list(account: AccountName, as_json: Json = False) -> None:
    """An account's keys, also those that were revoked."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[ApiKey]:
            return await keys.list_keys(session, (await get_account(session, account)).id)

        rows = [_show_key(key) for key in _with_database(settings, read)]
        terminal.table(rows, ("id", "name", "key", "created_at", "expires_at", "revoked_at"))

    _tell(as_json, work)


@keys_app.command("revoke")
def keys_revoke(account: AccountName, key: KeyId, as_json: Json = False) -> None:
    """Stop a key; every gateway refuses it within a second."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def stop(session: AsyncSession) -> ApiKey:
            owner = await get_account(session, account)
            return await keys.revoke_key(session, SystemClock(), owner.id, _key_id(key))

        terminal.record("Key revoked.", _show_key(_with_database(settings, stop)))

    _tell(as_json, work)


@keys_app.command("rotate")
def keys_rotate(
    account: AccountName,
    key: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=24 * 90, help="How long the old key still works.")
    ] = 24.0,
    as_json: Json = False,
) -> None:
    """Make a key's successor; the old one works for a while longer."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def turn(session: AsyncSession) -> keys.IssuedKey:
            owner = await get_account(session, account)
            return await keys.rotate_key(
                session,
                SystemClock(),
                secret_key(settings),
                owner.id,
                _key_id(key),
                timedelta(hours=overlap_hours),
            )

        _show_issued(terminal, _with_database(settings, turn))

    _tell(as_json, work)


@app.command("models")
def models_list(as_json: Json = False) -> None:
    """The models that are sold, with list prices in nano-units for one unit."""

    def work(settings: Settings, terminal: Terminal) -> None:
        rows = [
            {
                "id": model.id,
                "task": model.task.value,
                "context_length": model.context_length,
                "licence": model.licence,
                "description": model.description,
                "prices": {currency: dict(row) for currency, row in model.prices.items()},
            }
            for model in load_catalog(settings.profile).models.values()
        ]
        terminal.table(rows, ("id", "task", "context_length", "licence", "description"))

    _tell(as_json, work)


@app.command("usage")
def usage(
    account: Annotated[str | None, typer.Option(help="Only this account (id or name).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many calls.")] = 50,
    as_json: Json = False,
) -> None:
    """The newest calls: tokens, price and how each was settled."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            owner = None if account is None else (await get_account(session, account)).id
            rows = await list_usage(session, account_id=owner, limit=limit)
            return [show_usage(row) for row in rows]

        rows = _with_database(settings, read)
        if not as_json:
            rows = [
                {**row, "at": row["started_at"][:19], "error": row["error_code"]} for row in rows
            ]
        columns = ("at", "model", "settlement", "error", "input_tokens", "output_tokens", "rows")
        terminal.table(rows, (*columns, "cost", "currency"))

    _tell(as_json, work)


def _tell(as_json: bool, work: Callable[[Settings, Terminal], None]) -> None:
    terminal = Terminal(as_json)
    configure_logging("warning")
    try:
        work(load_settings(), terminal)
    except AppError as error:
        terminal.error(error)
        raise typer.Exit(1) from None


def _with_database(settings: Settings, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
    async def run(url: str) -> Result:
        database = Database(url, pool_size=1)
        try:
            async with database.transaction() as session:
                return await work(session)
        finally:
            await database.close()

    with database_url(settings) as url:
        return asyncio.run(run(url))


def _currency(wish: str | None, settings: Settings) -> str:
    currency = (wish or settings.currency).upper()
    if currency not in ("CNY", "USD"):
        raise typer.BadParameter("prices are in CNY and USD", param_hint="--currency")
    return currency


def _key_id(text: str) -> UUID:
    found = ids.parse(keys.PREFIX, text)
    if found is None:
        raise keys.KeyNotFound("A key's id begins with `key_`; `maas keys list` shows it.")
    return found


def _show_account(account: Account) -> dict[str, Any]:
    return {
        "id": ids.show(ACCOUNT_PREFIX, account.id),
        "name": account.name,
        "currency": account.currency,
        "created_at": account.created_at.isoformat(),
    }


def _show_key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": ids.show(keys.PREFIX, key.id),
        "name": key.name,
        "key": key.hint,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
    }


def _show_issued(terminal: Terminal, issued: keys.IssuedKey) -> None:
    shown = {**_show_key(issued.row), "secret": issued.secret}
    terminal.record("Key made. The secret is shown only now:", shown)
