"""From the decision of an agent to a value at a machine: limits, one writer, renewal, undo."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from billing.outcomes.evidence.signatures import generate_key_pair
from gateway.agents.assessment import Assessment, Basis
from gateway.agents.commands.planning import planned_writes
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.agents.store.agents import AgentChange, change_definition
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.commands.exchange import EXCHANGE_PATH
from models.policies.maintenance.policy import Action
from tests.support.billing.making import sql
from tests.support.builders import Gateway, customer
from tests.support.gateway.agent_api import client, post
from tests.support.gateway.agents import PREDICTION, definition
from tests.support.gateway.commanded_works import AGENTS, DEAD_MAN, STEP, CommandedWorks
from tests.support.gateway.errors import error_of
from tests.support.gateway.watched_pumps import PUMP, RULE, agent_row, import_pump, read
from tests.support.plant.commands import CONNECTOR, TAG, point


@asynccontextmanager
async def working(gateway: Gateway, folder: Path) -> AsyncIterator[CommandedWorks]:
    works = CommandedWorks(gateway, folder)
    yield works
    works.journal.close()


@pytest.fixture
async def works(gateway: Gateway, tmp_path: Path) -> AsyncIterator[CommandedWorks]:
    await import_pump(gateway)
    await read(gateway, 9.0)
    async with working(gateway, tmp_path) as started:
        yield started


async def test_agent_writes_renews_and_is_undone(works: CommandedWorks) -> None:
    await works.add_limits(DEAD_MAN)
    agent = await works.agent()
    await works.tick()
    await works.exchange()
    (command,) = await works.listed("commands")
    assert (command["status"], command["value_before"], command["value_read"]) == ("done", 4.0, 3.0)
    (action,) = await works.listed("actions")
    assert (action["kind"], action["status"]) == ("write", "executed")
    assert action["reason"]["rules"][0]["value"] == 9.0
    (connector,) = await works.listed("connectors")
    assert (connector["name"], connector["tags"]) == (CONNECTOR, [TAG])
    wanted = works.timers.armed[TAG].wanted_at
    await works.tick()
    await works.exchange()
    assert works.timers.armed[TAG].wanted_at > wanted
    newest = (await works.listed("commands"))[0]
    undone = await post(works.gateway, f"{AGENTS}/actions/{newest['action']}/undo")
    assert undone["status"] == "undone"
    await works.exchange()
    last = (await works.listed("commands"))[0]
    assert (last["is_undo"], last["agent"]) == (True, agent)


async def test_second_agent_on_a_valve_is_refused_until_the_first_is_undone(
    works: CommandedWorks,
) -> None:
    await works.add_limits()
    first = await works.agent(cooldown="1d")
    await works.tick()
    await works.exchange()
    second = await works.agent(autonomy="approve", name="Second", cooldown="1d")
    await works.tick()
    path = f"{AGENTS}/actions?agent={second}"
    (proposal,) = (await works.gateway.http.get(path)).json()["data"]
    approve = f"{AGENTS}/actions/{proposal['id']}/approve"
    refused = await works.gateway.http.post(approve)
    error = error_of(refused)
    assert (refused.status_code, error["param"]) == (409, "point_busy")
    assert first in error["message"]
    (action,) = (await works.gateway.http.get(f"{AGENTS}/actions?agent={first}")).json()["data"]
    await post(works.gateway, f"{AGENTS}/actions/{action['id']}/undo")
    await works.exchange()
    assert works.valve.writes == [3.0, 4.0]
    assert (await post(works.gateway, approve))["status"] == "executed"
    await works.exchange()
    assert works.valve.value == 3.0


async def test_changed_value_is_written_within_the_cooldown_as_soon_as_the_limits_allow(
    works: CommandedWorks,
) -> None:
    await works.add_limits(point(min_interval_s=300.0))
    steps = [STEP, {**STEP, "value": 5.0, "when": "stop"}]
    agent = await works.agent(cooldown="1d", commands=steps)
    await works.tick()
    await works.exchange()
    await works.tick()  # the same value waits for the cooldown
    assert works.valve.writes == [3.0]
    database, row = works.gateway.parts.database, await agent_row(works.gateway, agent)
    # As if another value had been written before: 3 is a change, but it comes too soon.
    state = {**row.state, "written": {TAG: 5.0}}
    change = "update agent set state = cast(:state as jsonb) where id = :id"
    await sql(database, change, state=json.dumps(state), id=row.id)
    await works.tick()
    assert len(await works.listed("actions")) == 1
    assert (await agent_row(works.gateway, agent)).state["written"] == {TAG: 5.0}
    earlier = "update agent_command set created_at = created_at - interval '301 s'"
    await sql(database, earlier)
    await works.tick()
    newest = (await works.listed("actions"))[0]
    assert (newest["status"], len(await works.listed("actions"))) == ("executed", 2)
    assert (await agent_row(works.gateway, agent)).state["written"] == {TAG: 3.0}


async def test_of_two_agents_approved_at_once_one_commands_the_valve(
    works: CommandedWorks,
) -> None:
    await works.add_limits()
    for name in ("First", "Second"):
        await works.agent(autonomy="approve", name=name)
    await works.tick()
    approvals = [f"{AGENTS}/actions/{one['id']}/approve" for one in await works.listed("actions")]
    answers = await asyncio.gather(*(works.gateway.http.post(one) for one in approvals))
    assert sorted(one.status_code for one in answers) == [200, 409]
    assert len(await works.listed("commands")) == 1


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"commands": [{**STEP, "value": 9.0}]}, "value_outside"),
        ({"commands": [{**STEP, "unit": "kPa"}]}, "unit_differs"),
        ({"commands": [{**STEP, "tag": "P-102.SP"}]}, "limits_missing"),
    ],
)
async def test_write_outside_the_limits_fails_with_the_reason(
    works: CommandedWorks, fields: dict[str, Any], refusal: str
) -> None:
    await works.add_limits()
    await works.agent(**fields)
    await works.tick()
    (action,) = await works.listed("actions")
    assert (action["status"], action["content"]["refusal"]["code"]) == ("failed", refusal)
    assert await works.listed("commands") == []


async def test_gateway_that_sends_too_much_is_refused_by_the_connector(
    works: CommandedWorks,
) -> None:
    await works.add_limits()
    await works.agent()
    await works.tick()
    database = works.gateway.parts.database
    await sql(database, "update agent_command set value = 99, unit = 'bar'")
    await works.exchange()
    (command,) = await works.listed("commands")
    assert (command["status"], command["code"]) == ("refused", "value_outside")
    (action,) = await works.listed("actions")
    assert action["status"] == "failed"
    assert works.valve.writes == []


async def test_changed_agent_and_late_command_reach_no_machine(works: CommandedWorks) -> None:
    await works.add_limits()
    agent = await works.agent()
    await works.tick()
    parts = works.gateway.parts
    async with parts.database.transaction() as session:
        change = AgentChange(session, parts.clock, CLI_ACTOR, works.gateway.account.id)
        new = definition(asset=PUMP, rules=[RULE])
        await change_definition(change, agent, new)
    await works.exchange()
    (command,) = await works.listed("commands")
    assert (command["status"], command["code"]) == ("cancelled", "agent_changed")
    await works.agent(name="Second")
    await works.tick()
    await sql(
        parts.database,
        "update agent_command set not_after = created_at - interval '1 s' where status = 'queued'",
    )
    await works.exchange()
    assert (await works.listed("commands"))[0]["status"] == "expired"
    assert works.valve.writes == []


async def test_silent_sensor_writes_nothing_and_renews_nothing(works: CommandedWorks) -> None:
    await works.add_limits(DEAD_MAN)
    silent = {"name": "silent", "tag": "P-101.T", "above": 80, "unit": "degC"}
    await works.agent(rules=[RULE, silent], actions=["write", "work_order"])
    await works.tick()
    assert [one["kind"] for one in await works.listed("actions")] == ["work_order"]


async def test_false_value_that_its_device_marks_as_bad_writes_nothing(
    works: CommandedWorks,
) -> None:
    await works.add_limits()
    now = works.gateway.parts.clock.now().isoformat()
    false = {"tag": "P-101.V", "time": now, "value": 400.0, "quality": "bad"}
    await post(works.gateway, "/v1/plant/readings", {"readings": [false]})
    await works.agent(cooldown="1d")
    await works.tick()
    await works.exchange()
    assert (await works.listed("actions"), works.valve.writes) == ([], [])


async def test_frozen_sensor_writes_nothing_until_it_moves(works: CommandedWorks) -> None:
    await works.add_limits()
    await read(works.gateway, 9.0)
    await works.agent(commands=[{**STEP, "moving_within": "1h"}])
    await works.tick()
    (action,) = await works.listed("actions")
    assert action["content"]["refusal"]["code"] == "sensor_frozen"
    await read(works.gateway, 9.5)
    await works.agent(name="Second", commands=[{**STEP, "moving_within": "1h"}])
    await works.tick()
    assert (await works.listed("actions"))[0]["status"] == "executed"


async def test_proposal_of_an_earlier_version_reaches_no_machine(works: CommandedWorks) -> None:
    await works.add_limits()
    agent = await works.agent(autonomy="approve")
    await works.tick()
    (action,) = await works.listed("actions")
    shown = (await works.gateway.http.get(f"{AGENTS}/{agent}")).json()["definition"]
    await post(works.gateway, f"{AGENTS}/{agent}", {"definition": shown})
    refused = await works.gateway.http.post(f"{AGENTS}/actions/{action['id']}/approve")
    assert (refused.status_code, error_of(refused)["param"]) == (409, "agent_changed")
    assert await works.listed("commands") == []


class TestLimits:
    async def test_revoked_and_replaced_limits_end_commands(self, works: CommandedWorks) -> None:
        first = await works.add_limits()
        await works.add_limits(point(maximum=2.5))
        await works.agent()
        await works.tick()
        (action,) = await works.listed("actions")
        assert action["content"]["refusal"]["code"] == "value_outside"
        for one in await works.listed("limits"):
            revoked = await post(works.gateway, f"{AGENTS}/limits/{one['id']}/revoke")
            assert revoked["status"] == "revoked"
        await works.agent(name="Second")
        await works.tick()
        newest = (await works.listed("actions"))[0]
        assert newest["content"]["refusal"]["code"] == "limits_missing"
        shown = (await works.gateway.http.get(f"{AGENTS}/limits/{first['id']}")).json()
        assert shown["limits"].count(".") == 2

    async def test_document_is_added_once_and_only_with_its_key_and_account(
        self, works: CommandedWorks
    ) -> None:
        token, public = works.signed(), works.public
        body = {"limits": token, "public_key": public}
        first, again = [await post(works.gateway, f"{AGENTS}/limits", body) for _ in range(2)]
        assert first["id"] == again["id"]
        other = generate_key_pair()[1].decode()
        parts = token.split(".")
        wrong = [
            {"limits": token, "public_key": other},
            {"limits": works.signed(account="acct_other"), "public_key": public},
            {"limits": f"{parts[0]}.{parts[1]}x.{parts[2]}", "public_key": public},
            {"limits": "", "public_key": public},
            {"limits": token, "public_key": "none"},
        ]
        for body in wrong:
            answer = await works.gateway.http.post(f"{AGENTS}/limits", json=body)
            error = error_of(answer)
            assert (answer.status_code, error["code"]) == (400, "command_limits_untrusted")

    async def test_other_account_sees_and_changes_nothing(self, works: CommandedWorks) -> None:
        made = await works.add_limits()
        await works.agent()
        await works.tick()
        (command,) = await works.listed("commands")
        parts = works.gateway.parts
        _, key = await customer(parts.database, parts.settings, "Stranger of valves")
        report = {
            "command": command["id"], "tag": TAG, "status": "done",
            "at": parts.clock.now().isoformat(),
        }  # fmt: skip
        async with client(works.gateway, key.secret) as http:
            for path in (f"limits/{made['id']}", f"commands/{command['id']}"):
                assert (await http.get(f"{AGENTS}/{path}")).status_code == 404
            revoke = await http.post(f"{AGENTS}/limits/{made['id']}/revoke")
            assert revoke.status_code == 404
            sent = {"connector": CONNECTOR, "reports": [report]}
            answer = await http.post(EXCHANGE_PATH, json=sent)
            assert answer.json() == {"limits": None, "commands": [], "renewals": []}
        assert (await works.listed("commands"))[0]["status"] == "queued"


@pytest.mark.parametrize(
    ("commands", "actions", "param"),
    [
        ([STEP], ["work_order"], "commands"),
        ([], ["write"], "commands"),
        ([{**STEP, "between": [1, 2]}], ["write"], "commands[0]"),
        ([{"tag": TAG, "between": [1, 2]}], ["write"], "commands[0].between"),
        ([{**STEP, "unit": "furlongs-per-x"}], ["write"], "commands[0].unit"),
        ([{**STEP, "valid_for": "2d"}], ["write"], "commands[0].valid_for"),
        ([{**STEP, "tag": " "}], ["write"], "commands[0].tag"),
        ([STEP, STEP], ["write"], "commands"),
    ],
)
def test_invalid_commands_of_a_definition_are_refused(
    commands: Any, actions: list[str], param: str
) -> None:
    with pytest.raises(AgentDefinitionInvalid) as raised:
        definition(autonomy="act", actions=actions, commands=commands)
    assert raised.value.param == param


def test_value_between_two_is_chosen_by_the_failure_probability() -> None:
    agent = definition(
        autonomy="act",
        actions=["write"],
        prediction=PREDICTION,
        commands=[{"tag": TAG, "between": [50, 20], "unit": "%"}],
    )
    stops = Assessment(action=Action.STOP, basis=Basis.PREDICTION, failure_probability=0.5)
    (write,) = planned_writes(agent.commands, stops)
    assert (write.tag, write.value, write.unit) == (TAG, 35.0, "percent")
    for other in (
        Assessment(action=Action.INSPECT, basis=Basis.PREDICTION, failure_probability=0.5),
        Assessment(action=Action.STOP, basis=Basis.PREDICTION),
        Assessment(
            action=Action.STOP, basis=Basis.PREDICTION, failure_probability=0.5, unusable=("x",)
        ),
        Assessment(action=Action.STOP, basis=Basis.RULES, failure_probability=0.5),
    ):
        assert planned_writes(agent.commands, other) == ()


async def test_stored_definition_is_shown_as_written(works: CommandedWorks) -> None:
    agent = await works.agent()
    row = await agent_row(works.gateway, agent)
    shown = (await works.gateway.http.get(f"{AGENTS}/{agent}")).json()["definition"]
    assert shown["commands"] == [{**STEP, "valid_for": "15m"}]
    assert row.definition["commands"][0]["valid_s"] == 900.0
