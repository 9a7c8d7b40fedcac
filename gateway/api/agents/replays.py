"""`POST /v1/agents/{agent}/replay`: what an agent would have done on stored readings."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.money import nano_from_text
from gateway.agents.replay.replaying import USUAL_PERIOD, AgentReplayer, ReplayRequest
from gateway.agents.replay.views import replay_json
from gateway.agents.store.agents import find_agent, read_definition
from gateway.api.agents.bodies import PATH
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class AgentReplayRequest(msgspec.Struct, kw_only=True):
    """The period, by default the last 30 days, and the failures that are known in it.

    `max_cost` is what predictions for the first ticks of episodes may cost in all; by default none
    is made, and rules alone decide. `warning` is a learned warning rule to replay the agent with,
    by default that of its definition; `warning_version` a version of it, by default the one in use.
    """

    start: _Instant | None = msgspec.field(name="from", default=None)
    end: _Instant | None = msgspec.field(name="to", default=None)
    failures: list[_Instant] = []
    max_cost: str = "0"
    warning: str = ""
    warning_version: int | None = None


_DECODER = msgspec.json.Decoder(AgentReplayRequest)
BODIES = {f"{PATH}/{{agent}}/replay": AgentReplayRequest}


class AgentReplayRoutes(Controller):
    """Replay of the account's agents."""

    path = f"{PATH}/{{agent:str}}/replay"

    @post("/", status_code=200, summary="Replay an agent on stored readings")
    async def replay(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        agent_replayer: NamedDependency[AgentReplayer],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return what the agent would have recommended, and with known failures what it saved."""
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
        asked = parse_replay(await request.body() or b"{}", clock)
        definition = read_definition(row.definition)
        replayed = await agent_replayer.replay(row, definition, principal.key_id, asked)
        return replay_json(replayed, asked)


def parse_replay(body: bytes, clock: Clock) -> ReplayRequest:
    """Return the request of a body. Raises ParameterInvalid and those of an unreadable body."""
    read = decode_body_strict(_DECODER, body)
    end = read.end or clock.now()
    start = read.start or end - USUAL_PERIOD
    try:
        most_nano = nano_from_text(read.max_cost)
    except ValueError as error:
        raise ParameterInvalid("`max_cost` must be an amount.", param="max_cost") from error
    if most_nano < 0:
        raise ParameterInvalid("`max_cost` must be 0 or more.", param="max_cost")
    failures = tuple(read.failures)
    return ReplayRequest(start, end, failures, most_nano, read.warning, read.warning_version)
