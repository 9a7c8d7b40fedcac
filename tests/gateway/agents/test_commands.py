"""`maas agents`: the same changes as the API, by an operator."""

from pathlib import Path

import pytest

from gateway.agents.store.agents import find_agent
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Asset, AssetLevel
from gateway.plant.store.asset_editing import create_asset
from gateway.plant.store.editing import Editing
from infra.clock import SystemClock
from tests.support.gateway.agent_rows import add_proposal
from tests.support.gateway.commands import Maas

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
