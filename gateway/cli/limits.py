"""`maas limits`: credit, budgets and rate limits of an account and its keys."""

from datetime import UTC, tzinfo
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.profiles import get_profile, profile_time_zone
from billing.credit.fixed_limits import set_fixed_limit
from billing.metering.quotas import (
    LimitInvalid,
    QuotaState,
    list_quota_states,
    set_budget,
    set_limit,
)
from billing.money import nano_from_text, nano_text
from billing.notifications.current_limits import AccountLimits, load_current_limits
from billing.tables import QuotaKind
from gateway.access import api_keys
from gateway.cli.arguments import format_available
from gateway.cli.billing.wallet import wallet_top_up
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from infra import ids
from infra.clock import Clock

limits_app = typer.Typer(no_args_is_help=True)
_NONE = "none"
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
    rows = [*await _load_quota_rows(session, owner), *_spend_cap_rows(limits, time_zone)]
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
    monthly_budget: Annotated[
        str | None,
        typer.Option(help="Most that the key may spend per month (UTC), or `none`. Needs --key."),
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
    key_id = None if key is None else await api_keys.require_key(session, owner, key)
    if credit_limit is not None:
        await set_fixed_limit(session, clock, owner, _parse_amount(credit_limit))
    if monthly_budget is not None:
        await _set_budget(session, clock, owner, key_id, monthly_budget)
    for kind, text in (
        (QuotaKind.REQUESTS, requests),
        (QuotaKind.TOKENS, tokens),
        (QuotaKind.STREAMS, streams),
    ):
        if text is not None:
            await set_limit(session, owner, kind, _parse_count(text), key_id)
    return Table(await _load_quota_rows(session, owner), _COLUMNS)


# An alias of `maas wallet top-up`.
limits_app.command("top-up")(wallet_top_up)


async def _set_budget(
    session: AsyncSession, clock: Clock, account_id: UUID, key_id: UUID | None, text: str
) -> None:
    """Set a key's monthly budget. Raises LimitInvalid."""
    if key_id is None:
        raise LimitInvalid("--monthly-budget applies to a key. Name the key with --key.")
    amount = None if text == _NONE else _parse_amount(text)
    await set_budget(session, clock, account_id, key_id, amount)


def _parse_amount(text: str) -> int:
    """Parse an amount to nano-units. Raises LimitInvalid."""
    try:
        return nano_from_text(text)
    except ValueError as error:
        raise LimitInvalid(
            f"{text[:40]!r} is not an amount. Use a number such as 12.50."
        ) from error


def _parse_count(text: str) -> int | None:
    """Parse a whole number, or `none` to None. Raises LimitInvalid."""
    if text == _NONE:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise LimitInvalid(f"{text[:40]!r} is not a limit. Use a whole number or `none`.")
    return int(text)


def _spend_cap_rows(limits: AccountLimits, time_zone: tzinfo) -> list[dict[str, Any]]:
    """Return the plan's spend cap as rows like those of the quotas."""
    return [
        {
            "kind": "spend_cap",
            "key": None,
            "of": "plan",
            "month": f"{cap.since.astimezone(time_zone):%Y-%m}",
            "limit": cap.text(cap.amount),
            "used": cap.text(cap.used),
            "lent": None,
        }
        for cap in limits.watched
        if cap.kind == "cap"
    ]


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


async def _load_quota_rows(session: AsyncSession, account_id: UUID) -> list[dict[str, Any]]:
    """Load an account's quotas as output rows."""
    quotas = await list_quota_states(session, account_id)
    # Budgets use months in UTC, included units the account's time zone.
    included = [quota for quota in quotas if quota.kind is QuotaKind.ALLOWANCE]
    account_zone = profile_time_zone(await get_profile(session, account_id)) if included else UTC
    return [_quota_row(quota, account_zone if quota in included else UTC) for quota in quotas]


def _quota_row(quota: QuotaState, time_zone: tzinfo) -> dict[str, Any]:
    """Return a quota as output fields."""
    period_start = quota.period_start and quota.period_start.astimezone(time_zone)

    def amount(units: int | None) -> str | int | None:
        """Return the units; of a money quota, nano-units as decimal text."""
        return nano_text(units) if quota.kind.money and units is not None else units

    return {
        "kind": quota.kind.value,
        "key": quota.key_id and ids.format_id(api_keys.PREFIX, quota.key_id),
        "of": quota.scope,
        "month": period_start and f"{period_start:%Y-%m}",
        "limit": amount(quota.amount),
        "used": amount(quota.used),
        "lent": amount(quota.leased),
    }
