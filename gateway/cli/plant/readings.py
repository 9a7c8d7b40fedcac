"""`maas plant readings`: show an account's readings and sources, and set how they are kept."""

from typing import Annotated, Literal

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.call.errors import ParameterInvalid
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.plant.readings.errors import PlantPointNotFound
from gateway.plant.readings.formats.batch import PointKey
from gateway.plant.readings.formats.times import format_time, from_datetime
from gateway.plant.readings.quality import quality_of
from gateway.plant.readings.storage.points import find_points, parse_point_id
from gateway.plant.readings.storage.policies import load_policy, save_policy
from gateway.plant.readings.storage.queries import TimeRange, read_series
from gateway.plant.readings.storage.sources import list_sources
from gateway.plant.readings.values import HOUR_US
from infra.clock import Clock
from infra.settings import Settings

readings_app = typer.Typer(no_args_is_help=True)
_MAX_SHOWN = 2_000
_Days = Annotated[int | None, typer.Option(min=1, max=36_500, help="Days; the default if unset.")]


@readings_app.command("show")
@command
async def readings_show(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    point: Annotated[str, typer.Argument(help="Tag or id (point_…) of a point.")],
    hours: Annotated[int, typer.Option(min=1, max=8_760, help="How far to look back.")] = 1,
    points: Annotated[int, typer.Option(min=8, max=_MAX_SHOWN, help="The most readings.")] = 50,
) -> Table:
    """Show a point's newest readings.

    Above the number of readings, first, last, lowest and highest of equal intervals are shown.
    """
    owner = await get_account(session, account)
    key = PointKey(point, parse_point_id(point) is not None)
    found = (await find_points(session, owner.id, [key], include_retired=True)).get(key)
    if found is None:
        raise PlantPointNotFound(f"The account has no active point {point[:60]!r}.")
    end = from_datetime(clock.now()) + 1
    within = TimeRange(end - hours * HOUR_US, end)
    read = (await read_series(session, owner.id, [found.id], within, points))[found.id]
    series = read.series
    columns = (series.times.tolist(), series.values.tolist(), series.statuses.tolist())
    rows = [
        {
            "time": format_time(time),
            "value": None if value != value else value,
            "unit": found.unit,
            "quality": quality_of(status).value,
        }
        for time, value, status in zip(*columns, strict=True)
    ]
    return Table(rows, ("time", "value", "unit", "quality"))


@readings_app.command("sources")
@command
async def readings_sources(session: AsyncSession, account: AccountName) -> Table:
    """List the sources of an account's readings with their clock skew."""
    owner = await get_account(session, account)
    rows = [
        {
            "name": row.name,
            "clock_skew_ms": row.clock_skew_ms,
            "accepted": row.accepted,
            "refused": row.refused,
            "last_seen_at": row.last_seen_at.isoformat(),
        }
        for row in await list_sources(session, owner.id)
    ]
    return Table(rows, ("name", "clock_skew_ms", "accepted", "refused", "last_seen_at"))


@readings_app.command("settings")
@command
async def readings_settings(
    settings: Settings,
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    retention_days: _Days = None,
    rollup_retention_days: _Days = None,
    unknown_tags: Annotated[
        str | None, typer.Option(help="`reject` or `create`; the default if unset.")
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Use the deployment's defaults.")] = False,
) -> Record:
    """Show or set how an account's readings are kept.

    Options that are not given are reset to the deployment's defaults when another one is given.
    """
    owner = await get_account(session, account)
    if reset or retention_days or rollup_retention_days or unknown_tags:
        rule = _parse_rule(unknown_tags)
        await save_policy(session, owner.id, retention_days, rollup_retention_days, rule)
        details = {
            "retention_days": retention_days,
            "rollup_retention_days": rollup_retention_days,
            "unknown_tags": rule,
        }
        action = "plant.readings_settings_changed"
        await record_audit_event(session, clock, CLI_ACTOR, owner.id, action, "readings", details)
    policy = await load_policy(session, settings, owner.id)
    return Record(
        "Readings:",
        {
            "retention_days": policy.retention_days,
            "rollup_retention_days": policy.rollup_retention_days,
            "unknown_tags": policy.unknown_tags,
        },
    )


def _parse_rule(text: str | None) -> Literal["reject", "create"] | None:
    """Return the rule for unknown tags. Raises ParameterInvalid."""
    if text is None:
        return None
    if text == "reject":
        return "reject"
    if text == "create":
        return "create"
    raise ParameterInvalid("`--unknown-tags` must be reject or create.", param="unknown_tags")
