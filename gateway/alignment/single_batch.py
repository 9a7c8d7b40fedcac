"""Ask a model about the oldest open points at once, as a person does in the mapping queue."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.alignment.batches import (
    AlignmentCalls,
    empty_proposal,
    is_alignable,
    make_proposals,
)
from gateway.alignment.facts import load_facts
from gateway.alignment.runner import version_of
from gateway.call.values import Principal, SignedInCaller
from gateway.plant.store.editing import Editing
from gateway.plant.store.proposals import list_to_propose, store_proposals
from infra import ids
from infra.database.database import Database

# Points that a person asks about at once.
MAX_POINTS = 512


async def propose_batch(
    database: Database,
    calls: AlignmentCalls,
    principal: Principal,
    editing: Callable[[AsyncSession], Editing],
    model: str,
) -> int:
    """Store a model's proposals for points that it was not asked about; return how many.

    Raises AlignmentCallFailed.
    """
    version, account_id = version_of(model, principal), principal.account_id
    async with database.transaction() as session:
        points = await list_to_propose(session, account_id, version, MAX_POINTS)
    usable = [point for point in points if is_alignable(point)]
    proposals = [empty_proposal(point) for point in points if not is_alignable(point)]
    if usable:
        caller = SignedInCaller(account_id, principal.key_id)
        answer = await calls.ask(caller, version, usable, _turn())
        facts = await load_facts(database, account_id)
        proposals += make_proposals(usable, answer.entries, facts)
    async with database.transaction() as session:
        return await store_proposals(editing(session), proposals, version)


def _turn() -> str:
    """Return a name for a call that a person asked for: each one is a call of its own."""
    identity: UUID = ids.new_id()
    return str(identity)
