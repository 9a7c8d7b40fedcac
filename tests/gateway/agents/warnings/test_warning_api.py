"""A learned warning rule from past events to ticks, the ledger, a replay and roll-back."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import Gateway
from tests.support.gateway.agent_api import PATH, post
from tests.support.gateway.errors import error_of
from tests.support.gateway.tank_api import tick
from tests.support.gateway.warning_machines import (
    RULES,
    events,
    machine,
    rule_body,
    start,
    train_all,
    training_body,
)
from tests.support.nightly import nightly


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: the test has an asset of its own."""
    return shared_gateway


async def agent_of(gateway: Gateway, code: str, **warning: Any) -> str:
    """Create an agent without rules that uses the learned warning of a machine."""
    section = {"rule": f"wear {code}", "horizon": 1, "stale_after": "2h", **warning}
    definition = {
        "name": "Wear",
        "asset": code,
        "costs": {"planned_stop": 1500, "unplanned_stop": 12000, "inspection": 120},
        "warning": section,
    }
    made = await post(gateway, PATH, {"definition": definition})
    assert [one["code"] for one in made["warnings"]] == ["learned_warning_unusable"]
    return str(made["id"])


async def newest_tick(gateway: Gateway, agent: str) -> dict[str, Any]:
    return dict((await gateway.http.get(f"{PATH}/{agent}/ticks")).json()["data"][0])


async def test_rule_is_trained_used_in_ticks_replayed_and_taken_back(gateway: Gateway) -> None:
    code = await machine(gateway, with_event_now=True)
    made = await post(gateway, RULES, rule_body(code))
    path = f"{RULES}/{made['id']}"
    queued = await post(gateway, f"{path}/train", training_body())
    assert (queued["version"], queued["status"]) == (1, "queued")
    again = await gateway.http.post(f"{path}/train", json=training_body())
    assert error_of(again)["code"] == "learned_warning_training"
    agent = await agent_of(gateway, code, event="pump_failure")
    early = await gateway.http.post(f"{path}/versions/1/activate")
    assert error_of(early)["code"] == "learned_warning_not_ready"
    await train_all(gateway)
    version = (await gateway.http.get(f"{path}/versions/1")).json()
    assert version["status"] == "ready", version["error"]
    report = version["report"]
    assert report["events"] == 6
    assert report["learned"]["cost"] < report["fixed"]["cost"]
    assert report["fixed"]["point"] in (f"{code}.A", f"{code}.B")
    file = await gateway.http.get(f"{path}/versions/1/file")
    assert file.json()["sensors"] == [f"{code}.A", f"{code}.B"]

    # Before it is used, the agent can be replayed with it, next to its limits alone.
    asked = {
        "from": (start() + timedelta(days=4)).isoformat(),
        "to": (start() + timedelta(days=26)).isoformat(),
        "failures": training_body()["events"],
        "warning_version": 1,
    }
    replayed = await post(gateway, f"{PATH}/{agent}/replay", asked)
    assert replayed["outcomes"]["caught"] == 6
    assert replayed["without_warning"]["outcomes"]["caught"] == 0
    assert replayed["warning"] == {"rule": made["id"], "version": 1, "problem": ""}

    await tick(gateway, agent)
    blind = await newest_tick(gateway, agent)
    assert blind["assessment"]["warning"]["problem"] == "no_version"
    assert blind["assessment"]["action"] == "inspect"  # nothing is known of the machine

    used = await post(gateway, f"{path}/versions/1/activate")
    assert (used["status"], used["accepted_by"]) == ("active", None)
    await tick(gateway, agent, hours=2)
    found = (await newest_tick(gateway, agent))["assessment"]
    assert found["basis"] == "prediction"
    assert found["action"] in ("inspect", "stop")
    assert found["failure_probability"] == found["warning"]["probability"] > 0.5
    assert 0 < found["warning"]["threshold"] < 1
    assert {one["point"] for one in found["warning"]["reasons"]} <= {f"{code}.A", f"{code}.B"}
    ledger = (await gateway.http.get("/v1/predictions/records?limit=1")).json()["data"][0]
    assert ledger["subject"] == code
    assert ledger["basis"]["model"] == "learned-warning"
    assert ledger["basis"]["version"] == f"{made['id']}/1"
    assert ledger["verdict"] == "yes"

    back = await post(gateway, f"{path}/rollback")
    assert back["status"] == "rolled_back"
    none = await gateway.http.post(f"{path}/rollback")
    assert error_of(none)["code"] == "learned_warning_not_ready"
    deleted = await gateway.http.delete(path)
    assert deleted.json()["deleted"]
    assert error_of(await gateway.http.get(path))["code"] == "learned_warning_not_found"
    await tick(gateway, agent, hours=3)
    gone = (await newest_tick(gateway, agent))["assessment"]["warning"]
    assert gone["problem"] == "no_rule"


