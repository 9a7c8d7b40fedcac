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
from gateway.cli.process.supervisor import default_account_limits
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.projects.keys import create_project_key
from gateway.projects.projects import find_project, format_project_id
from infra import ids
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

_TIERS = "Service tiers that the key may use, separated by commas: default, priority, flex, batch."
Tiers = Annotated[str | None, typer.Option(help=f"{_TIERS} Default: all.")]
KeyId = Annotated[str, typer.Argument(help="Key ID (key_…).")]

_KEY_COLUMNS = (
    "id",
    "name",
    "key",
    "service_tiers",
    "project_id",
    "created_at",
    "expires_at",
    "revoked_at",
)

accounts_app = typer.Typer(no_args_is_help=True)
keys_app = typer.Typer(no_args_is_help=True)


@accounts_app.command("create")
@command
async def accounts_create(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    name: Annotated[str, typer.Argument(help="Name of the company.")],
    currency: Annotated[
        str | None, typer.Option(help="CNY or USD. Default: MAAS_CURRENCY.")
    ] = None,
) -> Record:
    """Create an account.

    It gets the credit limit and rate limits that the settings define for new accounts.
    """
    account_currency = _parse_currency(currency, settings)
    terms = default_account_limits(settings)
    account = await open_account(session, clock, name, account_currency, terms)
    return Record("Account created.", _account_row(account))


@accounts_app.command("list")
@command
async def accounts_list(session: AsyncSession) -> Table:
    """List all accounts."""
    rows = [_account_row(account) for account in await list_accounts(session)]
    return Table(rows, ("id", "name", "currency", "created_at"))


@keys_app.command("create")
@command
async def keys_create(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    name: Annotated[str, typer.Option(help="Display name of the key.")] = "key",
    service_tiers: Tiers = None,
    project: Annotated[
        str | None, typer.Option(help="Project ID (proj_…) or name. Default: default project.")
    ] = None,
) -> Record:
    """Create an API key.

    Its secret is shown only once. Store it in a secrets manager.
    """
    owner = await get_account(session, account)
    tiers = _parse_tiers(service_tiers)
    of = await find_project(session, owner.id, project or format_project_id(owner.id))
    issued = await create_project_key(
        session, clock, secret_key(settings), owner.id, of.id, name, actor=CLI_ACTOR
    )
    await change_tiers(session, clock, CLI_ACTOR, owner.id, issued.row.id, tiers)
    row = await _get_account_key(session, owner.id, issued.row.id)
    return _issued_key_record(replace(issued, row=row))


@keys_app.command("list")
@command
async def keys_list(session: AsyncSession, account: AccountName) -> Table:
    """List an account's API keys, including revoked and expired ones."""
    keys = await api_keys.list_keys(session, (await get_account(session, account)).id)
    return Table([_key_row(key) for key in keys], _KEY_COLUMNS)


@keys_app.command("scope")
@command
async def keys_scope(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    key: KeyId,
    service_tiers: Annotated[str, typer.Option(help=f"{_TIERS} `all` removes the restriction.")],
) -> Record:
    """Restrict a key to service tiers.

    Takes effect on all gateways within a second.
    """
    owner = await get_account(session, account)
    key_id = await api_keys.require_key(session, owner.id, key)
    tiers = None if service_tiers == "all" else _parse_tiers(service_tiers)
    await change_tiers(session, clock, CLI_ACTOR, owner.id, key_id, tiers)
    return Record("Key updated.", _key_row(await _get_account_key(session, owner.id, key_id)))


@keys_app.command("revoke")
@command
async def keys_revoke(
    session: AsyncSession, clock: Clock, account: AccountName, key: KeyId
) -> Record:
    """Revoke a key.

    All gateways reject it within a second.
    """
    owner = await get_account(session, account)
    revoked = await api_keys.revoke_key(session, clock, owner.id, _parse_key_id(key))
    return Record("Key revoked.", _key_row(revoked))


@keys_app.command("rotate")
@command
async def keys_rotate(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    key: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=24 * 90, help="Hours for which the old key stays valid.")
    ] = 24.0,
) -> Record:
    """Replace a key by a new one.

    The old key stays valid for --overlap-hours.
    """
    owner = await get_account(session, account)
    pepper, overlap = secret_key(settings), timedelta(hours=overlap_hours)
    key_id = _parse_key_id(key)
    return _issued_key_record(
        await api_keys.rotate_key(session, clock, pepper, owner.id, key_id, overlap)
    )


def _parse_currency(requested: str | None, settings: Settings) -> str:
    """Return the requested or default currency in upper case. Raises BadParameter."""
    currency = (requested or settings.currency).upper()
    if currency not in ("CNY", "USD"):
        raise typer.BadParameter("must be CNY or USD.", param_hint="--currency")
    return currency


async def _get_account_key(session: AsyncSession, account_id: UUID, key_id: UUID) -> ApiKey:
    """Return an account's API key by its id; the key must exist."""
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
            f"{text[:100]!r} is not a key ID (key_…). Run `maas keys list` to see key IDs."
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
        "project_id": format_project_id(key.project_id or key.account_id),
    }


def _issued_key_record(issued: api_keys.IssuedKey) -> Record:
    """Return the printable result of a new key, with its secret."""
    fields = {**_key_row(issued.row), "secret": issued.secret}
    return Record("Key created. Store its secret now: it cannot be shown again.", fields)
