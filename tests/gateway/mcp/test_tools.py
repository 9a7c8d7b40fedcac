"""Tools at `/mcp`: listed by key, called and billed as a client's call, refused as results."""

import json
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from gateway.access.key_scopes import Scope, change_scope
from gateway.identity.audit_log import CLI_ACTOR
from tests.support.builders import CHAT, PLENTY, SPECIALIST, Gateway, Limited
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.mcp_calls import call, list_tools, official_client
from tests.support.heavy import NEEDS_MCP
from tests.support.json_schemas import jsonschema

pytestmark = NEEDS_MCP
ROW = {"type": "L", "torque": 40.0}
ACCOUNT_TOOLS = {"quote", "usage", "list_models"}


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Imported before a gateway runs, which would answer no call for the second that it takes."""
    import_module("mcp")


class TestListing:
    async def test_tools_are_those_of_the_account_and_models_with_columns(
        self, declared: Gateway
    ) -> None:
        tools = await list_tools(declared)
        assert set(tools) == {*ACCOUNT_TOOLS, SPECIALIST}
        tool = tools[SPECIALIST]
        assert "CNY per row" in tool["description"]
        assert tool["inputSchema"]["required"] == ["type", "torque"]
        assert tool["inputSchema"]["properties"]["torque"]["maximum"] == 200.0
        assert "Unit: N·m" in tool["inputSchema"]["properties"]["torque"]["description"]
        assert tool["annotations"]["readOnlyHint"] is True

    async def test_schemas_are_valid(self, declared: Gateway) -> None:
        for tool in (await list_tools(declared)).values():
            for name in ("inputSchema", "outputSchema"):
                jsonschema.Draft202012Validator.check_schema(tool[name])

    async def test_columns_are_read_once_for_many_lists(
        self, declared: Gateway, upstream: FakeUpstream
    ) -> None:
        await list_tools(declared)
        upstream.inputs.clear()
        assert SPECIALIST in await list_tools(declared)

    async def test_key_sees_and_calls_its_models_only(self, declared: Gateway) -> None:
        async with declared.parts.database.transaction() as session:
            of_key = declared.account.id, declared.key.row.id, Scope([CHAT])
            await change_scope(session, declared.parts.clock, CLI_ACTOR, *of_key)
        await declared.caught_up()
        assert set(await list_tools(declared)) == ACCOUNT_TOOLS
        refused = await call(declared, SPECIALIST, ROW)
        assert json.loads(refused["content"][0]["text"])["code"] == "model_not_found"
        await declared.rows(0)


class TestModelCall:
    async def test_result_has_values_cost_and_request_id_of_the_row(
        self, declared: Gateway
    ) -> None:
        result = await call(declared, SPECIALIST, ROW)
        content = result["structuredContent"]
        row = await declared.row()
        assert content["values"] == {"failure": 0}
        assert (content["cost"], content["currency"]) == (row["cost"], "CNY")
        assert content["request_id"] == row["request_id"]
        assert (row["operation"], row["rows"], row["settlement"]) == ("predictions", 1, "complete")
        assert json.loads(result["content"][0]["text"]) == content

    async def test_units_are_sent_with_their_column(
        self, declared: Gateway, upstream: FakeUpstream
    ) -> None:
        await call(declared, SPECIALIST, {**ROW, "units": {"torque": "lbf.ft"}})
        sent = {one["name"]: one for one in upstream.received[-1]["inputs"]}
        assert sent["torque"]["parameters"] == {"unit": "lbf.ft"}
        assert set(sent) == {"type", "torque"}

    async def test_tags_cost_limit_and_idempotency_key_apply(self, declared: Gateway) -> None:
        headers = {"x-maas-tags": "order=A-17", "idempotency-key": "k1"}
        first = await call(declared, SPECIALIST, ROW, headers)
        again = await call(declared, SPECIALIST, ROW, headers)
        refused = await call(declared, SPECIALIST, ROW, {"x-max-cost": "0.000000001"})
        assert first["structuredContent"]["values"] == again["structuredContent"]["values"]
        assert refused["isError"] is True
        rows = await declared.rows(3)
        assert sorted(row["settlement"] for row in rows) == ["complete", "refused", "replayed"]
        assert {"order": "A-17"} in [row["tags"] for row in rows]

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ({**ROW, "units": {"nope": "K"}}, "invalid_value"),
            ({**ROW, "units": 1}, "invalid_value"),
            ({"torque": {"a": 1}}, "invalid_value"),
        ],
    )
    async def test_wrong_arguments_are_a_result_with_the_gateways_error(
        self, declared: Gateway, arguments: Any, code: str
    ) -> None:
        result = await call(declared, SPECIALIST, arguments)
        error = json.loads(result["content"][0]["text"])
        assert result["isError"] is True
        assert (error["code"], error["request_id"]) == (code, (await declared.row())["request_id"])

    async def test_limit_of_the_key_refuses_the_call(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        upstream.inputs[SPECIALIST] = [{"name": "torque", "datatype": "FP32"}]
        async with limited(replace(PLENTY, requests=1)) as gateway:
            await call(gateway, SPECIALIST, {"torque": 1.0})
            result = await call(gateway, SPECIALIST, {"torque": 1.0})
        assert json.loads(result["content"][0]["text"])["code"] == "rate_limit_exceeded"

    async def test_unknown_tool_is_an_error_result(self, declared: Gateway) -> None:
        assert (await call(declared, "nope"))["isError"] is True
        assert (await call(declared, CHAT))["isError"] is True
        await declared.rows(0)


class TestAccountTools:
    async def test_quote_is_that_of_the_api(self, declared: Gateway) -> None:
        request = {"model": SPECIALIST, "instances": [{"torque": 1.0}]}
        quoted = (await call(declared, "quote", {"request": request}))["structuredContent"]
        assert quoted == (await declared.http.post("/v1/quote", json=request)).json()
        await declared.rows(0)

    async def test_usage_of_a_projects_key_has_the_calls_of_its_project_only(
        self, declared: Gateway
    ) -> None:
        await declared.chat("hello")
        made = await declared.http.post("/v1/organization/projects", json={"name": "Line 3"})
        path = f"/v1/organization/projects/{made.json()['id']}/api_keys"
        key = (await declared.http.post(path, json={"name": "k"})).json()["value"]
        await declared.rows(1)
        await declared.caught_up()
        headers = {"authorization": f"Bearer {key}"}
        assert (await call(declared, "usage"))["structuredContent"]["calls"]
        answer = await call(declared, "usage", headers=headers)
        assert answer["structuredContent"]["calls"] == []

    async def test_usage_lists_the_accounts_calls(self, declared: Gateway) -> None:
        await call(declared, SPECIALIST, ROW)
        limits = {"limit": 5, "before": None}, {"limit": None}
        calls, same = [
            (await call(declared, "usage", one))["structuredContent"]["calls"] for one in limits
        ]
        assert same == calls
        assert [one["request_id"] for one in calls] == [(await declared.row())["request_id"]]

    @pytest.mark.parametrize(
        ("name", "arguments", "param"),
        [
            ("usage", {"limit": 0}, "limit"),
            ("usage", {"before": "x"}, "before"),
            ("quote", {}, "request"),
            ("list_models", {"nope": 1}, "nope"),
        ],
    )
    async def test_wrong_argument_is_named(
        self, declared: Gateway, name: str, arguments: Any, param: str
    ) -> None:
        result = await call(declared, name, arguments)
        assert json.loads(result["content"][0]["text"])["param"] == param

    async def test_models_can_be_listed_by_task(self, declared: Gateway) -> None:
        arguments = {"task": "text-generation"}
        models = (await call(declared, "list_models", arguments))["structuredContent"]["models"]
        assert CHAT in [one["id"] for one in models]
        assert {one["task"] for one in models} == {"text-generation"}

    async def test_calls_are_counted_by_kind_and_outcome(self, declared: Gateway) -> None:
        await call(declared, "usage")
        await call(declared, "nope")
        text = (await declared.http.get("/metrics")).text
        assert 'maas_mcp_tool_calls_total{outcome="ok",tool="account"} 1.0' in text
        assert 'maas_mcp_tool_calls_total{outcome="error",tool="unknown"} 1.0' in text


class TestOfficialClient:
    @pytest.mark.parametrize("mode", ["auto", "legacy"])
    async def test_client_lists_and_calls_tools(self, declared: Gateway, mode: str) -> None:
        async with official_client(declared, mode) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            result = await client.call_tool(SPECIALIST, ROW)
            refused = await client.call_tool("usage", {"limit": 0})
        assert set(names) == {*ACCOUNT_TOOLS, SPECIALIST}
        assert result.structured_content["values"] == {"failure": 0}
        assert refused.is_error is True
        assert len(await declared.rows(1)) == 1
