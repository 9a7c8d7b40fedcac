"""`maas agents`: the same changes as the API, by an operator."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.agents.store.agents import find_agent
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Asset, AssetLevel
from gateway.plant.store.asset_editing import create_asset
from gateway.plant.store.editing import Editing
from infra.clock import SystemClock
from tests.support.gateway.agent_rows import add_proposal, add_recommendation
from tests.support.gateway.board_rows import add_waiting_task
from tests.support.gateway.commands import Maas
from tests.support.nightly import nightly

_TOML = """
name = "Pump 7"
asset = "P-7"
every = "5m"
rules = [{ name = "hot", tag = "P-7.T", above = 85, unit = "degC" }]
costs = { planned_stop = 1500, unplanned_stop = 12000, inspection = 120 }
"""


@pytest.fixture
async def acme(maas: Maas) -> Maas:
    """The command with an account that has an asset."""
    firm = maas.firm
    async with firm.story.database.transaction() as session:
        limits = PlantLimits()
        editing = Editing(session, firm.story.clock, CLI_ACTOR, firm.account.id, limits)
        await create_asset(editing, Asset("P-7", "Pump 7", AssetLevel.EQUIPMENT))
    await maas.say("keys", "create", "Acme")
    return maas


def written(folder: Path, text: str = _TOML) -> str:
    file = folder / "agent.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


async def proposal(acme: Maas, agent: str, hours_ago: int = 0) -> str:
    story = acme.firm.story
    async with story.database.transaction() as session:
        row = await find_agent(session, acme.firm.account.id, agent)
        return await add_proposal(session, SystemClock(), row, hours_ago)


async def test_agent_is_created_changed_switched_and_deleted(acme: Maas) -> None:
    made = await acme.say("agents", "create", "Acme", "--file", written(acme.folder))
    assert (made["status"], [one["code"] for one in made["warnings"]]) == (
        "paused",
        ["rule_without_point"],
    )
    agent = ("Acme", made["id"])
    hotter = written(acme.folder, _TOML.replace("85", "90"))
    change = ("agents", "change", *agent, "--file", hotter, "--expected-version", "1")
    assert (await acme.say(*change, "--key", made["key"]))["version"] == 2
    assert await acme.refuse(*change) == "agent_version_conflict"
    assert (await acme.say("agents", "restore", *agent, "1"))["definition"]["rules"][0][
        "above"
    ] == 85
    versions = await acme.say("agents", "versions", *agent)
    assert [one["version"] for one in versions] == [3, 2, 1]
    assert (await acme.say("agents", "activate", *agent))["status"] == "active"
    assert (await acme.say("agents", "pause", *agent))["status"] == "paused"
    assert (await acme.say("agents", "show", *agent))["version"] == 3
    listed = await acme.say("agents", "list", "Acme", "--asset", "P-7")
    assert [one["id"] for one in listed] == [made["id"]]
    await acme.say("agents", "delete", *agent)
    assert await acme.refuse("agents", "show", *agent) == "agent_not_found"


async def test_agent_of_a_template_acts_after_approval(acme: Maas) -> None:
    templates = await acme.say("agents", "templates")
    assert "pump-monitor" in [one["id"] for one in templates]
    place = ("--template", "pump-monitor", "--asset", "P-7", "--name", "Pump")
    made = await acme.say("agents", "create", "Acme", *place)
    first, second = await proposal(acme, made["id"], 1), await proposal(acme, made["id"])
    assert (await acme.say("agents", "approve", "Acme", first))["status"] == "executed"
    assert (await acme.say("agents", "undo", "Acme", first))["status"] == "undone"
    assert (await acme.say("agents", "reject", "Acme", second))["status"] == "rejected"
    query = ("--agent", made["id"], "--status", "undone")
    listed = await acme.say("agents", "actions", "Acme", *query)
    assert [one["id"] for one in listed] == [first]
    ticks = await acme.say("agents", "ticks", "Acme", made["id"])
    assert [one["decision"] for one in ticks] == ["inspect", "inspect"]
    assert await acme.say("agents", "days", "Acme", made["id"]) == []
    assert await acme.refuse("agents", "create", "Acme") == "agent_definition_invalid"


@nightly
async def test_team_is_created_changed_listed_and_deleted(acme: Maas) -> None:
    made = await acme.say("agents", "teams", "create", "Acme", "Pumps", "--per-day", "5")
    assert (made["name"], made["budget"]["per_day"], made["opinions"]) == (
        "Pumps",
        "5.000000000",
        1,
    )
    team, more = ("Acme", made["id"]), ("--per-month", "50", "--changes", "3", "--opinions", "2")
    changed = await acme.say("agents", "teams", "change", *team, *more)
    assert (changed["budget"]["per_day"], changed["budget"]["per_month"]) == (
        "5.000000000",
        "50.000000000",
    )
    assert changed["oscillation"] == {"changes": 3, "window": "1h"}
    assert [one["id"] for one in await acme.say("agents", "teams", "list", "Acme")] == [made["id"]]
    joined = f'{_TOML}\n[board]\nteam = "Pumps"\nrole = "monitor"\n'
    member = await acme.say("agents", "create", "Acme", "--file", written(acme.folder, joined))
    shown = await acme.say("agents", "teams", "show", *team)
    assert [(one["agent"], one["role"]) for one in shown["members"]] == [(member["id"], "monitor")]
    assert await acme.refuse("agents", "teams", "delete", *team) == "agent_team_in_use"
    await acme.say("agents", "delete", "Acme", member["id"])
    assert (await acme.say("agents", "teams", "delete", *team))["deleted"] is True
    unknown = ("agents", "create", "Acme", "--file", written(acme.folder, joined))
    assert await acme.refuse(*unknown) == "agent_team_not_found"


@nightly
async def test_task_that_waits_is_answered_and_its_successor_cancelled(acme: Maas) -> None:
    made = await acme.say("agents", "create", "Acme", "--file", written(acme.folder))
    async with acme.firm.story.database.transaction() as session:
        agent = await find_agent(session, acme.firm.account.id, made["id"])
        team, task = (await add_waiting_task(session, SystemClock(), agent)).values()
    shown = await acme.say("agents", "tasks", "show", "Acme", task)
    assert (shown["status"], shown["kind"]) == ("waiting", "review")
    assert len(shown["tasks"]) == 2
    answer = ("agents", "tasks", "answer", "Acme", task, "--probability", "0.7")
    answered = await acme.say(*answer, "--note", "Heard it.")
    assert (answered["status"], answered["result"]["note"]) == ("done", "Heard it.")
    assert await acme.refuse(*answer) == "agent_task_closed"
    query = ("--status", "announced", "--team", team)
    (plan,) = await acme.say("agents", "tasks", "list", "Acme", *query)
    assert (plan["kind"], plan["stated_probability"], plan["team"]) == ("plan", 0.7, team)
    cancelled = await acme.say("agents", "tasks", "cancel", "Acme", plan["id"])
    assert cancelled["status"] == "cancelled"
    events = (await acme.say("agents", "tasks", "show", "Acme", plan["id"]))["events"]
    assert [one["kind"] for one in events] == ["announced", "cancelled"]


async def test_replay_shows_episodes_and_what_a_known_failure_would_have_cost(acme: Maas) -> None:
    made = await acme.say("agents", "create", "Acme", "--file", written(acme.folder))
    agent = ("Acme", made["id"])
    period = ("--from", "2026-01-01T00:00", "--to", "2026-01-02T00:00+08:00")
    found = await acme.say("agents", "replay", *agent, *period, "--failures", "2026-01-01T12:00")
    assert (found["ticks"], found["episode_count"]) == (288, 1)
    assert found["outcomes"]["caught"] == 1
    told = await acme.tell("agents", "replay", *agent, *period)
    assert "hot (no reading)" in told
    assert "0.0% of the checks" in told
    for option, code in (
        (("--from", "soon"), "agent_replay_invalid"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "agent_replay_invalid"),
        (("--max-cost", "1"), "api_unreachable"),
    ):
        assert await acme.refuse("agents", "replay", *agent, *option) == code


async def test_run_is_queued_once_until_a_gateway_takes_it_up(acme: Maas) -> None:
    made = await acme.say("agents", "create", "Acme", "--file", written(acme.folder))
    agent = ("Acme", made["id"])
    assert await acme.refuse("agents", "run", *agent) == "agent_not_active"
    await acme.say("agents", "activate", *agent)
    ask = ("agents", "run", *agent, "--wait", "0", "--idempotency-key", "night")
    first = await acme.say(*ask, "--max-cost", "0.05", "--key", made["key"])
    assert (first["status"], first["max_cost"]) == ("queued", "0.050000000")
    assert (await acme.say(*ask, "--max-cost", "0.05"))["id"] == first["id"]
    assert await acme.refuse(*ask) == "idempotency_key_reused"
    assert await acme.refuse("agents", "run", *agent, "--wait", "0") == "agent_running"
    assert [one["id"] for one in await acme.say("agents", "runs", *agent)] == [first["id"]]
    assert "waits for a gateway" in await acme.tell(*ask, "--max-cost", "0.05")


async def test_savings_and_report_show_recommendations_with_what_became_of_them(
    acme: Maas,
) -> None:
    made = await acme.say("agents", "create", "Acme", "--file", written(acme.folder))
    agent, story = ("Acme", made["id"]), acme.firm.story
    empty = await acme.say("agents", "savings", *agent)
    assert (empty["recommendations"], empty["total"]["observed_saving"]) == ([], None)
    now = SystemClock().now()
    async with story.database.transaction() as session:
        row = await find_agent(session, acme.firm.account.id, made["id"])
        for days in (9, 0):
            await add_recommendation(session, row, now - timedelta(days=days))
    found = await acme.say("agents", "savings", *agent, "--interval", "day", "--days", "10")
    assert [one["status"] for one in found["recommendations"]] == ["open", "unconfirmed"]
    assert len(found["periods"]) == 10
    table = await acme.tell("agents", "savings", *agent)
    for text in ("1139.000000000", "-120.000000000 to 0.000000000", "unconfirmed"):
        assert text in table
    report = await acme.say("agents", "report", *agent)
    assert [one["ticks"] for one in report["situations"]] == [1]
    assert "vibration" in await acme.tell("agents", "report", *agent)
