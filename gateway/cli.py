"""The `maas` command: what an operator does from a terminal.

Owns the commands' names and arguments. Each calls one function of ours and shows what it gives,
for a person or, with `--json`, for a program.
"""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts import PREFIX as ACCOUNT_PREFIX
from billing.accounts import get_account, list_accounts
from billing.opening import open_account
from billing.tables import Account, ApiKey
from billing.usage import list_usage, show_usage
from gateway import keys
from gateway.console import AccountName, Json, tell, with_database
from gateway.limits_cli import limits_app
from gateway.reconcile_cli import reconcile_all
from gateway.terminal import Terminal
from gateway.up import first_terms
from gateway.up import up as run_up
from infra import ids
from infra.clock import SystemClock
from infra.secret import secret_key
from infra.settings import Settings
from models.catalog import load_catalog

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
app.add_typer(limits_app, name="limits")


def main() -> None:
    """Run the command; a fact that prevents it is shown in plain words, exit code 1."""
    app()


@app.command()
def up(as_json: Json = False) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    tell(as_json, lambda settings, terminal: run_up(settings, terminal))


@accounts_app.command("create")
def accounts_create(
    name: Annotated[str, typer.Argument(help="The firm's name.")],
    currency: Annotated[str | None, typer.Option(help="CNY or USD.")] = None,
    as_json: Json = False,
) -> None:
    """Make an account, with the credit and the rates that the settings give to new ones."""

    def work(settings: Settings, terminal: Terminal) -> None:
        account = with_database(
            settings,
            lambda session: open_account(
                session, SystemClock(), name, _currency(currency, settings), first_terms(settings)
            ),
        )
        terminal.record("Account made.", _show_account(account))

    tell(as_json, work)


@accounts_app.command("list")
def accounts_list(as_json: Json = False) -> None:
    """All accounts."""

    def work(settings: Settings, terminal: Terminal) -> None:
        rows = [_show_account(account) for account in with_database(settings, list_accounts)]
        terminal.table(rows, ("id", "name", "currency", "created_at"))

    tell(as_json, work)


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

        _show_issued(terminal, with_database(settings, make))

    tell(as_json, work)


@keys_app.command("list")
def keys_list(account: AccountName, as_json: Json = False) -> None:
    """An account's keys, also those that were revoked."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[ApiKey]:
            return await keys.list_keys(session, (await get_account(session, account)).id)

        rows = [_show_key(key) for key in with_database(settings, read)]
        terminal.table(rows, ("id", "name", "key", "created_at", "expires_at", "revoked_at"))

    tell(as_json, work)


@keys_app.command("revoke")
def keys_revoke(account: AccountName, key: KeyId, as_json: Json = False) -> None:
    """Stop a key; every gateway refuses it within a second."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def stop(session: AsyncSession) -> ApiKey:
            owner = await get_account(session, account)
            return await keys.revoke_key(session, SystemClock(), owner.id, _key_id(key))

        terminal.record("Key revoked.", _show_key(with_database(settings, stop)))

    tell(as_json, work)


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

        _show_issued(terminal, with_database(settings, turn))

    tell(as_json, work)


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

    tell(as_json, work)


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

        rows = with_database(settings, read)
        if not as_json:
            rows = [
                {**row, "at": row["started_at"][:19], "error": row["error_code"]} for row in rows
            ]
        columns = ("at", "model", "settlement", "error", "input_tokens", "output_tokens", "rows")
        terminal.table(rows, (*columns, "cost", "currency"))

    tell(as_json, work)


app.command("reconcile")(reconcile_all)


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
