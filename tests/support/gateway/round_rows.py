"""Rounds in the database for tests of pages: one that is open, and one that was submitted."""

from gateway.agents.public_ids import PHOTO, ROUND
from gateway.agents.rounds.answers import NewAnswer
from gateway.agents.rounds.photo_store import add_photo
from gateway.agents.rounds.photos import read_photo
from gateway.agents.rounds.signing import PURPOSE
from gateway.agents.rounds.store import add_answers, start_round, submit
from gateway.agents.store.agents import AgentChange, find_agent
from gateway.identity.audit_log import CLI_ACTOR
from infra import ids
from infra.secrets.signing_key import SigningKey
from tests.support.builders import Gateway
from tests.support.gateway.rounds import LEAK, photo
from tests.support.gateway.watched_pumps import add_agent


async def add_rounds(gateway: Gateway, asset: str) -> dict[str, str]:
    """Create a submitted round with a photo and an open one of an asset; returns their ids."""
    section = {"stops": [{"questions": [LEAK]}]}
    agent = await add_agent(gateway, asset=asset, rules=[], round=section)
    clock = gateway.parts.clock
    async with gateway.parts.database.transaction() as session:
        change = AgentChange(session, clock, CLI_ACTOR, gateway.account.id)
        row = await find_agent(session, gateway.account.id, agent)
        begun = ids.format_id(ROUND, (await start_round(change, row)).id)
        given = NewAnswer(key="a", stop=0, question="leak", answered_at=clock.now(), value=True)
        await add_answers(change, begun, [given])
        added = await add_photo(change, begun, (0, "leak"), "p", read_photo(photo()))
        await submit(change, begun, SigningKey(b"test", PURPOSE))
        opened = await start_round(change, row)
    return {
        "round_id": begun,
        "photo": ids.format_id(PHOTO, added.id),
        "open_round": ids.format_id(ROUND, opened.id),
    }
