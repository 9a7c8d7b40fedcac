"""`maas limits`: credit, budgets and rate limits of an account and its keys."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.profiles import get_profile, profile_time_zone
from billing.notifications.current_limits import AccountLimits, load_current_limits
from gateway.cli.arguments import format_available
from gateway.cli.billing.wallet import wallet_top_up
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.limits import (
    LimitChanges,
    change_account_limits,
    load_quota_rows,
    spend_cap_rows,
)
from infra.clock import Clock

limits_app = typer.Typer(no_args_is_help=True)
_COLUMNS = ("kind", "key", "of", "month", "limit", "used", "lent")


@limits_app.command("show")
@command
async def limits_show(session: AsyncSession, clock: Clock, account: AccountName) -> Report:
    """Show the limits of an account and its keys with their usage.

    Also shows the available balance and the limit that determines it.
    """
    owner = (await get_account(session, account)).id
    limits = await load_current_limits(session, clock, owner)
    time_zone = profile_time_zone(await get_profile(session, owner))
    rows = [*await load_quota_rows(session, owner), *spend_cap_rows(limits, time_zone)]
    available = format_available(limits.available.to_json(limits.currency))
    sections = (Record(f"Available balance: {available}.", {}), Table(rows, _COLUMNS))
    return Report([*rows, _available_row(limits)], sections)


@limits_app.command("set")
@command
async def limits_set(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    key: Annotated[
        str | None, typer.Option(help="Key ID (key_…). Limits this key instead of the account.")
    ] = None,
    credit_limit: Annotated[
        str | None, typer.Option(help="Credit limit: most that the account may owe, e.g. 500.")
    ] = None,
    daily_budget: Annotated[
        str | None,
        typer.Option(help="Most that the key may spend per day (UTC), or `none`. Needs --key."),
    ] = None,
    monthly_budget: Annotated[
        str | None,
        typer.Option(help="Most that the key may spend per month (UTC), or `none`. Needs --key."),
    ] = None,
    total_budget: Annotated[
        str | None,
        typer.Option(help="Most that the key may spend in total, or `none`. Needs --key."),
    ] = None,
    requests: Annotated[
        str | None, typer.Option(help="Requests per minute, or `none` for no limit.")
    ] = None,
    tokens: Annotated[
        str | None, typer.Option(help="Tokens per minute, or `none` for no limit.")
    ] = None,
    streams: Annotated[
        str | None, typer.Option(help="Concurrent streams, or `none` for no limit.")
    ] = None,
) -> Table:
    """Set limits of an account or key.

    Takes effect on all gateways within a second.
    """
    owner = (await get_account(session, account)).id
    changes = LimitChanges(
        credit_limit, daily_budget, monthly_budget, total_budget, requests, tokens, streams
    )
    await change_account_limits(session, clock, CLI_ACTOR, owner, key, changes)
    return Table(await load_quota_rows(session, owner), _COLUMNS)


# An alias of `maas wallet top-up`.
limits_app.command("top-up")(wallet_top_up)


def _available_row(limits: AccountLimits) -> dict[str, Any]:
    """Return the account's available balance as a row like those of the quotas."""
    available = limits.available.to_json(limits.currency)
    return {
        "kind": "available",
        "key": None,
        "of": "account",
        "left": available["amount"],
        **available,
    }
