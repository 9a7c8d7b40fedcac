"""`maas accounts` and `maas keys`: customer accounts and their API keys."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import open_account
from billing.accounts.accounts import ACCOUNT_ID_PREFIX as ACCOUNT_PREFIX
from billing.accounts.accounts import get_account, list_accounts
from billing.tables import Account, ApiKey
from gateway.access import api_keys
from gateway.access.key_scopes import change_tiers, parse_service_tiers
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, run_command, run_in_transaction
from gateway.cli.supervisor import default_account_terms
from gateway.identity.audit_log import CLI_ACTOR
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

    def execute(settings: Settings, output: Output) -> None:
        account = run_in_transaction(
            settings,
            lambda session: open_account(
                session,
                SystemClock(),
                name,
                _parse_currency(currency, settings),
                default_account_terms(settings),
            ),
        )
        output.record("Account made.", _account_row(account))

    run_command(as_json, execute)


@accounts_app.command("list")
def accounts_list(as_json: Json = False) -> None:
    """All accounts."""

    def execute(settings: Settings, output: Output) -> None:
        rows = [_account_row(account) for account in run_in_transaction(settings, list_accounts)]
        output.table(rows, ("id", "name", "currency", "created_at"))

    run_command(as_json, execute)


@keys_app.command("create")
def keys_create(
    account: AccountName,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "key",
    service_tiers: Tiers = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once and stored nowhere."""

    def execute(settings: Settings, output: Output) -> None:
        async def issue_key(session: AsyncSession) -> api_keys.IssuedKey:
            owner = await get_account(session, account)
            pepper, clock = secret_key(settings), SystemClock()
            tiers = _parse_tiers(service_tiers)
            issued = await api_keys.create_key(session, clock, pepper, owner.id, name)
            await change_tiers(session, clock, CLI_ACTOR, owner.id, issued.row.id, tiers)
            return replace(issued, row=await _get_own_key(session, owner.id, issued.row.id))

        _show_issued_key(output, run_in_transaction(settings, issue_key))

    run_command(as_json, execute)


@keys_app.command("list")
def keys_list(account: AccountName, as_json: Json = False) -> None:
    """An account's keys, also those that were revoked."""

    def execute(settings: Settings, output: Output) -> None:
        async def list_account_keys(session: AsyncSession) -> list[ApiKey]:
            return await api_keys.list_keys(session, (await get_account(session, account)).id)

        rows = [_key_row(key) for key in run_in_transaction(settings, list_account_keys)]
        output.table(rows, _KEY_COLUMNS)

    run_command(as_json, execute)


@keys_app.command("scope")
def keys_scope(
    account: AccountName,
    key: KeyId,
    service_tiers: Annotated[str, typer.Option(help=f"{_TIERS} `all` removes the restriction.")],
    as_json: Json = False,
) -> None:
    """Restrict a key to service tiers; every gateway applies it within a second."""

    def execute(settings: Settings, output: Output) -> None:
        async def update_scope(session: AsyncSession) -> ApiKey:
            owner = await get_account(session, account)
            key_id = await api_keys.require_key(session, owner.id, key)
            tiers = None if service_tiers == "all" else _parse_tiers(service_tiers)
            await change_tiers(session, SystemClock(), CLI_ACTOR, owner.id, key_id, tiers)
            return await _get_own_key(session, owner.id, key_id)

        output.record("Scope changed.", _key_row(run_in_transaction(settings, update_scope)))

    run_command(as_json, execute)


@keys_app.command("revoke")
def keys_revoke(account: AccountName, key: KeyId, as_json: Json = False) -> None:
    """Stop a key; every gateway refuses it within a second."""

    def execute(settings: Settings, output: Output) -> None:
        async def revoke(session: AsyncSession) -> ApiKey:
            owner = await get_account(session, account)
            return await api_keys.revoke_key(session, SystemClock(), owner.id, _parse_key_id(key))

        output.record("Key revoked.", _key_row(run_in_transaction(settings, revoke)))

    run_command(as_json, execute)


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

    def execute(settings: Settings, output: Output) -> None:
        async def rotate(session: AsyncSession) -> api_keys.IssuedKey:
            owner = await get_account(session, account)
            return await api_keys.rotate_key(
                session,
                SystemClock(),
                secret_key(settings),
                owner.id,
                _parse_key_id(key),
                timedelta(hours=overlap_hours),
            )

        _show_issued_key(output, run_in_transaction(settings, rotate))

    run_command(as_json, execute)


def _parse_currency(requested: str | None, settings: Settings) -> str:
    """Return the requested or default currency in upper case. Raises BadParameter."""
    currency = (requested or settings.currency).upper()
    if currency not in ("CNY", "USD"):
        raise typer.BadParameter("prices are in CNY and USD", param_hint="--currency")
    return currency


async def _get_own_key(session: AsyncSession, account_id: UUID, key_id: UUID) -> ApiKey:
    """Return an account's key by id."""
    rows = await api_keys.list_keys(session, account_id)
    return next(row for row in rows if row.id == key_id)


def _parse_tiers(text: str | None) -> list[str] | None:
    """Parse a comma-separated list of service tiers; None for all."""
    return parse_service_tiers(name.strip() for name in (text or "").split(",") if name.strip())


def _parse_key_id(text: str) -> UUID:
    """Parse a key id. Raises KeyNotFound if it is invalid."""
    key_id = ids.parse_id(api_keys.PREFIX, text)
    if key_id is None:
        raise api_keys.KeyNotFound(
            "A key id starts with `key_`. Run `maas keys list` to see the ids."
        )
    return key_id


def _account_row(account: Account) -> dict[str, Any]:
    """Return an account as output fields."""
    return {
        "id": ids.format_id(ACCOUNT_PREFIX, account.id),
        "name": account.name,
        "currency": account.currency,
        "created_at": account.created_at.isoformat(),
    }


def _key_row(key: ApiKey) -> dict[str, Any]:
    """Return a key as output fields, without its secret."""
    return {
        "id": ids.format_id(api_keys.PREFIX, key.id),
        "name": key.name,
        "key": key.hint,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
        "models": key.models,
        "networks": key.networks,
        "service_tiers": key.service_tiers,
    }


def _show_issued_key(output: Output, issued: api_keys.IssuedKey) -> None:
    """Print a new key with its secret."""
    fields = {**_key_row(issued.row), "secret": issued.secret}
    output.record("Key made. The secret is shown only now:", fields)
