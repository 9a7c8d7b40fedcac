"""`/a2a`: the Agent2Agent protocol as JSON-RPC, and agent cards.

A rejected key gets the API's error with its HTTP status. Every other error is one of the protocol,
with HTTP status 200.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import structlog
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from gateway.agents.a2a.cards import CARD_PATH, PATH, agent_card, platform_card
from gateway.agents.a2a.errors import (
    A2aError,
    error_json,
    from_app_error,
    internal_error,
    version_not_supported,
)
from gateway.agents.a2a.messages import Request as RpcRequest
from gateway.agents.a2a.messages import parse_request, request_id
from gateway.agents.a2a.methods import METHODS, STREAMS, answer, open_stream
from gateway.agents.a2a.tasks import A2aTasks
from gateway.agents.skills.parts import SkillParts
from gateway.agents.store.agents import find_agent
from gateway.api.agents.runs import api_caller
from gateway.asgi.slotted_stream import SlottedStream
from gateway.call.stream_slots import StreamSlots
from gateway.call.values import Principal
from infra.database.database import Database
from infra.errors import AppError
from infra.settings import Settings

MAX_BODY_BYTES = 256 << 10
_VERSIONS = ("1.0", "1")


class A2aRequest(msgspec.Struct, kw_only=True):
    """A request of the Agent2Agent protocol; `params` are those of its method."""

    jsonrpc: Literal["2.0"]
    id: str | int
    method: str
    params: dict[str, Any] = {}


BODIES = {PATH: A2aRequest, f"{PATH}/agents/{{agent}}": A2aRequest}
_EVENTS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}


class AgentCardRoutes(Controller):
    """The public card, which says nothing of accounts."""

    path = CARD_PATH

    @get("/", security=[], summary="Agent card of the service (A2A)", sync_to_thread=False)
    def card(
        self, request: Request[Any, Any, Any], settings: NamedDependency[Settings]
    ) -> dict[str, Any]:
        """Return the skills that every account has. Needs no API key."""
        return platform_card(_base(request, settings))


class A2aRoutes(Controller):
    """Agents of the account through the Agent2Agent protocol."""

    path = PATH
    request_max_body_size = MAX_BODY_BYTES

    @post("/", status_code=200, summary="Ask agents (A2A, JSON-RPC)")
    async def ask_all(
        self,
        principal: NamedDependency[Principal],
        agent_skills: NamedDependency[SkillParts],
        agent_streams: NamedDependency[StreamSlots],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
    ) -> Response[Any] | Stream:
        """Answer a request of the protocol; messages name the agent."""
        exchange = _Exchange(principal, agent_skills, agent_streams, settings, request, None)
        return await exchange.answered()

    @post("/agents/{agent:str}", status_code=200, summary="Ask one agent (A2A, JSON-RPC)")
    async def ask_one(
        self,
        principal: NamedDependency[Principal],
        agent_skills: NamedDependency[SkillParts],
        agent_streams: NamedDependency[StreamSlots],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> Response[Any] | Stream:
        """Answer a request of the protocol about this agent."""
        async with agent_skills.database.transaction() as session:
            await find_agent(session, principal.account_id, agent)
        exchange = _Exchange(principal, agent_skills, agent_streams, settings, request, agent)
        return await exchange.answered()

    @get("/agents/{agent:str}" + CARD_PATH, summary="Agent card of an agent (A2A)")
    async def card(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return what this agent watches and can be asked."""
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
        return agent_card(_base(request, settings), row)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request of the protocol and its response."""

    principal: Principal
    parts: SkillParts
    streams: StreamSlots
    settings: Settings
    request: Request[Any, Any, Any]
    agent: str | None

    async def answered(self) -> Response[Any] | Stream:
        """Return the result, a stream of events, or an error of the protocol."""
        body, method = await self.request.body(), "unknown"
        try:
            asked = parse_request(body)
            method = asked.method if asked.method in METHODS else "unknown"
            response = await self._respond(asked)
        except (A2aError, AppError) as error:
            self.parts.metrics.a2a_requests.labels(method, "refused").inc()
            refused = error if isinstance(error, A2aError) else from_app_error(error)
            return _response(request_id(body), "error", error_json(refused))
        except Exception as error:
            structlog.get_logger().error("a request of A2A failed", exc_info=error)
            self.parts.metrics.a2a_requests.labels(method, "error").inc()
            return _response(request_id(body), "error", error_json(internal_error()))
        self.parts.metrics.a2a_requests.labels(method, "ok").inc()
        return response

    async def _respond(self, asked: RpcRequest) -> Response[Any] | Stream:
        """Return the response of a request that could be read. Raises A2aError, AppError."""
        version = self.request.headers.get("a2a-version", "")
        if version not in _VERSIONS and not version.startswith("1.0."):
            raise version_not_supported(version)
        tasks = self._tasks()
        if asked.method not in STREAMS:
            base = _base(self.request, self.settings)
            return _response(
                asked.id, "result", await answer(tasks, asked.method, asked.params, base)
            )
        with self.streams.take(self.principal.account_id) as slot:
            events = await open_stream(tasks, asked.method, asked.params)
            return SlottedStream(_encoded(asked.id, events), slot.pop_all(), _EVENTS)

    def _tasks(self) -> A2aTasks:
        """Return what serves the caller. Raises AgentChainInvalid, ParameterInvalid."""
        caller = api_caller(self.principal, self.request, "a2a", None)
        return A2aTasks(self.parts, caller, self.agent, self.parts.heartbeat.process_id)


async def _encoded(
    number: str | int | None, events: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[bytes]:
    """Yield events as server-sent events, each a response; an error ends the stream."""
    try:
        async for event in events:
            yield _event(number, "result", event)
    except (A2aError, AppError) as error:
        refused = error if isinstance(error, A2aError) else from_app_error(error)
        yield _event(number, "error", error_json(refused))


def _event(number: str | int | None, field: str, value: Any) -> bytes:
    """Return one server-sent event."""
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": number, field: value})
    return b"data: " + body + b"\n\n"


def _response(number: str | int | None, field: str, value: Any) -> Response[Any]:
    """Return a JSON-RPC response."""
    return Response({"jsonrpc": "2.0", "id": number, field: value})


def _base(request: Request[Any, Any, Any], settings: Settings) -> str:
    """Return the address of the service as callers reach it."""
    return (settings.public_url or str(request.base_url)).rstrip("/")
