"""`maas agents replay`: what an agent would have recommended on stored readings."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from billing.accounts.accounts import get_account
from billing.accounts.profiles import get_profile
from billing.dates import parse_instant, parse_time_zone
from gateway.agents.errors import AgentReplayInvalid
from gateway.agents.replay.replaying import USUAL_PERIOD, AgentReplayer, ReplayRequest
from gateway.agents.replay.views import replay_json
from gateway.agents.store.agents import find_agent, read_definition
from gateway.cli.agents.commands import AgentId, agents_app
from gateway.cli.api_client import open_api, require_success, send_request
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.tables.agents import Agent
from infra.clock import Clock
from infra.database.database import Database

_LOCAL = "http://127.0.0.1:8080"
_EPISODES = ("from", "to", "recommendation", "basis", "rules")


@agents_app.command("replay")
@command
async def agents_replay(
    database: Database,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    from_: Annotated[
        str | None, typer.Option("--from", help="Start. Default: 30 days before the end.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="End. Default: now.")] = None,
    failures: Annotated[
        list[str] | None,
        typer.Option(help="Times of known failures, separated by commas; can be repeated."),
    ] = None,
    max_cost: Annotated[
        str | None,
        typer.Option(
            help="What predictions may cost, billed to the key in MAAS_API_KEY. Default: none."
        ),
    ] = None,
    warning: Annotated[
        str, typer.Option(help="Learned warning rule. Default: that of the definition.")
    ] = "",
    warning_version: Annotated[
        int | None, typer.Option(help="Version of the rule. Default: the one in use.")
    ] = None,
    url: Annotated[str, typer.Option(help="Address of the gateway, with --max-cost.")] = _LOCAL,
) -> Report:
    """Replay an agent on stored readings. Nothing is sent or done.

    Times without an offset are in the account's time zone.
    """
    async with database.transaction() as session:
        account_id = (await get_account(session, account)).id
        row = await find_agent(session, account_id, agent)
        zone = parse_time_zone((await get_profile(session, account_id)).time_zone)
    end = clock.now() if to is None else _instant(to, "to", zone)
    start = end - USUAL_PERIOD if from_ is None else _instant(from_, "from", zone)
    known = [_instant(one, "failures", zone) for one in _split(failures)]
    request = ReplayRequest(start, end, tuple(known), 0, warning, warning_version)
    if max_cost is not None:
        return _report(_replay_by_api(url, agent, request, max_cost))
    return _report(await _replay_by_rules(database, row, request))


async def _replay_by_rules(
    database: Database, row: Agent, request: ReplayRequest
) -> Mapping[str, Any]:
    """Return the replay by rules alone, which costs nothing."""
    definition = read_definition(row.definition)
    replayed = await AgentReplayer(database, None).replay(row, definition, row.key_id, request)
    shown: Mapping[str, Any] = msgspec.to_builtins(replay_json(replayed, request))
    return shown


def _replay_by_api(
    url: str, agent: str, request: ReplayRequest, max_cost: str
) -> Mapping[str, Any]:
    """Return the replay of a gateway, which makes and bills predictions."""
    body = msgspec.json.encode(
        {
            "from": request.start,
            "to": request.end,
            "failures": request.failures,
            "max_cost": max_cost,
            "warning": request.warning,
            "warning_version": request.warning_version,
        }
    )
    with open_api(url) as http:
        path = f"/v1/agents/{agent}/replay"
        found: Mapping[str, Any] = require_success(send_request(http, "POST", path, body)).json()
    return found


def _report(found: Mapping[str, Any]) -> Report:
    """Return a replay as records and a table of episodes."""
    return Report(found, [Record("Replay:", _figures(found)), *_outcomes(found), _table(found)])


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a replay; rules that lacked readings are named."""
    predictions, covered = found["predictions"], found["covered"]
    figures = {
        "period": f"{found['from']} to {found['to']}",
        "checks": found["ticks"],
        "episodes": found["episode_count"],
        "notices": found["notices"],
        "actions": found["actions"],
        "predictions": (
            f"{predictions['made']} of {predictions['needed']} made, {predictions['failed']} "
            f"failed, cost {predictions['cost']}"
        ),
    }
    for name, share in covered.items():
        figures[f"readings of {name}"] = f"{share:.1%} of the checks"
    return figures


def _outcomes(found: Mapping[str, Any]) -> list[Record]:
    """Return the comparison with known failures, if any were given."""
    outcomes = found["outcomes"]
    alone = (found.get("without_warning") or {}).get("outcomes")
    records = [] if outcomes is None else [Record("With the known failures:", outcomes)]
    return records + ([] if alone is None else [Record("By fixed limits alone:", alone)])


def _table(found: Mapping[str, Any]) -> Table:
    """Return the episodes with what was recommended and why."""
    rows = [
        {
            "from": one["from"],
            "to": one["to"],
            "recommendation": one["assessment"]["action"],
            "basis": one["assessment"]["basis"],
            "rules": ", ".join(_rules(one["assessment"])),
        }
        for one in found["episodes"]
    ]
    return Table(rows, _EPISODES)


def _rules(assessment: Mapping[str, Any]) -> Sequence[str]:
    """Return the rules that were raised, and those that had no usable reading."""
    unusable = [f"{name} (no reading)" for name in assessment.get("unusable", ())]
    return [*assessment.get("raised", ()), *unusable]


def _split(texts: Sequence[str] | None) -> list[str]:
    """Return the times of all options."""
    return [part.strip() for text in texts or () for part in text.split(",") if part.strip()]


def _instant(text: str, field: str, zone: Any) -> datetime:
    """Return a time in UTC. Raises AgentReplayInvalid."""
    try:
        return parse_instant(datetime.fromisoformat(text), zone)
    except ValueError as error:
        raise AgentReplayInvalid(
            f"`{field}`: {text[:40]!r} is not a time such as 2026-11-01T08:00.", param=field
        ) from error
