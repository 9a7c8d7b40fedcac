"""Agents through the Agent2Agent protocol, by the unmodified official client and as JSON-RPC."""

import asyncio
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.agents.replay.replaying import AgentReplayer
from gateway.agents.requests.chains import CHAIN_HEADER
from gateway.tables import A2aTask
from infra import ids
from infra.lazy_import import LazyModule
from tests.support.builders import Gateway, customer
from tests.support.gateway.a2a_calls import (
    VERSION,
    message,
    official_client,
    params,
    rpc,
    send,
)
from tests.support.gateway.agent_api import PATH, active, client, post, restricted
from tests.support.heavy import NEEDS_A2A
from tests.support.waiting import until_true

if TYPE_CHECKING:
    from a2a.types import a2a_pb2 as types
else:
    types = LazyModule("a2a.types.a2a_pb2")

pytestmark = NEEDS_A2A


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Imported before a gateway runs, which would answer no call for the time that it takes."""
    import_module("a2a.client")


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: each test has agents of its own."""
    return shared_gateway


def named() -> str:
    return ids.new_id().hex


async def agent_of(gateway: Gateway) -> str:
    """The id of an active agent that proposes."""
    return str((await active(gateway))["id"])


class TestCards:
    async def test_public_card_lists_skills_and_no_agent(self, gateway: Gateway) -> None:
        agent = await agent_of(gateway)
        async with httpx.AsyncClient(base_url=gateway.url) as http:
            answer = await http.get("/.well-known/agent-card.json")
            assert agent not in answer.text
            card = answer.json()
            assert card["capabilities"]["streaming"] is True
            assert "run_agent" in {skill["id"] for skill in card["skills"]}
            own = f"/a2a/agents/{agent}/.well-known/agent-card.json"
            assert (await http.get(own)).status_code == 401

    async def test_extended_card_lists_the_agents_of_the_key(self, gateway: Gateway) -> None:
        agent = await agent_of(gateway)
        async with official_client(gateway) as a2a:
            card = await a2a.get_extended_agent_card(types.GetExtendedAgentCardRequest())
        assert agent in {skill.id for skill in card.skills}

    async def test_other_account_gets_neither_card_nor_task(self, gateway: Gateway) -> None:
        agent = await agent_of(gateway)
        path = f"/a2a/agents/{agent}"
        task = (await rpc(gateway, "SendMessage", params("status", named()), path))["result"]
        parts = gateway.parts
        _, key = await customer(parts.database, parts.settings, "Stranger of A2A")
        async with client(gateway, key.secret) as http:
            for method, url in (("GET", f"{path}/.well-known/agent-card.json"), ("POST", path)):
                assert (await http.request(method, url)).status_code == 404
            for method in ("GetTask", "CancelTask", "SubscribeToTask"):
                body = {"id": 1, "jsonrpc": "2.0", "method": method}
                body["params"] = {"id": task["task"]["id"]}
                answer = await http.post("/a2a", json=body, headers=VERSION)
                assert answer.json()["error"]["code"] == -32001, method
            body = {"id": 1, "jsonrpc": "2.0", "method": "ListTasks"}
            answer = await http.post("/a2a", json=body, headers=VERSION)
            assert answer.json()["result"]["totalSize"] == 0
        async with client(gateway, await restricted(gateway, "calls")) as http:
            assert (await http.post("/a2a", json=body, headers=VERSION)).status_code == 403


