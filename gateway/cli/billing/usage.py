"""`maas usage`: list calls with usage, cost and errors, and follow new ones."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
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
from billing.money import nano_text
from billing.rating.quantities import METERS
from billing.tables import Usage
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.cli.billing.usage_filters import (
    UsageFilterInvalid,
    parse_error_filter,
    parse_status_filter,
    parse_tag_filter,
    parse_time_option,
)
from gateway.cli.output import Output
from gateway.cli.results import Table
from gateway.cli.runner import command
from gateway.projects.projects import find_project, parse_project_id
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_POLL_INTERVAL_S = 1.0
_PAGE_SIZE = 1_000
_UNIT_LABELS: Mapping[str, str] = {
    "input_tokens": "in",
    "output_tokens": "out",
    "rows": "rows",
    "images": "images",
    "adaptation_seconds": "s",
    "readings": "readings",
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
_FormatRow = Callable[[Usage], dict[str, Any]]
Time = Annotated[
    str | None,
    typer.Option(
        help="Time ago (`30m`, `1h`, `2d`), or an ISO 8601 date or time in the account's time zone."
    ),
]


@command
async def usage_list(
    database: Database,
    clock: Clock,
    output: Output,
    account: Annotated[
        str | None, typer.Option(help="Account ID (acct_…) or name. Default: all accounts.")
    ] = None,
    since: Time = None,
    until: Time = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="HTTP status (`429`, `4xx`) or call status (`refused`). Repeatable."),
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="Model ID. Repeatable.")] = None,
    key: Annotated[
        str | None, typer.Option(help="API key ID (key_…), or with --account the key's name.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="Project ID (proj_…), or with --account its name.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Tag of the call as `name=value`. Repeatable.")
    ] = None,
    error: Annotated[
        list[str] | None, typer.Option(help="Error code, or `any` for all errors. Repeatable.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="Maximum number of calls to list.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Also print new calls, until Ctrl-C.")
    ] = False,
) -> Table | None:
    """List calls with usage and cost, newest first."""
    # asyncio cancels the command on Ctrl-C.
    with suppress(asyncio.CancelledError):
        async with database.transaction() as session:
            owner = None if account is None else (await get_account(session, account)).id
            zones = await list_time_zones(session, owner)
            zone, now = _account_zone(zones if owner else {}, owner), clock.now()
            ranges, settlements = parse_status_filter(status or [])
            filters = UsageFilter(
                account_id=owner,
                since=None if since is None else parse_time_option(since, now, zone, "--since"),
                until=None if until is None else parse_time_option(until, now, zone, "--until"),
                statuses=ranges,
                settlements=settlements,
                models=model or (),
                key_id=None if key is None else await _find_key_id(session, owner, key),
                tags=parse_tag_filter(tag or []),
                error_codes=parse_error_filter(error or []),
                project_id=await _find_project_id(session, owner, project),
            )
            cursor = await current_write_cursor(session)
            rows = await list_newest_usage(session, filters, limit)
        format_row = partial(_row_fields, zones=zones, as_json=output.is_json)
        if not follow:
            return Table([format_row(row) for row in rows], _COLUMNS)
        await _follow_calls(database, filters, cursor, rows, output, format_row)
    return None


async def _follow_calls(
    database: Database,
    filters: UsageFilter,
    cursor: WriteCursor,
    newest: Sequence[Usage],
    output: Output,
    format_row: _FormatRow,
) -> None:
    """Print the newest calls in chronological order, then poll for calls after the cursor."""
    show_rows = output.streaming_table(_COLUMNS, _WIDTHS)
    # Rows after the cursor are found by polling, so that each is printed once.
    rows = [row for row in reversed(newest) if row.written_in < cursor.written_in]
    show_rows([format_row(row) for row in rows])
    while True:
        async with database.transaction() as session:
            rows = await list_usage_after(session, filters, cursor, _PAGE_SIZE)
        if rows:
            show_rows([format_row(row) for row in rows])
            cursor = write_cursor_of(rows[-1])
        if len(rows) < _PAGE_SIZE:
            await asyncio.sleep(_POLL_INTERVAL_S)


async def _find_project_id(
    session: AsyncSession, owner: UUID | None, project: str | None
) -> UUID | None:
    """Find a project by id, or by name within the account; None stays None.

    Raises ProjectNotFound.
    """
    if project is None:
        return None
    if owner is None:
        return parse_project_id(project)
    return (await find_project(session, owner, project)).id


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
            f"--key {key[:100]!r} is not found. Use a key ID (key_…), or --account and a key name "
            "that only one key has.",
            param="--key",
        )
    return matching_ids[0]


def _row_fields(row: Usage, zones: Mapping[UUID, ZoneInfo], as_json: bool) -> dict[str, Any]:
    """Return a usage row as the API's JSON with its upstream, or as text in the account's zone.

    Customers do not see which upstream answered and what the call cost there.
    """
    cost = row.upstream_cost_nano
    fields = {
        **usage_to_json(row),
        "upstream": row.upstream,
        "upstream_cost": None if cost is None else nano_text(cost),
    }
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
    """Return the measured quantities: `21 in, 9 out (4 reasoning)`."""
    counted = (
        (getattr(row, meter), _UNIT_LABELS[meter]) for meter in METERS if meter in _UNIT_LABELS
    )
    units = ", ".join(f"{number:,} {unit}" for number, unit in counted if number)
    reasoning = f" ({row.reasoning_tokens:,} reasoning)" if row.reasoning_tokens else ""
    return f"{units}{reasoning}" or None


def _account_zone(zones: Mapping[UUID, ZoneInfo], account_id: UUID | None) -> ZoneInfo:
    """Return an account's time zone, or the default without an account."""
    zone = None if account_id is None else zones.get(account_id)
    return zone or parse_time_zone(DEFAULT_PROFILE.time_zone)
