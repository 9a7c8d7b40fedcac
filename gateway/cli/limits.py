"""`maas limits`: what an account and its keys may spend, and how fast they may call."""

from datetime import UTC, tzinfo
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.profiles import read_profile, zone
from billing.metering.quotas import (
    LimitInvalid,
    QuotaState,
    list_limits,
    set_budget,
    set_credit_limit,
    set_limit,
)
from billing.money import nano_from_text, nano_text
from billing.notifications.limits_in_force import LimitsInForce, limits_now
from billing.tables import QuotaKind
from gateway.access import api_keys
from gateway.cli.arguments import available_text
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, with_database
from gateway.cli.wallet import wallet_top_up
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings

limits_app = typer.Typer(no_args_is_help=True)
_NONE = "none"
_COLUMNS = ("kind", "key", "of", "month", "limit", "used", "lent")
_RATES = "A number, or `none` for no limit."
Rate = Annotated[str | None, typer.Option(help=_RATES)]


@limits_app.command("show")
def limits_show(account: AccountName, as_json: Json = False) -> None:
    """What may still be spent and which limit decides it, and all limits of an account and its
    keys with what is used of them."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> tuple[list[dict[str, Any]], LimitsInForce]:
            owner = (await get_account(session, account)).id
            limits = await limits_now(session, SystemClock(), owner)
            where = zone(await read_profile(session, owner))
            return [*await _shown(session, owner), *_caps(limits, where)], limits

        rows, limits = with_database(settings, read)
        if as_json:
            terminal.table([*rows, _available_row(limits)], ())
            return
        said = available_text(limits.available.to_json(limits.currency))
        terminal.record(f"Available now: {said}.", {})
        terminal.table(rows, _COLUMNS)

    tell(as_json, work)


@limits_app.command("set")
def limits_set(
    account: AccountName,
    key: Annotated[
        str | None, typer.Option(help="Limit this key (key_…), not the account.")
    ] = None,
    credit_limit: Annotated[
        str | None, typer.Option(help="What the account may owe, in its currency.")
    ] = None,
    monthly_budget: Annotated[
        str | None, typer.Option(help="What the key may spend in a calendar month, or `none`.")
    ] = None,
    requests: Rate = None,
    tokens: Rate = None,
    streams: Rate = None,
    as_json: Json = False,
) -> None:
    """Set limits; every gateway keeps to them within a second."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def write(session: AsyncSession) -> list[dict[str, Any]]:
            owner = (await get_account(session, account)).id
            key_id = None if key is None else await api_keys.require_key(session, owner, key)
            if credit_limit is not None:
                amount = _amount(credit_limit)
                await set_credit_limit(session, SystemClock(), owner, amount)
            if monthly_budget is not None:
                await _set_budget(session, owner, key_id, monthly_budget)
            for kind, text in (
                (QuotaKind.REQUESTS, requests),
                (QuotaKind.TOKENS, tokens),
                (QuotaKind.STREAMS, streams),
            ):
                if text is not None:
                    await set_limit(session, owner, kind, _count(text), key_id)
            return await _shown(session, owner)

        rows = with_database(settings, write)
        terminal.table(rows, _COLUMNS)

    tell(as_json, work)


# The same as `maas wallet top-up`: what is paid in advance is in the wallet.
limits_app.command("top-up")(wallet_top_up)


async def _set_budget(
    session: AsyncSession, account_id: UUID, key_id: UUID | None, text: str
) -> None:
    if key_id is None:
        raise LimitInvalid("A monthly budget is a key's: name it with --key.")
    amount = None if text == _NONE else _amount(text)
    await set_budget(session, SystemClock(), account_id, key_id, amount)


def _amount(text: str) -> int:
    try:
        return nano_from_text(text)
    except ValueError as error:
        raise LimitInvalid(f"{text[:40]!r} is no amount: write it as 12.50.") from error


def _count(text: str) -> int | None:
    if text == _NONE:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise LimitInvalid(f"{text[:40]!r} is no whole number, nor `none`.")
    return int(text)


def _caps(limits: LimitsInForce, where: tzinfo) -> list[dict[str, Any]]:
    """The spend cap of the plan in force, as a row like those of the quotas."""
    return [
        {
            "kind": "spend_cap",
            "key": None,
            "of": "plan",
            "month": f"{one.since.astimezone(where):%Y-%m}",
            "limit": one.text(one.amount),
            "used": one.text(one.used),
            "lent": None,
        }
        for one in limits.watched
        if one.kind == "cap"
    ]


def _available_row(limits: LimitsInForce) -> dict[str, Any]:
    said = limits.available.to_json(limits.currency)
    return {"kind": "available", "key": None, "of": "account", "left": said["amount"], **said}


async def _shown(session: AsyncSession, account_id: UUID) -> list[dict[str, Any]]:
    quotas = await list_limits(session, account_id)
    # A budget is for months of UTC, what a plan includes for the account's own.
    included = [quota for quota in quotas if quota.kind is QuotaKind.ALLOWANCE]
    own = zone(await read_profile(session, account_id)) if included else UTC
    return [_show(quota, own if quota in included else UTC) for quota in quotas]


def _show(quota: QuotaState, where: tzinfo) -> dict[str, Any]:
    begun = quota.period_start and quota.period_start.astimezone(where)

    def amount(units: int | None) -> str | int | None:
        return nano_text(units) if quota.kind.money and units is not None else units

    return {
        "kind": quota.kind.value,
        "key": quota.key_id and ids.show(api_keys.PREFIX, quota.key_id),
        "of": quota.scope,
        "month": begun and f"{begun:%Y-%m}",
        "limit": amount(quota.amount),
        "used": amount(quota.used),
        "lent": amount(quota.lent),
    }
