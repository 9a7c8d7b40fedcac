"""`maas subscriptions add-ons` and `set-add-on`: fixed-fee items on top of an account's plan."""

from functools import partial
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.plan_changes.add_on_changes import preview_add_on
from billing.plan_changes.add_on_views import add_on_change_json, add_on_preview_json
from billing.plan_changes.views import subscription_json
from billing.tables import Account
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.idempotent import IdempotentChange, run_once
from gateway.operations.plans import set_account_add_on
from infra.clock import Clock

_COLUMNS = ("add_on", "name", "fee", "quantity", "max_quantity")


@command
async def list_add_ons(session: AsyncSession, clock: Clock, account: AccountName) -> Table:
    """List the add-ons of an account's plan, with how many the account has."""
    owner = await get_account(session, account)
    subscription = await subscription_json(session, clock, owner.id)
    has = {one["add_on"]: one["quantity"] for one in subscription["add_ons"] or ()}
    offered = (subscription["plan"] or {}).get("add_ons", ())
    rows = [
        {**one, "name": one["names"]["en"], "quantity": has.get(one["add_on"], 0)}
        for one in offered
    ]
    return Table(rows, _COLUMNS)


@command
async def set_add_on(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    add_on: Annotated[str, typer.Argument(help="Name of the add-on in the plan.")],
    quantity: Annotated[int, typer.Argument(help="How many from now on; 0 removes it.")],
    preview: Annotated[bool, typer.Option("--preview", help="Only show the cost.")] = False,
    key: Annotated[
        str | None,
        typer.Option(help="Idempotency key. A key repeated within 24 hours changes nothing."),
    ] = None,
) -> Report:
    """Set how many of an add-on an account has.

    More is invoiced and fewer are credited for the rest of the paid period, by days.
    """
    owner = await get_account(session, account)
    if preview:
        found = await preview_add_on(session, clock, owner.id, add_on, quantity)
        shown = await add_on_preview_json(session, owner.id, found)
        return Report(shown, (Record("Cost now:", {**shown, "line": None}),))
    body = msgspec.json.encode((add_on, quantity))
    request = IdempotentChange(owner.id, "maas: Add-on changed.", body, key)
    done = await run_once(session, request, partial(_set, clock, owner, add_on, quantity))
    changed = msgspec.json.decode(done.response)
    fields = {name: changed[name] for name in ("add_ons", "invoices", "credited")}
    return Report(changed, (Record("Add-on changed.", fields),))


async def _set(
    clock: Clock, owner: Account, add_on: str, quantity: int, session: AsyncSession
) -> dict[str, Any]:
    """Set the quantity and return the subscription with the new documents."""
    change = await set_account_add_on(session, clock, CLI_ACTOR, owner, add_on, quantity)
    return await add_on_change_json(session, clock, owner.id, change)