class TestOfficialClient:
    async def test_status_states_asset_rules_and_last_decision(self, gateway: Gateway) -> None:
        agent = await agent_of(gateway)
        async with official_client(gateway, agent) as a2a:
            task = await send(a2a, "status", named())
        assert types.TaskState.Name(task.status.state) == "TASK_STATE_COMPLETED"
        data, text = task.artifacts[0].parts
        assert data.data.struct_value["agent"]["id"] == agent
        assert data.data.struct_value["sees"][0]["status"] == "raised"
        assert "is active" in text.text

    async def test_run_asks_for_approval_and_completes_after_it(self, gateway: Gateway) -> None:
        agent, name = await agent_of(gateway), named()
        async with official_client(gateway, agent) as a2a:
            task = await send(a2a, "run", name)
            assert types.TaskState.Name(task.status.state) == "TASK_STATE_INPUT_REQUIRED"
            assert "act_" in task.status.message.parts[0].text
            assert (await send(a2a, "run", name)).id == task.id
            done = await send(a2a, "approve", named(), task.id)
            assert types.TaskState.Name(done.status.state) == "TASK_STATE_COMPLETED"
            found = await a2a.get_task(types.GetTaskRequest(id=task.id))
            assert found.artifacts[0].parts[0].data.struct_value["actions"][0]["status"] == (
                "executed"
            )
            listed = await a2a.list_tasks(types.ListTasksRequest(status="TASK_STATE_COMPLETED"))
            assert (listed.total_size, listed.tasks[0].id) == (1, task.id)
        path = f"{PATH}/{agent}/runs"
        assert len((await gateway.http.get(path)).json()["data"]) == 1

    async def test_stream_ends_with_the_result_and_the_required_input(
        self, gateway: Gateway
    ) -> None:
        agent = await agent_of(gateway)
        async with official_client(gateway, agent, streaming=True) as a2a:
            events = [one async for one in a2a.send_message(message("run", named()))]
        kinds = [one.WhichOneof("payload") for one in events]
        assert (kinds[0], kinds[-2:]) == ("task", ["artifact_update", "status_update"])
        state = events[-1].status_update.status.state
        assert types.TaskState.Name(state) == "TASK_STATE_INPUT_REQUIRED"

    async def test_same_message_at_once_runs_once(self, gateway: Gateway) -> None:
        agent, name = await agent_of(gateway), named()
        path, sent = f"/a2a/agents/{agent}", params("run", name)
        answers = await asyncio.gather(*(rpc(gateway, "SendMessage", sent, path) for _ in range(4)))
        assert len({one["result"]["task"]["id"] for one in answers}) == 1
        runs = (await gateway.http.get(f"{PATH}/{agent}/runs")).json()["data"]
        assert len(runs) == 1

    async def test_stream_whose_client_is_gone_gives_its_slot_back(self, gateway: Gateway) -> None:
        agent, parts = await agent_of(gateway), gateway.parts
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage"}
        body["params"] = params("run", named())
        url = f"/a2a/agents/{agent}"
        await parts.agent_runner.stop()
        try:
            async with gateway.http.stream("POST", url, json=body, headers=VERSION) as response:
                first = await anext(response.aiter_lines())
                assert "TASK_STATE_SUBMITTED" in first
                assert parts.agents.streams.count(gateway.account.id) == 1

            async def is_free() -> bool:
                return parts.agents.streams.count(gateway.account.id) == 0

            await until_true(is_free)
        finally:
            await parts.agent_runner.start()

    async def test_cancel_leaves_proposals_open_and_is_refused_afterwards(
        self, gateway: Gateway
    ) -> None:
        agent = await agent_of(gateway)
        errors = import_module("a2a.utils.errors")
        async with official_client(gateway, agent) as a2a:
            task = await send(a2a, "run", named())
            done = await a2a.cancel_task(types.CancelTaskRequest(id=task.id))
            assert types.TaskState.Name(done.status.state) == "TASK_STATE_CANCELED"
            with pytest.raises(errors.TaskNotCancelableError):
                await a2a.cancel_task(types.CancelTaskRequest(id=task.id))
            with pytest.raises(errors.UnsupportedOperationError):
                await send(a2a, "approve", named(), task.id)
        query = f"{PATH}/actions?agent={agent}&status=proposed"
        assert len((await gateway.http.get(query)).json()["data"]) == 1


