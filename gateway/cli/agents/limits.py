"""`maas agents limits`: limits for commands to machines, signed by the owner."""

import os
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.agents.commands.limits import (
    add_limits,
    find_limits,
    list_connectors,
    list_limits,
    revoke_limits,
)
from gateway.agents.commands.limits_file import read_limits
from gateway.agents.commands.views import connector_json, limits_json
from gateway.agents.store.agents import AgentChange
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command, read_text_file
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.commands.documents import digest, read_key, sign_limits
from gateway.plant.commands.errors import CommandLimitsInvalid, CommandLimitsUntrusted
from infra.clock import Clock

limits_app = typer.Typer(no_args_is_help=True)
_File = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
_KeyFile = Annotated[Path, typer.Option("--key", exists=True, dir_okay=False)]
_LimitsId = Annotated[str, typer.Argument(help="Limits ID (lim_…).")]
_LIMITS = ("created_at", "connector", "status", "expires_at", "key", "id")
_POINTS = ("tag", "unit", "minimum", "maximum", "max_step", "max_per_hour", "dead_man_s",
           "safe_value")  # fmt: skip
_CONNECTORS = ("name", "seen_at", "keys", "tags")


@limits_app.command("sign")
@command
def limits_sign(
    clock: Clock,
    file: _File,
    key: _KeyFile,
    out: Annotated[Path, typer.Option(dir_okay=False, help="File to create.")],
) -> Report:
    """Sign limits (TOML) with the owner's private key (PEM or JWK).

    Needs no database. Run it on the machine that stores the private key. `maas outcomes make-keys`
    creates a key pair.
    """
    limits = read_limits(read_text_file(file, "The limits", CommandLimitsInvalid), clock.now())
    owner = read_key(read_text_file(key, "The key", CommandLimitsUntrusted))
    token = sign_limits(limits, owner)
    _write_new(out, token)
    shown = {
        "connector": limits.connector,
        "issued_at": limits.issued_at.isoformat(),
        "expires_at": limits.expires_at.isoformat(),
        "key": owner.kid,
        "sha256": digest(token),
        "file": str(out),
    }
    points = [{name: getattr(point, name) for name in _POINTS} for point in limits.points]
    return Report({**shown, "points": points}, [Record("Signed.", shown), Table(points, _POINTS)])


@limits_app.command("add")
@command
async def limits_add(
    session: AsyncSession, clock: Clock, account: AccountName, file: _File, key: _KeyFile
) -> Record:
    """Add a signed document of limits, checked with the owner's public key."""
    account_id = (await get_account(session, account)).id
    owner = read_key(read_text_file(key, "The key", CommandLimitsUntrusted))
    token = read_text_file(file, "The document", CommandLimitsUntrusted)
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    row = await add_limits(change, token, owner)
    return Record("Limits added.", limits_json(row, clock.now()))


@limits_app.command("list")
@command
async def limits_list(session: AsyncSession, clock: Clock, account: AccountName) -> Table:
    """List an account's signed limits, newest first."""
    account_id, now = (await get_account(session, account)).id, clock.now()
    rows = await list_limits(session, account_id, 100, None)
    return Table([limits_json(row, now) for row in rows], _LIMITS)


@limits_app.command("show")
@command
async def limits_show(
    session: AsyncSession, clock: Clock, account: AccountName, limits: _LimitsId
) -> Report:
    """Show signed limits with their points."""
    account_id = (await get_account(session, account)).id
    row = await find_limits(session, account_id, limits)
    shown = limits_json(row, clock.now())
    record = Record("Limits:", {name: shown[name] for name in (*_LIMITS, "sha256")})
    return Report({**shown, "limits": row.token}, [record, Table(shown["points"], _POINTS)])


@limits_app.command("revoke")
@command
async def limits_revoke(
    session: AsyncSession, clock: Clock, account: AccountName, limits: _LimitsId
) -> Record:
    """Revoke limits: no command is sent under them any more.

    Also remove the key from the connector's configuration if it is no longer the owner's.
    """
    account_id = (await get_account(session, account)).id
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    row = await revoke_limits(change, limits)
    return Record("Limits revoked.", limits_json(row, clock.now()))


@limits_app.command("connectors")
@command
async def limits_connectors(session: AsyncSession, account: AccountName) -> Table:
    """List the connectors that fetch commands, with the keys that they trust."""
    account_id = (await get_account(session, account)).id
    rows = await list_connectors(session, account_id)
    return Table([connector_json(row) for row in rows], _CONNECTORS)


def _write_new(path: Path, text: str) -> None:
    """Write a new file. Raises CommandLimitsInvalid if it exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as error:
        raise CommandLimitsInvalid(f"{path} cannot be written: {error.strerror}.") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
