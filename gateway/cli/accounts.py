"""`maas accounts` and `maas keys`: customer accounts and their API keys."""

from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account, list_accounts
from gateway.access import api_keys
from gateway.access.key_permissions import KeyPermission, parse_permissions
from gateway.access.key_scopes import change_restrictions, parse_service_tiers
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.customer_accounts import account_json, open_customer
from gateway.operations.customer_keys import (
    NewKey,
    create_customer_key,
    get_account_key,
    issued_key_json,
    key_json,
    parse_key_id,
)
from gateway.projects.projects import find_project, format_project_id
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

_TIERS = "Service tiers that the key may use, separated by commas: default, priority, flex, batch."
Tiers = Annotated[str | None, typer.Option(help=f"{_TIERS} Default: all.")]
_PERMISSIONS = f"What the key may use, separated by commas: {', '.join(KeyPermission)}."
Permissions = Annotated[str | None, typer.Option(help=f"{_PERMISSIONS} Default: everything.")]
KeyId = Annotated[str, typer.Argument(help="Key ID (key_…).")]

_KEY_COLUMNS = (
    "id",
    "name",
    "key",
    "service_tiers",
    "permissions",
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
    account = await open_customer(session, clock, settings, CLI_ACTOR, name, currency)
    return Record("Account created.", account_json(account))


@accounts_app.command("list")
@command
async def accounts_list(session: AsyncSession) -> Table:
    """List all accounts."""
    rows = [account_json(account) for account in await list_accounts(session)]
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
    permissions: Permissions = None,
) -> Record:
    """Create an API key.

    Its secret is shown only once. Store it in a secrets manager.
    """
    owner = await get_account(session, account)
    of = await find_project(session, owner.id, project or format_project_id(owner.id))
    tiers = _parse_tiers(service_tiers) or ()
    allowed = parse_permissions(_names(permissions)) or ()
    new = NewKey(name, service_tiers=tiers, project_id=of.id, permissions=allowed)
    pepper = secret_key(settings)
    issued = await create_customer_key(session, clock, pepper, CLI_ACTOR, owner.id, new)
    return _issued_key_record(issued)


@keys_app.command("list")
@command
async def keys_list(session: AsyncSession, account: AccountName) -> Table:
    """List an account's API keys, including revoked and expired ones."""
    keys = await api_keys.list_keys(session, (await get_account(session, account)).id)
    return Table([key_json(key) for key in keys], _KEY_COLUMNS)


@keys_app.command("scope")
@command
async def keys_scope(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    key: KeyId,
    service_tiers: Annotated[
        str | None, typer.Option(help=f"{_TIERS} `all` removes the restriction.")
    ] = None,
    permissions: Annotated[
        str | None, typer.Option(help=f"{_PERMISSIONS} `all` removes the restriction.")
    ] = None,
) -> Record:
    """Restrict a key to service tiers or permissions; an option left out changes nothing.

    Takes effect on all gateways within a second.
    """
    owner = await get_account(session, account)
    key_id = await api_keys.require_key(session, owner.id, key)
    changes: dict[str, list[str] | None] = {}
    if service_tiers is not None:
        changes["service_tiers"] = None if service_tiers == "all" else _parse_tiers(service_tiers)
    if permissions is not None:
        names = () if permissions == "all" else _names(permissions)
        changes["permissions"] = parse_permissions(names)
    await change_restrictions(session, clock, CLI_ACTOR, owner.id, key_id, **changes)
    return Record("Key updated.", key_json(await get_account_key(session, owner.id, key_id)))


@keys_app.command("revoke")
@command
async def keys_revoke(
    session: AsyncSession, clock: Clock, account: AccountName, key: KeyId
) -> Record:
    """Revoke a key.

    All gateways reject it within a second.
    """
    owner = await get_account(session, account)
    revoked = await api_keys.revoke_key(session, clock, owner.id, parse_key_id(key))
    return Record("Key revoked.", key_json(revoked))


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
    key_id = parse_key_id(key)
    return _issued_key_record(
        await api_keys.rotate_key(session, clock, pepper, owner.id, key_id, overlap)
    )


def _parse_tiers(text: str | None) -> list[str] | None:
    """Parse a comma-separated list of service tiers; None for all."""
    return parse_service_tiers(_names(text))


def _names(text: str | None) -> list[str]:
    """Return the names of a comma-separated list."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _issued_key_record(issued: api_keys.IssuedKey) -> Record:
    """Return the printable result of a new key, with its secret."""
    fields = issued_key_json(issued)
    return Record("Key created. Store its secret now: it cannot be shown again.", fields)