class TestTasks:
    async def test_tasks_are_listed_by_page_and_context_without_artifacts(
        self, gateway: Gateway
    ) -> None:
        agent, context = await agent_of(gateway), named()
        path = f"/a2a/agents/{agent}"
        for _ in range(3):
            await rpc(gateway, "SendMessage", params("status", named(), contextId=context), path)
        asked = {"contextId": context, "pageSize": 2, "historyLength": 0}
        first = (await rpc(gateway, "ListTasks", asked, path))["result"]
        assert (len(first["tasks"]), first["totalSize"]) == (2, 3)
        assert not {"artifacts", "history"} & set(first["tasks"][0])
        rest = {**asked, "pageToken": first["nextPageToken"], "includeArtifacts": True}
        last = (await rpc(gateway, "ListTasks", rest, path))["result"]
        assert (len(last["tasks"]), last["nextPageToken"]) == (1, "")
        assert last["tasks"][0]["artifacts"]
        ended = {"id": first["tasks"][0]["id"]}
        assert (await rpc(gateway, "SubscribeToTask", ended, path))["error"]["code"] == -32004
        assert (await rpc(gateway, "CancelTask", ended, path))["error"]["code"] == -32002

    async def test_task_whose_process_was_lost_is_failed(self, gateway: Gateway) -> None:
        sent = params("list", named())
        task = (await rpc(gateway, "SendMessage", sent))["result"]["task"]["id"]
        task_id = ids.parse_id("task", task)
        async with gateway.parts.database.transaction() as session:
            row = await session.get_one(A2aTask, task_id)
            row.state, row.created_at = "working", row.created_at - timedelta(hours=1)
        found = (await rpc(gateway, "GetTask", {"id": task}))["result"]
        assert found["status"]["state"] == "TASK_STATE_FAILED"
        assert found["metadata"]["error"] == "interrupted"

    async def test_replay_is_canceled_while_its_message_waits(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        agent, ended = await agent_of(gateway), asyncio.Event()

        async def endless(*_: Any) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        monkeypatch.setattr(AgentReplayer, "replay", endless)
        path, context = f"/a2a/agents/{agent}", named()
        text = params("replay", named())
        text["message"]["contextId"] = context
        waiting = asyncio.create_task(rpc(gateway, "SendMessage", text, path))
        found: list[dict[str, Any]] = []

        async def is_listed() -> bool:
            listed = await rpc(gateway, "ListTasks", {"contextId": context}, path)
            found[:] = listed["result"]["tasks"]
            return bool(found)

        await until_true(is_listed)
        assert found[0]["status"]["state"] == "TASK_STATE_WORKING"
        done = (await rpc(gateway, "CancelTask", {"id": found[0]["id"]}, path))["result"]
        assert done["status"]["state"] == "TASK_STATE_CANCELED"
        answer = (await waiting)["result"]["task"]
        assert (answer["id"], answer["status"]["state"]) == (done["id"], "TASK_STATE_CANCELED")
        assert ended.is_set()
        again = await rpc(gateway, "CancelTask", {"id": done["id"]}, path)
        assert again["error"]["code"] == -32002

    async def test_run_that_no_process_has_begun_is_canceled(self, gateway: Gateway) -> None:
        agent = await agent_of(gateway)
        path = f"/a2a/agents/{agent}"
        sent = params("run", named())
        sent["configuration"] = {"returnImmediately": True}
        await gateway.parts.agent_runner.stop()
        try:
            task = (await rpc(gateway, "SendMessage", sent, path))["result"]["task"]
            assert task["status"]["state"] == "TASK_STATE_SUBMITTED"
            done = (await rpc(gateway, "CancelTask", {"id": task["id"]}, path))["result"]
        finally:
            await gateway.parts.agent_runner.start()
        assert done["status"]["state"] == "TASK_STATE_CANCELED"
        (run,) = (await gateway.http.get(f"{PATH}/{agent}/runs")).json()["data"]
        assert run["status"] == "canceled"


class TestErrors:
    @pytest.mark.parametrize(
        ("method", "sent", "code"),
        [
            ("Dance", {}, -32601),
            ("SendMessage", {}, -32602),
            ("SendMessage", params("sing", "m1"), -32602),
            ("SendMessage", params("status agent_none", "m2"), -32602),
            ("SendMessage", params({"skill": "agent_status"}, "m3"), -32602),
            ("SendMessage", params({"skill": "list_agents", "arguments": {"x": 1}}, "m4"), -32602),
            ("SendMessage", params({"skill": 1}, "m5"), -32602),
            ("SendMessage", params("status", "m6", role="ROLE_AGENT"), -32602),
            ("SendMessage", params("list", "m7", parts=[{"url": "http://x"}]), -32005),
            ("SendMessage", params("list", "m8", parts=[]), -32602),
            ("GetTask", {"id": "task_none"}, -32001),
            ("ListTasks", {"pageSize": 1000}, -32602),
            ("ListTasks", {"status": "TASK_STATE_NEW"}, -32602),
            ("CreateTaskPushNotificationConfig", {"url": "http://127.0.0.1"}, -32003),
        ],
    )
    async def test_request_that_cannot_be_answered_is_an_error_of_the_protocol(
        self, gateway: Gateway, method: str, sent: dict[str, Any], code: int
    ) -> None:
        error = (await rpc(gateway, method, sent))["error"]
        assert error["code"] == code
        assert error["data"][0]["reason"]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", -32700),
            (b"{", -32700),
            (b"[]", -32600),
            (b"[" * 100_000, -32700),
            (b'{"jsonrpc":"2.0","method":"GetTask"}', -32600),
            (b'{"jsonrpc":"1.0","method":"GetTask","id":1}', -32600),
            (b'{"jsonrpc":"2.0","method":"GetTask","id":1,"params":[]}', -32602),
            (b'{"jsonrpc":"2.0","method":"GetTask","id":1,"params":{"id":"\\u0000"}}', -32602),
        ],
    )
    async def test_body_that_is_no_request_is_an_error_of_the_protocol(
        self, gateway: Gateway, body: bytes, code: int
    ) -> None:
        answer = await gateway.http.post("/a2a", content=body, headers=VERSION)
        assert answer.json()["error"]["code"] == code

    async def test_other_version_of_the_protocol_is_refused(self, gateway: Gateway) -> None:
        for version in ("", "0.3", "2.0"):
            answer = await rpc(gateway, "ListTasks", **{"a2a-version": version})
            assert answer["error"]["code"] == -32009

    async def test_message_id_of_another_message_is_refused(self, gateway: Gateway) -> None:
        name = named()
        await rpc(gateway, "SendMessage", params("list", name))
        error = (await rpc(gateway, "SendMessage", params("actions", name)))["error"]
        assert error["data"][0]["metadata"]["param"] == "message.messageId"

    async def test_refused_run_leaves_no_task_and_names_the_reason(self, gateway: Gateway) -> None:
        agent, name = await agent_of(gateway), named()
        await post(gateway, f"{PATH}/{agent}/pause")
        path = f"/a2a/agents/{agent}"
        error = (await rpc(gateway, "SendMessage", params("run", name), path))["error"]
        assert (error["code"], error["data"][0]["reason"]) == (-32000, "AGENT_NOT_ACTIVE")
        await post(gateway, f"{PATH}/{agent}/activate")
        task = (await rpc(gateway, "SendMessage", params("run", name), path))["result"]["task"]
        assert task["metadata"] == {"skill": "run_agent", "agentChain": [agent]}

    async def test_agent_in_the_chain_of_metadata_or_header_is_a_cycle(
        self, gateway: Gateway
    ) -> None:
        agent = await agent_of(gateway)
        path = f"/a2a/agents/{agent}"
        stated = params("run", named(), metadata={"agentChain": ["erp", agent]})
        for sent, headers in (
            (stated, {}),
            (params("status", named()), {CHAIN_HEADER: f"erp,{agent}"}),
        ):
            error = (await rpc(gateway, "SendMessage", sent, path, **headers))["error"]
            assert error["data"][0]["reason"] == "AGENT_CALL_CYCLE"
