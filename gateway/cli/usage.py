"""`maas usage`: list calls with usage, cost and errors, and follow new ones."""

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
from billing.accounts.profiles import DEFAULT_PROFILE, list_time_zones
from billing.dates import parse_time_zone
from billing.metering.error_fixes import find_suggested_fix
from billing.metering.usage import usage_to_json
from billing.metering.usage_search import (
    UsageFilter,
    WriteCursor,
    current_write_cursor,
    list_newest_usage,
    list_usage_after,
    write_cursor_of,
)
from billing.rating.quantities import METERS
from billing.tables import Usage
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.cli.output import Output
from gateway.cli.runner import Json, run_command
from gateway.cli.usage_filters import (
    UsageFilterInvalid,
    parse_error_filter,
    parse_status_filter,
    parse_tag_filter,
    parse_time_option,
)
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.installation import migrated_database_url
from infra.settings import Settings

_POLL_INTERVAL_S = 1.0
_PAGE_SIZE = 1_000
_UNIT_LABELS: Mapping[str, str] = {
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
_ShowRows = Callable[[Sequence[Mapping[str, Any]]], None]
Time = Annotated[
    str | None,
    typer.Option(help="`30m`, `1h`, `2d` ago, or an ISO date or time in the account's time zone."),
]
_BuildFilter = Callable[[AsyncSession], Awaitable[UsageFilter]]


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

    async def build_filter(session: AsyncSession) -> UsageFilter:
        ranges, settlements = parse_status_filter(status or [])
        owner = None if account is None else (await get_account(session, account)).id
        zone = (
            _account_zone(await list_time_zones(session, owner), owner)
            if owner
            else _account_zone({}, None)
        )
        now = SystemClock().now()
        return UsageFilter(
            account_id=owner,
            since=None if since is None else parse_time_option(since, now, zone, "--since"),
            until=None if until is None else parse_time_option(until, now, zone, "--until"),
            statuses=ranges,
            settlements=settlements,
            models=model or (),
            key_id=None if key is None else await _find_key_id(session, owner, key),
            tags=parse_tag_filter(tag or []),
            error_codes=parse_error_filter(error or []),
        )

    def execute(settings: Settings, output: Output) -> None:
        show = output.streaming_table(_COLUMNS, _WIDTHS) if follow else partial(_show_table, output)
        with migrated_database_url(settings) as url, suppress(KeyboardInterrupt):
            asyncio.run(_list_calls(url, build_filter, limit, show, follow=follow, as_json=as_json))

    run_command(as_json, execute)


async def _list_calls(
    url: str,
    build_filter: _BuildFilter,
    limit: int,
    show: _ShowRows,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """Print the newest calls; with `follow` in chronological order, then new ones as they are
    written."""
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as session:
            filters, cursor = await build_filter(session), await current_write_cursor(session)
            rows = await list_newest_usage(session, filters, limit)
            zones = await list_time_zones(session, filters.account_id)
        format_row = partial(_row_fields, zones=zones, as_json=as_json)
        if not follow:
            show([format_row(row) for row in rows])
            return
        # Rows after the cursor are printed by following, so that each is printed once.
        show([format_row(row) for row in reversed(rows) if row.written_in < cursor.written_in])
        await _follow_calls(
            database, filters, cursor, lambda new_rows: show([format_row(row) for row in new_rows])
        )
    finally:
        await database.close()


async def _follow_calls(
    database: Database,
    filters: UsageFilter,
    cursor: WriteCursor,
    show: Callable[[Sequence[Usage]], None],
) -> None:
    """Poll for calls after the cursor and print them, until cancelled."""
    while True:
        async with database.transaction() as session:
            rows = await list_usage_after(session, filters, cursor, _PAGE_SIZE)
        if rows:
            show(rows)
            cursor = write_cursor_of(rows[-1])
        if len(rows) < _PAGE_SIZE:
            await asyncio.sleep(_POLL_INTERVAL_S)


async def _find_key_id(session: AsyncSession, owner: UUID | None, key: str) -> UUID:
    """Find a key by id, or by name within the account. Raises UsageFilterInvalid."""
    key_id = ids.parse_id(KEY_PREFIX, key)
    if key_id is not None:
        return key_id
    matching_ids = (
        [one.id for one in await list_keys(session, owner) if one.name == key] if owner else []
    )
    if len(matching_ids) != 1:
        raise UsageFilterInvalid(
            "--key is a key's id, `key_…`, or with --account a name that one key has.",
            param="--key",
        )
    return matching_ids[0]


def _show_table(output: Output, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table."""
    output.table(rows, _COLUMNS)


def _row_fields(row: Usage, zones: Mapping[UUID, ZoneInfo], as_json: bool) -> dict[str, Any]:
    """Return a usage row as the API's JSON, or as text in the account's time zone."""
    fields = usage_to_json(row)
    if as_json:
        return fields
    at = row.started_at.astimezone(_account_zone(zones, row.account_id))
    return {
        **fields,
        "at": f"{at:%Y-%m-%d %H:%M:%S}",
        "error": _error_text(row),
        "used": _quantities_text(row),
        "cost": None if row.currency is None else f"{fields['cost']} {row.currency}",
    }


def _error_text(row: Usage) -> str | None:
    """Return the error of a call with its code, message, requested model and fix."""
    fix = find_suggested_fix(row.error_code, row.status)
    if fix is None:
        return None
    requested_model = row.requested_model if row.requested_model != row.model else None
    parts = (
        row.error_code,
        row.error_message,
        requested_model and f"model: {requested_model}",
        f"→ {fix.en}",
    )
    return "\n".join(part for part in parts if part)


def _quantities_text(row: Usage) -> str | None:
    """Return the measured quantities: `21 in, 9 out`."""
    counted = (
        (getattr(row, meter), _UNIT_LABELS[meter]) for meter in METERS if meter in _UNIT_LABELS
    )
    return ", ".join(f"{number:,} {unit}" for number, unit in counted if number) or None


def _account_zone(zones: Mapping[UUID, ZoneInfo], account_id: UUID | None) -> ZoneInfo:
    """Return an account's time zone, or the default without an account."""
    zone = None if account_id is None else zones.get(account_id)
    return zone or parse_time_zone(DEFAULT_PROFILE.time_zone)
