"""`maas agents feedback`, `policies`, `limits` and `transfer`: the same as the API."""

import json
from datetime import timedelta

import pytest

from gateway.agents.store.agents import find_agent
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Asset, AssetLevel
from gateway.plant.store.asset_editing import create_asset
from gateway.plant.store.editing import Editing
from infra import ids
from infra.clock import SystemClock
from tests.support.gateway.agent_learning import add_decisions, add_limit
from tests.support.gateway.commands import Maas
from tests.support.nightly import nightly

_TOML = """
name = "Pump 7"
asset = "P-7"
rules = [{ name = "hot", tag = "P-7.T", above = 85, unit = "degC" }]
costs = { planned_stop = 1500, unplanned_stop = 12000, inspection = 120 }
learning = { enabled = true }
"""


@pytest.fixture
async def acme(maas: Maas) -> Maas:
    """The command with an account that has two assets."""
    firm = maas.firm
    async with firm.story.database.transaction() as session:
        editing = Editing(session, firm.story.clock, CLI_ACTOR, firm.account.id, PlantLimits())
        for code in ("P-7", "P-8"):
            await create_asset(editing, Asset(code, code, AssetLevel.EQUIPMENT))
    await maas.say("keys", "create", "Acme")
    return maas


@nightly
async def test_operator_gives_feedback_and_decides(acme: Maas) -> None:
    file = acme.folder / "agent.toml"
    file.write_text(_TOML, encoding="utf-8")
    agent = (await acme.say("agents", "create", "Acme", "--file", str(file)))["id"]
    async with acme.firm.story.database.transaction() as session:
        row = await find_agent(session, acme.firm.account.id, agent)
        start = SystemClock().now() - timedelta(days=3)
        (tick,) = await add_decisions(session, row, start, 1, each=1, known=False)
        limits = [await add_limit(session, row, start), await add_limit(session, row, start, "b")]
    place = ("Acme", agent)
    given = ("agents", "feedback", *place, ids.format_id("tick", tick))
    assert (await acme.say(*given, "corrected", "--no-fault"))["fault"] is False
    assert await acme.refuse(*given, "corrected") == "invalid_value"
    assert (await acme.say("agents", "learning", *place))["enabled"] is True
    assert await acme.say("agents", "policies", *place) == []
    assert await acme.refuse("agents", "policy-rollback", *place) == "agent_policy_not_ready"
    for command in ("policy-export", "policy-promote"):
        assert await acme.refuse("agents", command, *place, "apol_1") == "agent_policy_not_found"
    policy = acme.folder / "policy.json"
    for text in ("{", json.dumps({"content": "{}", "signature": ""})):
        policy.write_text(text, encoding="utf-8")
        refused = await acme.refuse("agents", "policy-import", *place, str(policy))
        assert refused == "agent_policy_invalid"
    assert len(await acme.say("agents", "rule-limits", *place)) == 2
    rejected = await acme.say("agents", "accept-limit", *place, limits[0], "--reject")
    assert rejected["status"] == "rejected"
    assert (
        await acme.refuse("agents", "accept-limit", *place, limits[1], "--accept")
        == "agent_limit_closed"
    )
    moved = ("agents", "transfer", *place, "P-8", "--dry-run")
    assert await acme.refuse(*moved) == "agent_transfer_invalid"