@nightly
async def test_rule_that_is_not_shown_to_be_better_needs_the_owners_acceptance(
    gateway: Gateway,
) -> None:
    code = await machine(gateway)
    path = f"{RULES}/{(await post(gateway, RULES, rule_body(code)))['id']}"
    few = await gateway.http.post(f"{path}/train", json=training_body(1))
    assert error_of(few)["code"] == "learned_warning_invalid"
    assert "at least 2" in error_of(few)["message"]
    await post(gateway, f"{path}/train", training_body(3))
    await train_all(gateway)
    version = (await gateway.http.get(f"{path}/versions/1")).json()
    assert version["status"] == "rejected"
    assert "too_few_events" in version["report"]["reasons"]
    refused = await gateway.http.post(f"{path}/versions/1/activate")
    assert error_of(refused)["code"] == "learned_warning_not_shown"
    used = await post(gateway, f"{path}/versions/1/activate", {"accept": True})
    assert used["status"] == "active"
    assert used["accepted_by"].startswith("key_")

    # The next version replaces it, and taking that back uses the first one again.
    await post(gateway, f"{path}/train", training_body())
    await train_all(gateway)
    await post(gateway, f"{path}/versions/2/activate")
    assert (await post(gateway, f"{path}/rollback"))["version"] == 2
    shown = (await gateway.http.get(path)).json()
    assert shown["active_version"] == 1
    assert [one["status"] for one in shown["versions"]] == ["rolled_back", "active"]


async def test_training_without_readings_fails_with_figures(gateway: Gateway) -> None:
    code = await machine(gateway)
    body = rule_body(code, points=[f"{code}.A", f"{code}.missing"])
    path = f"{RULES}/{(await post(gateway, RULES, body))['id']}"
    await post(gateway, f"{path}/train", training_body())
    await train_all(gateway)
    version = (await gateway.http.get(f"{path}/versions/1")).json()
    assert version["status"] == "failed"
    assert f"{code}.missing" in version["error"]
    last = events()[-1] + timedelta(days=2)
    late = {**training_body(), "from": last.isoformat()}
    refused = await gateway.http.post(f"{path}/train", json=late)
    assert error_of(refused)["param"] == "events"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": " "}, "name"),
        ({"points": []}, "points"),
        ({"every": "90s"}, "every"),
        ({"horizon": "30m"}, "horizon"),
        ({"lead": "1d"}, "lead"),
        ({"repeat": "2d"}, "repeat"),
        ({"miss": 0}, "miss"),
        ({"normal": "2h"}, "normal"),
        ({"recovery": "soon"}, "recovery"),
    ],
)
async def test_impossible_settings_are_refused(
    gateway: Gateway, fields: dict[str, Any], param: str
) -> None:
    refused = await gateway.http.post(RULES, json=rule_body("nowhere", **fields))
    assert refused.status_code == 400
    assert error_of(refused)["param"] == param
