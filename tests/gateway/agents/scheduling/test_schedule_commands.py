"""`maas agents schedule…`: the same as the API, by an operator."""

from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Asset, AssetLevel
from gateway.plant.store.asset_editing import create_asset
from gateway.plant.store.editing import Editing
from infra import ids
from tests.support.gateway.commands import Maas


async def test_schedule_is_shown_and_refused_without_readings(maas: Maas) -> None:
    firm = maas.firm
    async with firm.story.database.transaction() as session:
        editing = Editing(session, firm.story.clock, CLI_ACTOR, firm.account.id, PlantLimits())
        await create_asset(editing, Asset("T-1", "Tank", AssetLevel.EQUIPMENT))
    await maas.say("keys", "create", "Acme")
    place = ("--template", "energy-scheduler", "--asset", "T-1", "--name", "Tank")
    made = await maas.say("agents", "create", "Acme", *place)
    assert {one["code"] for one in made["warnings"]} == {"schedule_without_point"}
    agent = ("Acme", made["id"])
    shown = await maas.say("agents", "schedule", *agent)
    assert (shown["status"], shown["reason"], shown["plan"]) == ("blind", "level_no_point", [])
    assert await maas.say("agents", "schedule-days", *agent) == []
    assert await maas.say("agents", "schedule-policies", *agent) == []
    code = "agent_schedule_log_insufficient"
    assert await maas.refuse("agents", "schedule-learn", *agent, "--days", "30") == code
    code = "agent_schedule_policy_not_found"
    policy = ids.format_id("spol", ids.new_id())
    assert await maas.refuse("agents", "schedule-promote", *agent, policy) == code
    assert await maas.refuse("agents", "schedule-rollback", *agent) == code
