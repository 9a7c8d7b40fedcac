"""Record the steps of a tick, in the transaction of the tick."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Usage
from gateway.agents.steps.values import StepRecord
from gateway.tables.agents import AgentTick
from gateway.tables.agents_rounds import AgentStep
from infra import ids
from infra.database.paging import page_of


async def with_billed_costs(
    session: AsyncSession, account_id: UUID, records: Sequence[StepRecord]
) -> tuple[StepRecord, ...]:
    """Return records with the costs of their usage rows: a replayed answer states none."""
    wanted = [one.request_id for one in records if one.request_id is not None]
    if not wanted:
        return tuple(records)
    query = select(Usage.request_id, Usage.cost_nano).where(
        col(Usage.account_id) == account_id, col(Usage.request_id).in_(wanted)
    )
    costs = {row[0]: row[1] for row in (await session.execute(query)).all()}
    return tuple(
        one
        if one.request_id is None
        else replace(one, cost_nano=costs.get(one.request_id, one.cost_nano))
        for one in records
    )


async def record_steps(
    session: AsyncSession, tick: AgentTick, records: Sequence[StepRecord]
) -> None:
    """Add the rows of a tick's steps."""
    for one in records:
        session.add(
            AgentStep(
                id=ids.new_id(),
                account_id=tick.account_id,
                agent_id=tick.agent_id,
                tick_id=tick.id,
                name=one.name,
                model=one.model,
                output=one.output,
                request_id=one.request_id,
                cost_nano=one.cost_nano,
                error=one.error,
            )
        )
    await session.flush()


async def list_agent_steps(
    session: AsyncSession, account_id: UUID, agent_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[AgentStep]:
    """Return a page of the steps of an agent, the newest first."""
    query = select(AgentStep).where(
        col(AgentStep.account_id) == account_id, col(AgentStep.agent_id) == agent_id
    )
    return (await session.scalars(page_of(query, col(AgentStep.id), limit, after))).all()
