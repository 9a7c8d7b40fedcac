"""The API of agents: an asset, an agent of it, a proposal, and keys of the account."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx

from gateway.access.api_keys import IssuedKey
from gateway.agents.store.agents import AgentChange, find_agent, set_status
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.customer_keys import NewKey, create_customer_key
from gateway.tables.agents import AgentStatus
from infra import ids
from infra.secrets.secret_key import secret_key
from tests.support.builders import NO_TLS, Gateway
from tests.support.gateway.agent_rows import add_proposal
from tests.support.gateway.agents import document

PATH = "/v1/agents"


async def post(gateway: Gateway, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    answer = await gateway.http.post(path, json=body or {}, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def asset(gateway: Gateway) -> str:
    """Create an asset with a point and return its code."""
    code = f"P-{ids.new_id().hex[-10:]}"
    await post(gateway, "/v1/plant/assets", {"code": code, "name": "Pump"})
    point = {"tag": f"{code}.V", "name": "Vibration", "unit": "mm/s", "asset": code}
    await post(gateway, "/v1/plant/points", point)
    return code


def rule(code: str, **fields: Any) -> dict[str, Any]:
    return {"name": "vibration", "tag": f"{code}.V", "above": 4.5, "unit": "mm/s", **fields}


async def create(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    code = await asset(gateway)
    definition = document(**{"asset": code, "rules": [rule(code)], **fields})
    return await post(gateway, PATH, {"definition": definition})


async def active(gateway: Gateway, value: float = 9.0, **fields: Any) -> dict[str, Any]:
    """Create an active agent that proposes and whose next tick is tomorrow, with one reading."""
    base = {"every": "31d", "autonomy": "approve", "actions": ["work_order"]}
    made = await create(gateway, **{**base, **fields})
    tag = made["definition"]["rules"][0]["tag"]
    reading = {"tag": tag, "time": gateway.parts.clock.now().isoformat(), "value": value}
    await post(gateway, "/v1/plant/readings", {"readings": [reading]})
    async with gateway.parts.database.transaction() as session:
        change = AgentChange(session, gateway.parts.clock, CLI_ACTOR, gateway.account.id)
        row = await set_status(change, made["id"], AgentStatus.ACTIVE)
        row.due_at += timedelta(days=1)
    return made


async def propose(gateway: Gateway, public_id: str) -> str:
    """Let an agent propose a work order and return the id of the action."""
    parts, account_id = gateway.parts, gateway.account.id
    async with parts.database.transaction() as session:
        agent = await find_agent(session, account_id, public_id)
        return await add_proposal(session, parts.clock, agent)


@asynccontextmanager
async def client(gateway: Gateway, secret: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, verify=NO_TLS) as http:
        yield http


async def restricted(gateway: Gateway, *permissions: str) -> str:
    return (await new_key(gateway, permissions=permissions)).secret


async def new_key(gateway: Gateway, **fields: Any) -> IssuedKey:
    parts = gateway.parts
    async with parts.database.transaction() as session:
        new = NewKey("further", **fields)
        pepper = secret_key(parts.settings)
        place = (session, parts.clock, pepper, CLI_ACTOR, gateway.account.id, new)
        return await create_customer_key(*place)
