"""`maas accounts` and `maas keys`: the firms, and what they call with."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import open_account
from billing.accounts.accounts import PREFIX as ACCOUNT_PREFIX
from billing.accounts.accounts import get_account, list_accounts
from billing.tables import Account, ApiKey
from gateway.access import api_keys
from gateway.access.key_scopes import change_tiers, tiers_from
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, with_database
from gateway.cli.supervisor import first_terms
from gateway.identity.audit_log import COMMAND_LINE
from infra import ids
from infra.clock import SystemClock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

_TIERS = "Service tiers that the key may use, separated by commas: default, priority, flex."
Tiers = Annotated[str | None, typer.Option(help=f"{_TIERS} If not given: all.")]
KeyId = Annotated[str, typer.Argument(help="The key's id (key_…).")]

_KEY_COLUMNS = ("id", "name", "key", "service_tiers", "created_at", "expires_at", "revoked_at")

accounts_app = typer.Typer(no_args_is_help=True)
keys_app = typer.Typer(no_args_is_help=True)


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
    service_tiers: Tiers = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once and stored nowhere."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def make(session: AsyncSession) -> api_keys.IssuedKey:
            owner = await get_account(session, account)
            pepper, clock = secret_key(settings), SystemClock()
            tiers = _tiers(service_tiers)
            issued = await api_keys.create_key(session, clock, pepper, owner.id, name)
            place = COMMAND_LINE, owner.id, issued.row.id
            await change_tiers(session, clock, *place, tiers)
            return replace(issued, row=await _own_key(session, owner.id, issued.row.id))

        _show_issued(terminal, with_database(settings, make))

    tell(as_json, work)


@keys_app.command("list")
def keys_list(account: AccountName, as_json: Json = False) -> None:
    """An account's keys, also those that were revoked."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[ApiKey]:
            return await api_keys.list_keys(session, (await get_account(session, account)).id)

        rows = [_show_key(key) for key in with_database(settings, read)]
        terminal.table(rows, _KEY_COLUMNS)

    tell(as_json, work)


@keys_app.command("scope")
def keys_scope(
    account: AccountName,
    key: KeyId,
    service_tiers: Annotated[str, typer.Option(help=f"{_TIERS} `all` removes the restriction.")],
    as_json: Json = False,
) -> None:
    """Restrict a key to service tiers; every gateway applies it within a second."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def change(session: AsyncSession) -> ApiKey:
            owner = await get_account(session, account)
            key_id = await api_keys.require_key(session, owner.id, key)
            tiers = None if service_tiers == "all" else _tiers(service_tiers)
            place = COMMAND_LINE, owner.id, key_id
            await change_tiers(session, SystemClock(), *place, tiers)
            return await _own_key(session, owner.id, key_id)

        terminal.record("Scope changed.", _show_key(with_database(settings, change)))

    tell(as_json, work)


@keys_app.command("revoke")
def keys_revoke(account: AccountName, key: KeyId, as_json: Json = False) -> None:
    """Stop a key; every gateway refuses it within a second."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def stop(session: AsyncSession) -> ApiKey:
            owner = await get_account(session, account)
            return await api_keys.revoke_key(session, SystemClock(), owner.id, _key_id(key))

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
        async def turn(session: AsyncSession) -> api_keys.IssuedKey:
            owner = await get_account(session, account)
            return await api_keys.rotate_key(
                session,
                SystemClock(),
                secret_key(settings),
                owner.id,
                _key_id(key),
                timedelta(hours=overlap_hours),
            )

        _show_issued(terminal, with_database(settings, turn))

    tell(as_json, work)


def _currency(wish: str | None, settings: Settings) -> str:
    currency = (wish or settings.currency).upper()
    if currency not in ("CNY", "USD"):
        raise typer.BadParameter("prices are in CNY and USD", param_hint="--currency")
    return currency


async def _own_key(session: AsyncSession, account_id: UUID, key_id: UUID) -> ApiKey:
    rows = await api_keys.list_keys(session, account_id)
    return next(row for row in rows if row.id == key_id)


def _tiers(text: str | None) -> list[str] | None:
    return tiers_from(name.strip() for name in (text or "").split(",") if name.strip())


def _key_id(text: str) -> UUID:
    found = ids.parse(api_keys.PREFIX, text)
    if found is None:
        raise api_keys.KeyNotFound("A key's id begins with `key_`; `maas keys list` shows it.")
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
        "id": ids.show(api_keys.PREFIX, key.id),
        "name": key.name,
        "key": key.hint,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
        "models": key.models,
        "networks": key.networks,
        "service_tiers": key.service_tiers,
    }


def _show_issued(terminal: Terminal, issued: api_keys.IssuedKey) -> None:
    shown = {**_show_key(issued.row), "secret": issued.secret}
    terminal.record("Key made. The secret is shown only now:", shown)
