"""Two programs that act for agents of the account and ask each other, each a server on a socket.

`mcp` runs its agent through MCP, `a2a` through A2A; then each asks the other one, and passes the
chain of agents on that it got. Neither stops by itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from aiohttp import web

from gateway.agents.requests.chains import CHAIN_HEADER
from infra.lazy_import import LazyModule
from tests.support.builders import Gateway
from tests.support.fakes.listening import listening
from tests.support.gateway import a2a_calls, mcp_calls

if TYPE_CHECKING:
    import a2a.client as clients
else:
    clients = LazyModule("a2a.client")


@dataclass(slots=True)
class CallingAgents:
    """The agents and addresses of both, by protocol, and what ended the calls."""

    gateway: Gateway
    agents: dict[str, str]
    urls: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    refused: list[Any] = field(default_factory=list)

    async def asked(self, protocol: str, chain: str) -> None:
        """Run the agent of a protocol, then ask the other program."""
        run = self._by_mcp if protocol == "mcp" else self._by_a2a
        passed_on = await run(self.agents[protocol], chain)
        if passed_on is None:
            return
        self.ran.append(protocol)
        other = "a2a" if protocol == "mcp" else "mcp"
        async with httpx.AsyncClient(timeout=60) as http:
            await http.post(self.urls[other], headers={CHAIN_HEADER: ",".join(passed_on)})

    async def _by_mcp(self, agent: str, chain: str) -> list[str] | None:
        async with mcp_calls.official_client(self.gateway, **{CHAIN_HEADER: chain}) as client:
            result = await client.call_tool("run_agent", {"agent": agent})
        if result.is_error:
            self.refused.append(str(result.content))
            return None
        return list(result.structured_content["agent_chain"])

    async def _by_a2a(self, agent: str, chain: str) -> list[str] | None:
        async with a2a_calls.official_client(self.gateway, agent, chain=chain) as client:
            try:
                task = await a2a_calls.send(client, "run", f"m-{len(self.ran)}")
            except clients.A2AClientError as error:
                self.refused.append(str(error))
                return None
        return [str(one) for one in task.metadata["agentChain"]]


@asynccontextmanager
async def run_calling_agents(
    gateway: Gateway, agents: dict[str, str]
) -> AsyncIterator[CallingAgents]:
    """Serve both programs."""
    both = CallingAgents(gateway, agents)

    def served(protocol: str) -> web.Application:
        async def handle(request: web.Request) -> web.Response:
            await both.asked(protocol, request.headers.get(CHAIN_HEADER, ""))
            return web.Response()

        app = web.Application()
        app.router.add_post("/", handle)
        return app

    async with listening(served("mcp")) as first, listening(served("a2a")) as second:
        both.urls = {"mcp": first, "a2a": second}
        yield both
