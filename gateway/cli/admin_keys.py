"""`maas admin-keys`: keys with which programs of the operator call the Admin API."""

from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

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
_COLUMNS = ("id", "name", "key", "scopes", "networks", "expires_at", "revoked_at", "last_used_at")


@admin_keys_app.command("create")
@command
async def admin_keys_create(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    name: Annotated[str, typer.Option(help="What uses the key, e.g. erp.")],
    scope: Annotated[
        list[str],
        typer.Option(help=f"Repeatable, or `all`: {', '.join(AdminScope)}."),
    ],
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
    """Create a platform admin key.

    Its secret is shown only once. It cannot call models.
    """
    lifetime = None if never_expires or days is None else timedelta(days=days)
    scopes = tuple(AdminScope) if "all" in scope else tuple(scope)
    new = NewAdminKey(name, scopes, networks, lifetime)
    issued = await create_admin_key(session, clock, secret_key(settings), CLI_ACTOR, None, new)
    title = "Admin key created. Store its secret now: it cannot be shown again."
    return Record(title, issued_admin_key_json(issued))


@admin_keys_app.command("list")
@command
async def admin_keys_list(session: AsyncSession) -> Table:
    """List the platform's admin keys, including revoked and expired ones."""
    return Table([admin_key_json(row) for row in await list_admin_keys(session, None)], _COLUMNS)


@admin_keys_app.command("revoke")
@command
async def admin_keys_revoke(
    session: AsyncSession,
    clock: Clock,
    key: Annotated[str, typer.Argument(help="Admin key ID (admk_…).")],
) -> Record:
    """Revoke a platform admin key. It is rejected at once."""
    row = await revoke_admin_key(session, clock, CLI_ACTOR, None, key)
    return Record("Admin key revoked.", admin_key_json(row))
