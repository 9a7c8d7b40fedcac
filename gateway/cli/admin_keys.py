"""`maas admin-keys`: keys with which programs administer the platform, or one account.

Without `--account` all commands are about the platform's keys.
"""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.access.admin_errors import AdminScopeInvalid
from gateway.access.admin_keys import (
    NewAdminKey,
    create_admin_key,
    list_admin_keys,
    revoke_admin_key,
)
from gateway.access.admin_scopes import AdminScope
from gateway.cli.results import Record, Table
from gateway.cli.runner import command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.admin_key_views import admin_key_json, issued_admin_key_json
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

admin_keys_app = typer.Typer(no_args_is_help=True)
Account = Annotated[
    str | None, typer.Option(help="Account whose key it is: name or ID. Default: the platform.")
]
_COLUMNS = ("id", "name", "key", "scopes", "networks", "expires_at", "revoked_at", "last_used_at")


@admin_keys_app.command("create")
@command
async def admin_keys_create(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    name: Annotated[str, typer.Option(help="What uses the key, e.g. erp.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"Of a platform key; repeatable, or `all`: {', '.join(AdminScope)}."),
    ] = None,
    account: Account = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3660, help="Days until it expires. Default: 90.")
    ] = 90,
    never_expires: Annotated[
        bool, typer.Option("--never-expires", help="Create a key without an expiry.")
    ] = False,
    networks: Annotated[
        str, typer.Option(help="IP addresses or networks it may be used from. Default: all.")
    ] = "",
) -> Record:
    """Create an admin key of the platform, or with --account the first one of an account.

    Its secret is shown only once. It cannot call models. A key of an account has no scopes: it
    manages the account with /v1/organization.
    """
    owner, scopes = await _owner(session, account), tuple(scope or ())
    if owner is not None and scopes:
        raise AdminScopeInvalid("A key of an account has no scopes. Omit --scope.", param="scopes")
    lifetime = None if never_expires or days is None else timedelta(days=days)
    scopes = tuple(AdminScope) if "all" in scopes else scopes
    new = NewAdminKey(name, scopes, networks, lifetime)
    issued = await create_admin_key(session, clock, secret_key(settings), CLI_ACTOR, owner, new)
    title = "Admin key created. Store its secret now: it cannot be shown again."
    return Record(title, issued_admin_key_json(issued))


@admin_keys_app.command("list")
@command
async def admin_keys_list(session: AsyncSession, account: Account = None) -> Table:
    """List the admin keys of the platform or an account, including revoked and expired ones."""
    rows = await list_admin_keys(session, await _owner(session, account))
    return Table([admin_key_json(row) for row in rows], _COLUMNS)


@admin_keys_app.command("revoke")
@command
async def admin_keys_revoke(
    session: AsyncSession,
    clock: Clock,
    key: Annotated[str, typer.Argument(help="Admin key ID (admk_…).")],
    account: Account = None,
) -> Record:
    """Revoke an admin key of the platform or an account. It is rejected at once."""
    owner = await _owner(session, account)
    row = await revoke_admin_key(session, clock, CLI_ACTOR, owner, key)
    return Record("Admin key revoked.", admin_key_json(row))


async def _owner(session: AsyncSession, account: str | None) -> UUID | None:
    """Return the id of the account; None for the platform. Raises AccountNotFound."""
    return None if account is None else (await get_account(session, account)).id
