"""`/v1/agents` over HTTP: create, change, switch and delete agents, and decide about actions."""

from typing import Any

import pytest

from gateway.access.api_keys import revoke_key
from gateway.access.key_limits import KeyLimits, change_limits
from gateway.identity.audit_log import CLI_ACTOR, list_account_entries
from infra import ids
from tests.support.builders import Gateway, customer
from tests.support.gateway.agent_api import (
    PATH,
    asset,
    client,
    create,
    new_key,
    post,
    propose,
    restricted,
    rule,
)
from tests.support.gateway.agents import PREDICTION, document
from tests.support.gateway.errors import error_of
from tests.support.gateway.projects import add_project
from tests.support.gateway.warning_machines import add_rule
from tests.support.plant.routes import routes_below

TOML = """
name = "Pump 7"
asset = "ASSET"
rules = [{ name = "hot", tag = "NONE", above = 85, unit = "degC" }]
costs = { planned_stop = 1500, unplanned_stop = 12000, inspection = 120 }
"""


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: each test has assets of its own."""
    return shared_gateway


class TestCreation:
    async def test_definition_as_json_becomes_a_paused_agent(self, gateway: Gateway) -> None:
        made = await create(gateway)
        assert (made["object"], made["status"], made["version"]) == ("agent", "paused", 1)
        assert made["key"] == ids.format_id("key", gateway.key.row.id)
        assert made["spent"] == {"day": "0.000000000", "month": "0.000000000"}
        assert [one["code"] for one in made["warnings"]] == ["rule_without_readings"]
        shown = (await gateway.http.get(f"{PATH}/{made['id']}")).json()
        assert shown == {key: value for key, value in made.items() if key != "warnings"}

    async def test_shown_definition_can_be_sent_again_unchanged(self, gateway: Gateway) -> None:
        made = await create(gateway, prediction=PREDICTION, actions=["work_order"], every="90s")
        change = {"definition": made["definition"]}
        changed = await post(gateway, f"{PATH}/{made['id']}", change)
        assert (changed["version"], changed["definition"]) == (2, made["definition"])

    async def test_toml_text_becomes_an_agent(self, gateway: Gateway) -> None:
        text = TOML.replace("ASSET", await asset(gateway))
        headers = {"content-type": "application/toml"}
        answer = await gateway.http.post(PATH, content=text.encode(), headers=headers)
        assert answer.status_code == 200, answer.text
        assert [one["code"] for one in answer.json()["warnings"]] == ["rule_without_point"]
        changed = await gateway.http.post(
            f"{PATH}/{answer.json()['id']}?expected_version=1",
            content=text.replace("above = 85", "above = 90").encode(),
            headers=headers,
        )
        assert changed.json()["definition"]["rules"][0]["above"] == 90

    async def test_template_is_filled_and_overridden(self, gateway: Gateway) -> None:
        body = {
            "template": "pump-monitor",
            "asset": await asset(gateway),
            "name": "Pump 9",
            "overrides": {"every": "5m", "budget": {"per_tick": "0.01"}},
        }
        made = await post(gateway, PATH, body)
        definition = made["definition"]
        assert (definition["template"], definition["every"]) == ("pump-monitor", "5m")
        assert definition["budget"]["per_tick"] == "0.010000000"
        assert definition["budget"]["per_day"] == "1.000000000"

    async def test_templates_are_listed_in_both_languages(self, gateway: Gateway) -> None:
        listed = (await gateway.http.get(f"{PATH}/templates")).json()["data"]
        assert {"pump-monitor", "bearing-monitor"} <= {one["id"] for one in listed}
        assert all(set(one["title"]) == {"en", "zh"} for one in listed)

    async def test_idempotency_key_creates_one_agent(self, gateway: Gateway) -> None:
        code = await asset(gateway)
        body = {"definition": document(asset=code, rules=[rule(code)])}
        key = {"idempotency-key": ids.new_id().hex}
        first, second = [await post(gateway, PATH, body, **key) for _ in range(2)]
        assert first["id"] == second["id"]
        listed = (await gateway.http.get(f"{PATH}?asset={code}")).json()
        assert [one["id"] for one in listed["data"]] == [first["id"]]

    @pytest.mark.parametrize(
        ("body", "status", "code", "param"),
        [
            ({}, 400, "invalid_value", "definition"),
            ({"definition": {}, "template": "x"}, 400, "invalid_value", "definition"),
            ({"definition": {}}, 400, "agent_definition_invalid", None),
            ({"definition": document(), "name": "x"}, 400, "invalid_value", "template"),
            ({"template": "x", "asset": "A", "name": "B"}, 404, "agent_template_not_found",
             "template"),
            ({"definition": document(asset="NOWHERE")}, 404, "plant_node_not_found", None),
            ({"definition": document(name="a\0b")}, 400, "agent_definition_invalid", "definition"),
            ({"definition": document(), "key": "key_1"}, 404, "key_not_found", "key"),
            ({"definition": document(), "limit": 1}, 400, "invalid_value", "limit"),
        ],
    )  # fmt: skip
    async def test_invalid_request_is_refused_and_creates_nothing(
        self, gateway: Gateway, body: Any, status: int, code: str, param: str | None
    ) -> None:
        answer = await gateway.http.post(PATH, json=body)
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (status, code), answer.text
        if param is not None:
            assert error["param"] == param

    async def test_malformed_toml_and_huge_bodies_are_refused(self, gateway: Gateway) -> None:
        headers = {"content-type": "application/toml"}
        for content, status in ((b"name = ", 400), (b"\xff", 400), (b"x" * (200 << 10), 413)):
            answer = await gateway.http.post(PATH, content=content, headers=headers)
            assert answer.status_code == status, answer.text

    async def test_warnings_name_unit_model_and_point(self, gateway: Gateway) -> None:
        code = await asset(gateway)
        rules = [rule(code, unit="degC"), rule(code, name="gone", tag="NONE", unit="mm/s")]
        prediction = {**PREDICTION, "model": "no-such-model"}
        made = await create(gateway, asset=code, rules=rules, prediction=prediction)
        assert [(one["code"], one["param"]) for one in made["warnings"]] == [
            ("rule_unit_not_convertible", "rules[0].unit"),
            ("rule_without_point", "rules[1]"),
            ("model_not_found", "prediction.model"),
        ]

    async def test_account_with_all_its_agents_gets_no_further_one(self, gateway: Gateway) -> None:
        await create(gateway)
        settings = gateway.parts.settings
        before = settings.agents_per_account
        object.__setattr__(settings, "agents_per_account", 1)
        try:
            body = {"definition": document(asset=await asset(gateway))}
            answer = await gateway.http.post(PATH, json=body)
        finally:
            object.__setattr__(settings, "agents_per_account", before)
        assert (answer.status_code, error_of(answer)["code"]) == (409, "agent_limit_reached")


class TestChanges:
    async def test_change_of_an_outdated_version_is_a_conflict(self, gateway: Gateway) -> None:
        made = await create(gateway)
        path = f"{PATH}/{made['id']}"
        change = {"definition": {**made["definition"], "every": "1m"}, "expected_version": 1}
        assert (await post(gateway, path, change))["version"] == 2
        answer = await gateway.http.post(path, json=change)
        assert (answer.status_code, error_of(answer)["code"]) == (409, "agent_version_conflict")

    async def test_versions_are_listed_and_restored(self, gateway: Gateway) -> None:
        made = await create(gateway)
        path = f"{PATH}/{made['id']}"
        await post(gateway, path, {"definition": {**made["definition"], "every": "1m"}})
        assert (await post(gateway, f"{path}/versions/1/restore"))["version"] == 3
        listed = (await gateway.http.get(f"{path}/versions")).json()["data"]
        assert [(one["version"], one["definition"]["every"]) for one in listed] == [
            (3, "10m"), (2, "1m"), (1, "10m"),
        ]  # fmt: skip
        assert listed[0]["changed_by"] == made["key"]
        answer = await gateway.http.post(f"{path}/versions/9/restore")
        assert (answer.status_code, error_of(answer)["param"]) == (404, "version")

    async def test_agent_is_activated_paused_and_deleted_with_audit_entries(
        self, gateway: Gateway
    ) -> None:
        made = await create(gateway, every="31d")
        path = f"{PATH}/{made['id']}"
        active = await post(gateway, f"{path}/activate")
        assert (active["status"], active["next_tick_at"] is None) == ("active", False)
        assert (await post(gateway, f"{path}/pause"))["status"] == "paused"
        proposed = await propose(gateway, made["id"])
        assert (await gateway.http.delete(path)).json()["deleted"]
        assert (await gateway.http.get(path)).status_code == 404
        action = (await gateway.http.get(f"{PATH}/actions/{proposed}")).json()
        assert (action["status"], action["decided_by"]) == ("rejected", made["key"])
        async with gateway.parts.database.transaction() as session:
            entries = await list_account_entries(session, gateway.account.id)
        found = [one.action for one in entries if one.subject == made["id"]]
        assert found == ["agent.deleted", "agent.paused", "agent.active", "agent.created"]

    async def test_key_of_a_request_can_name_the_paying_key(self, gateway: Gateway) -> None:
        code = await asset(gateway)
        key = ids.format_id("key", gateway.key.row.id)
        body = {"definition": document(asset=code, rules=[rule(code)]), "key": key}
        assert (await post(gateway, PATH, body))["key"] == key


class TestKeys:
    async def test_key_needs_the_permission_for_agents(self, gateway: Gateway) -> None:
        async with client(gateway, await restricted(gateway, "calls")) as http:
            answer = await http.get(PATH)
            assert (answer.status_code, error_of(answer)["param"]) == (403, "agents")
        async with client(gateway, await restricted(gateway, "agents")) as http:
            assert (await http.get(PATH)).status_code == 200

    async def test_restricted_key_changes_only_agents_that_it_pays(self, gateway: Gateway) -> None:
        made = await create(gateway)
        change = {"definition": made["definition"]}
        async with client(gateway, await restricted(gateway, "agents")) as http:
            for path in ("", "/activate", "/pause", "/versions/1/restore"):
                answer = await http.post(f"{PATH}/{made['id']}{path}", json=change)
                assert error_of(answer)["code"] == "agent_key_not_allowed", path
            answer = await http.post(PATH, json={**change, "key": made["key"]})
            assert error_of(answer)["code"] == "agent_key_not_allowed"
            own = (await http.post(PATH, json={**change, "definition": {
                **made["definition"], "prediction": PREDICTION}})).json()  # fmt: skip
            assert own["warnings"][-1]["code"] == "api_key_permission"
            assert (await http.post(f"{PATH}/{own['id']}/activate")).status_code == 200
            assert (await http.delete(f"{PATH}/{own['id']}")).status_code == 200

    async def test_key_of_a_project_changes_only_agents_that_the_project_pays(
        self, gateway: Gateway
    ) -> None:
        made = await create(gateway)
        project = ids.parse_id("proj", await add_project(gateway))
        first = await new_key(gateway, project_id=project)
        second = await new_key(gateway, project_id=project)
        payer = ids.format_id("key", second.row.id)
        change = {"definition": made["definition"]}
        async with client(gateway, first.secret) as http:
            answer = await http.post(f"{PATH}/{made['id']}", json=change)
            assert error_of(answer)["code"] == "agent_key_not_allowed"
            own = await http.post(PATH, json={**change, "key": payer})
            assert own.json()["key"] == payer
            changed = await http.post(f"{PATH}/{own.json()['id']}", json=change)
            assert changed.json()["version"] == 2

    async def test_changes_count_as_requests_of_the_key(self, gateway: Gateway) -> None:
        made, key = await create(gateway), await new_key(gateway)
        parts, account_id = gateway.parts, gateway.account.id
        async with parts.database.transaction() as session:
            place = (session, parts.clock, CLI_ACTOR, account_id, key.row.id)
            await change_limits(*place, KeyLimits(requests=1))
        async with client(gateway, key.secret) as http:
            answers = [await http.post(f"{PATH}/{made['id']}/pause") for _ in range(2)]
            assert [one.status_code for one in answers] == [200, 429]
            assert (await http.get(PATH)).status_code == 200

    async def test_revoked_key_does_not_pay(self, gateway: Gateway) -> None:
        made, key = await create(gateway), await new_key(gateway)
        parts = gateway.parts
        async with parts.database.transaction() as session:
            await revoke_key(session, parts.clock, gateway.account.id, key.row.id)
        payer = ids.format_id("key", key.row.id)
        body = {"definition": made["definition"], "key": payer}
        answer = await gateway.http.post(f"{PATH}/{made['id']}", json=body)
        assert (answer.status_code, error_of(answer)["code"]) == (409, "key_not_active")

    async def test_other_account_finds_nothing(self, gateway: Gateway) -> None:
        made = await create(gateway)
        action = await propose(gateway, made["id"])
        parts = gateway.parts
        _, key = await customer(parts.database, parts.settings, "Stranger of agents")
        change = {"definition": made["definition"]}
        team = await post(gateway, f"{PATH}/teams", {"name": "Pumps"})
        names = {"{agent:str}": made["id"], "{action:str}": action, "{version:int}": "1"}
        names |= {"{team:str}": team["id"], "{task:str}": ids.format_id("task", ids.new_id())}
        names |= {"{tick:str}": "tick_1", "{policy:str}": "apol_1", "{proposal:str}": "alim_1"}
        names |= {"{limits:str}": "lim_1", "{command:str}": "cmd_1"}
        names["{run:str}"] = ids.format_id("arun", ids.new_id())
        names |= {"{round_id:str}": ids.format_id("round", ids.new_id()), "{photo:str}": "photo_1"}
        names["{rule:str}"] = await add_rule(gateway, made["asset"])
        found = {}
        async with client(gateway, key.secret) as http:
            for method, template in routes_below(PATH):
                path = template
                for name, value in names.items():
                    path = path.replace(name, value)
                assert "{" not in path, template
                is_of_team = any(one in path for one in ("/teams", "/tasks", "/warnings"))
                query = "?stop=0&question=a&key=b" if path.endswith("/photos") else ""
                body = {} if is_of_team else change
                answer = await http.request(method, path + query, json=body)
                if answer.status_code not in (400, 404):
                    found[method, template] = answer.json().get("data")
            assert (await http.get(f"{PATH}/actions?agent={made['id']}")).status_code == 404
        templates = found.pop(("GET", f"{PATH}/templates"))
        assert len(templates) >= 4
        lists = (
            "",
            "/actions",
            "/teams",
            "/tasks",
            "/limits",
            "/connectors",
            "/commands",
            "/rounds",
            "/warnings",
        )
        assert found == {("GET", f"{PATH}{one}"): [] for one in lists}
