"""`maas guards`: show, set and remove the rules that check an account's calls."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.cli.guard_check import guards_check
from gateway.cli.results import Record
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.registry.guards import (
    get_policy,
    remove_policy,
    require_guard_models,
    set_policy,
)
from infra.clock import Clock
from infra.settings import Settings
from models.catalog import load_configured_catalog
from models.guards.policy import GuardInvalid, GuardPolicy, parse_policy

guards_app = typer.Typer(no_args_is_help=True)
guards_app.command("check")(guards_check)


class _GuardFile(msgspec.Struct, forbid_unknown_fields=True):
    """A guard as `PUT /v1/guards` takes it."""

    rules: list[dict[str, Any]]


@guards_app.command("show")
@command
async def guards_show(session: AsyncSession, account: AccountName) -> Record:
    """Show an account's guard."""
    owner = await get_account(session, account)
    return _guard("Guard:", await get_policy(session, owner.id))


@guards_app.command("set")
@command
async def guards_set(
    settings: Settings,
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    file: Annotated[Path, typer.Argument(help="JSON file with `rules`, as for PUT /v1/guards.")],
) -> Record:
    """Set an account's guard.

    The rules in the file replace all earlier ones.
    """
    owner = await get_account(session, account)
    try:
        rules = msgspec.json.decode(file.read_bytes(), type=_GuardFile).rules
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise GuardInvalid(f"{file.name} is not a JSON file with a list `rules`.") from error
    policy = parse_policy(rules)
    require_guard_models(policy, load_configured_catalog(settings))
    await set_policy(session, clock, CLI_ACTOR, owner.id, policy)
    return _guard("Guard set.", policy)


@guards_app.command("remove")
@command
async def guards_remove(session: AsyncSession, clock: Clock, account: AccountName) -> Record:
    """Remove an account's guard."""
    owner = await get_account(session, account)
    removed = await remove_policy(session, clock, CLI_ACTOR, owner.id)
    return Record("Guard removed." if removed else "There was no guard.", {"removed": removed})


def _guard(title: str, policy: GuardPolicy | None) -> Record:
    """Return a guard for display."""
    return Record(title, {"rules": [] if policy is None else policy.to_json()})
