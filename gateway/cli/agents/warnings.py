"""`maas agents warnings`: learned warning rules of accounts, their training and versions."""

from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.profiles import get_profile
from billing.dates import parse_instant, parse_time_zone
from gateway.agents.store.agents import AgentChange
from gateway.agents.warnings.errors import LearnedWarningInvalid
from gateway.agents.warnings.lifecycle import activate, roll_back
from gateway.agents.warnings.rows import (
    create_rule,
    delete_rule,
    find_rule,
    list_rules,
    list_versions,
    queue_training,
)
from gateway.agents.warnings.settings import TrainingDocument, WarningRuleDocument
from gateway.agents.warnings.views import rule_json, version_json
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from infra.clock import Clock

warnings_app = typer.Typer(no_args_is_help=True)
_Rule = Annotated[str, typer.Argument(help="Name or ID (lwrn_…) of the warning rule.")]
_Version = Annotated[int, typer.Argument(help="Version of the rule.")]
_RULES = ("id", "name", "asset", "every", "horizon", "miss", "false_alarm")
_SHOWN = (*_RULES, "active_version")
_VERSIONS = ("version", "status", "kind", "events", "cost", "cost_fixed", "false_alarms_per_month",
             "saving", "reasons", "error")  # fmt: skip


@warnings_app.command("create")
@command
async def warnings_create(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    name: Annotated[str, typer.Argument(help="Name of the rule.")],
    asset: Annotated[str, typer.Option(help="Code or ID of the asset.")],
    points: Annotated[str, typer.Option(help="Tags of points, separated by commas.")],
    miss: Annotated[float, typer.Option(help="Cost of an event without a warning.")],
    false_alarm: Annotated[float, typer.Option(help="Cost of a warning without an event.")],
    every: Annotated[str, typer.Option(help="Length of a tick, such as 10m.")] = "10m",
    horizon: Annotated[str, typer.Option(help="How far ahead of an event to warn.")] = "7d",
    lead: Annotated[str, typer.Option(help="A warning is late from so long before it.")] = "",
    repeat: Annotated[str, typer.Option(help="After it, a warning counts again.")] = "",
    normal: Annotated[str, typer.Option(help="Normal operation at the beginning.")] = "7d",
    recovery: Annotated[str, typer.Option(help="Left out after an event.")] = "1d",
) -> Record:
    """Create a warning rule for points of an asset."""
    document = WarningRuleDocument(
        name=name, asset=asset, points=points.split(","), miss=miss, false_alarm=false_alarm,
        every=every, horizon=horizon, lead=lead, repeat=repeat, normal=normal, recovery=recovery,
    )  # fmt: skip
    shown = rule_json(await create_rule(await _change(session, clock, account), document))
    return Record("Warning rule created.", shown)


@warnings_app.command("list")
@command
async def warnings_list(session: AsyncSession, account: AccountName) -> Table:
    """List the warning rules of an account."""
    account_id = (await get_account(session, account)).id
    return Table([rule_json(one) for one in await list_rules(session, account_id)], _RULES)


@warnings_app.command("show")
@command
async def warnings_show(session: AsyncSession, account: AccountName, rule: _Rule) -> Report:
    """Show a warning rule with its versions and how each compares with a fixed limit."""
    account_id = (await get_account(session, account)).id
    row = await find_rule(session, account_id, rule)
    shown = rule_json(row, await list_versions(session, row))
    record = Record("Warning rule:", {name: shown[name] for name in _SHOWN})
    rows = [_with_figures(one) for one in shown["versions"]]
    return Report(shown, [record, Table(rows, _VERSIONS)])


@warnings_app.command("train")
@command
async def warnings_train(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    rule: _Rule,
    events: Annotated[
        list[str] | None,
        typer.Option(help="Times of past events, separated by commas; can be repeated."),
    ] = None,
    event: Annotated[
        str, typer.Option(help="Kind of event whose times in the prediction ledger count.")
    ] = "",
    from_: Annotated[str | None, typer.Option("--from", help="Start of the readings.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="End of the readings. Default: now.")
    ] = None,
) -> Record:
    """Queue the training of a version. Times without an offset are in the account's time zone."""
    change = await _change(session, clock, account)
    zone = parse_time_zone((await get_profile(session, change.account_id)).time_zone)
    times = [part.strip() for text in events or () for part in text.split(",") if part.strip()]
    document = TrainingDocument(
        events=[_instant(one, "events", zone) for one in times],
        event=event,
        since=None if from_ is None else _instant(from_, "from", zone),
        until=None if to is None else _instant(to, "to", zone),
    )
    version = await queue_training(change, rule, document)
    row = await find_rule(session, change.account_id, rule)
    return Record("Training queued.", version_json(row, version))


@warnings_app.command("activate")
@command
async def warnings_activate(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    rule: _Rule,
    version: _Version,
    accept: Annotated[
        bool, typer.Option("--accept", help="Although it is not shown to be better.")
    ] = False,
) -> Record:
    """Let agents use a version that is shown to be better than a fixed limit."""
    change = await _change(session, clock, account)
    found = await activate(change, rule, version, accept)
    row = await find_rule(session, change.account_id, rule)
    return Record("Version in use.", version_json(row, found))


@warnings_app.command("rollback")
@command
async def warnings_rollback(
    session: AsyncSession, clock: Clock, account: AccountName, rule: _Rule
) -> Record:
    """Take back the version in use; the one before it is used again."""
    change = await _change(session, clock, account)
    found = await roll_back(change, rule)
    row = await find_rule(session, change.account_id, rule)
    return Record("Version taken back.", version_json(row, found))


@warnings_app.command("delete")
@command
async def warnings_delete(
    session: AsyncSession, clock: Clock, account: AccountName, rule: _Rule
) -> Record:
    """Delete a warning rule; agents that name it decide without it."""
    change = await _change(session, clock, account)
    return Record("Warning rule deleted.", rule_json(await delete_rule(change, rule)))


async def _change(session: AsyncSession, clock: Clock, account: str) -> AgentChange:
    """Return a change of an account by the operator."""
    return AgentChange(session, clock, CLI_ACTOR, (await get_account(session, account)).id)


def _with_figures(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a version with the columns of the table."""
    report = shown["report"]
    return {
        **shown,
        "kind": report.get("kind"),
        "events": report.get("events", len(shown["events"])),
        "cost": report.get("learned", {}).get("cost"),
        "cost_fixed": report.get("fixed", {}).get("cost"),
        "false_alarms_per_month": report.get("learned", {}).get("false_alarms_per_month"),
        "saving": report.get("saving", {}).get("value"),
        "reasons": ", ".join(report.get("reasons", ())),
    }


def _instant(text: str, field: str, zone: Any) -> datetime:
    """Return a time in UTC. Raises LearnedWarningInvalid."""
    try:
        return parse_instant(datetime.fromisoformat(text), zone)
    except ValueError as error:
        raise LearnedWarningInvalid(
            f"`{field}`: {text[:40]!r} is not a time such as 2026-11-01T08:00.", param=field
        ) from error
