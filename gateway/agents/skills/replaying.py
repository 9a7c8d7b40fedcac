"""The skill that replays an agent on stored readings."""

from collections.abc import Mapping
from typing import Any

from billing.money import nano_from_text
from gateway.agents.replay.replaying import USUAL_PERIOD, ReplayRequest
from gateway.agents.replay.views import replay_json
from gateway.agents.skills.arguments import ReplayArguments, read_arguments
from gateway.agents.skills.parts import SkillParts
from gateway.agents.skills.values import SkillCaller
from gateway.agents.store.agents import find_agent, read_definition
from gateway.call.errors import ParameterInvalid


async def replay_of(
    parts: SkillParts, caller: SkillCaller, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Replay an agent; predictions are billed to the caller's key as far as `max_cost` allows."""
    wanted = read_arguments(arguments, ReplayArguments)
    end = wanted.end or parts.clock.now()
    try:
        most_nano = nano_from_text(wanted.max_cost)
    except ValueError as error:
        raise ParameterInvalid("`max_cost` must be an amount.", param="max_cost") from error
    if caller.most_nano is not None:
        most_nano = min(most_nano, caller.most_nano)
    request = ReplayRequest(
        wanted.start or end - USUAL_PERIOD, end, tuple(wanted.failures), most_nano
    )
    async with parts.database.transaction() as session:
        row = await find_agent(session, caller.principal.account_id, wanted.agent)
    definition = read_definition(row.definition)
    replayed = await parts.replayer.replay(row, definition, caller.principal.key_id, request)
    return {"replay": replay_json(replayed, request)}
