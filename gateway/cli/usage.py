"""`maas usage`: calls with their request ids, what each consumed and cost, and how it ended.

Owns the command's arguments, what it shows and following new calls.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.profiles import USUAL, time_zones
from billing.dates import zone_of
from billing.metering.error_fixes import fix_of
from billing.metering.usage import show_usage
from billing.metering.usage_search import (
    Place,
    UsageFilter,
    newest_usage,
    place_now,
    place_of,
    usage_after,
)
from billing.rating.quantities import METERS
from billing.tables import Usage
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.cli.output import Terminal
from gateway.cli.runner import Json, tell
from gateway.cli.usage_filters import UsageFilterInvalid, ends_of, errors_of, moment_of, tags_of
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.installation import database_url
from infra.settings import Settings

_EVERY_S = 1.0
_PAGE = 1_000
_UNITS: Mapping[str, str] = {
    "input_tokens": "in",
    "output_tokens": "out",
    "rows": "rows",
    "images": "images",
    "adaptation_seconds": "s",
}
_COLUMNS = (
    "at",
    "request_id",
    "model",
    "service_tier",
    "status",
    "settlement",
    "used",
    "cost",
    "error",
)
_WIDTHS = (19, 36, 20, 12, 6, 14, 24, 18, 0)
_Show = Callable[[Sequence[Mapping[str, Any]]], None]
Time = Annotated[
    str | None,
    typer.Option(help="`30m`, `1h`, `2d` ago, or an ISO date or time in the account's time zone."),
]
_Wanted = Callable[[AsyncSession], Awaitable[UsageFilter]]


def usage_list(
    account: Annotated[str | None, typer.Option(help="Only this account (id or name).")] = None,
    since: Time = None,
    until: Time = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="HTTP status (`429`, `4xx`) or settlement (`refused`); repeatable."),
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model; repeatable.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Only this key (id, or with --account its name).")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only calls with this tag, `name=value`; repeatable.")
    ] = None,
    error: Annotated[
        list[str] | None,
        typer.Option(help="Only calls with this error code; `any` for all errors; repeatable."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many calls.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new calls; Ctrl-C ends it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Calls, the newest first: request id, status, usage and cost."""

    async def wanted(session: AsyncSession) -> UsageFilter:
        ranges, settlements = ends_of(status or [])
        owner = None if account is None else (await get_account(session, account)).id
        zone = _zone(await time_zones(session, owner), owner) if owner else _zone({}, None)
        now = SystemClock().now()
        return UsageFilter(
            account_id=owner,
            since=None if since is None else moment_of(since, now, zone, "--since"),
            until=None if until is None else moment_of(until, now, zone, "--until"),
            statuses=ranges,
            settlements=settlements,
            models=model or (),
            key_id=None if key is None else await _key(session, owner, key),
            tags=tags_of(tag or []),
            error_codes=errors_of(error or []),
        )

    def work(settings: Settings, terminal: Terminal) -> None:
        show = terminal.lines(_COLUMNS, _WIDTHS) if follow else partial(_table, terminal)
        with database_url(settings) as url, suppress(KeyboardInterrupt):
            asyncio.run(_list(url, wanted, limit, show, follow=follow, as_json=as_json))

    tell(as_json, work)


async def _list(
    url: str, wanted: _Wanted, limit: int, show: _Show, *, follow: bool, as_json: bool
) -> None:
    """Show the newest calls; with `follow` in their order, then new ones as they are written."""
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as session:
            filters, place = await wanted(session), await place_now(session)
            rows = await newest_usage(session, filters, limit)
            zones = await time_zones(session, filters.account_id)
        told = partial(_told, zones=zones, as_json=as_json)
        if not follow:
            show([told(row) for row in rows])
            return
        # Later rows are found by following: each is shown once.
        show([told(row) for row in reversed(rows) if row.written_in < place.written_in])
        await _follow(database, filters, place, lambda found: show([told(row) for row in found]))
    finally:
        await database.close()


async def _follow(
    database: Database,
    wanted: UsageFilter,
    place: Place,
    show: Callable[[Sequence[Usage]], None],
) -> None:
    """Until it is cancelled."""
    while True:
        async with database.transaction() as session:
            rows = await usage_after(session, wanted, place, _PAGE)
        if rows:
            show(rows)
            place = place_of(rows[-1])
        if len(rows) < _PAGE:
            await asyncio.sleep(_EVERY_S)


async def _key(session: AsyncSession, owner: UUID | None, key: str) -> UUID:
    """A key by its id, or by its name in the account. Raises UsageFilterInvalid."""
    found = ids.parse(KEY_PREFIX, key)
    if found is not None:
        return found
    named = [one.id for one in await list_keys(session, owner) if one.name == key] if owner else []
    if len(named) != 1:
        raise UsageFilterInvalid(
            "--key is a key's id, `key_…`, or with --account a name that one key has.",
            param="--key",
        )
    return named[0]


def _table(terminal: Terminal, rows: Sequence[Mapping[str, Any]]) -> None:
    terminal.table(rows, _COLUMNS)


def _told(row: Usage, zones: Mapping[UUID, ZoneInfo], as_json: bool) -> dict[str, Any]:
    """A row for programs as the API shows it, or for people with times in the account's zone."""
    shown = show_usage(row)
    if as_json:
        return shown
    at = row.started_at.astimezone(_zone(zones, row.account_id))
    return {
        **shown,
        "at": f"{at:%Y-%m-%d %H:%M:%S}",
        "error": _error(row),
        "used": _used(row),
        "cost": None if row.currency is None else f"{shown['cost']} {row.currency}",
    }


def _error(row: Usage) -> str | None:
    """The code, the message, the model asked for where another or none answered, and what to do."""
    fix = fix_of(row.error_code, row.status)
    if fix is None:
        return None
    asked = row.requested_model if row.requested_model != row.model else None
    parts = (row.error_code, row.error_message, asked and f"model: {asked}", f"→ {fix.en}")
    return "\n".join(part for part in parts if part)


def _used(row: Usage) -> str | None:
    """`21 in, 9 out`: what was counted, by meter."""
    counted = ((getattr(row, meter), _UNITS[meter]) for meter in METERS if meter in _UNITS)
    return ", ".join(f"{number:,} {unit}" for number, unit in counted if number) or None


def _zone(zones: Mapping[UUID, ZoneInfo], account_id: UUID | None) -> ZoneInfo:
    """The account's zone; that of new accounts where there is no account."""
    found = None if account_id is None else zones.get(account_id)
    return found or zone_of(USUAL.time_zone)
