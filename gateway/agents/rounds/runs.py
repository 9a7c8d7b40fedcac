"""Rounds in the ticks of agents: begin those that are due, find those to process, record them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import case, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.rounds.loading import load_content
from gateway.agents.rounds.photo_store import read_contents
from gateway.agents.rounds.processing import ProcessedRound, RoundInput
from gateway.agents.rounds.schedule import newest_start
from gateway.agents.rounds.store import read_plan, set_report, start_scheduled
from gateway.agents.rules import RuleResult
from gateway.tables.agents import Agent, AgentTick
from gateway.tables.agents_rounds import AgentRound, AgentRoundPhoto, RoundStatus
from infra.secrets.signing_key import SigningKey

_NO_ROUNDS: Mapping[UUID, RoundInput] = {}


async def rounds_of(
    session: AsyncSession, watched: Sequence[tuple[Agent, AgentDefinition]], now: datetime
) -> Mapping[UUID, RoundInput]:
    """Begin the rounds that are due, and return the round that each agent considers, by its id.

    agents: of one account. Agents without a route cost no query.
    """
    routed = [(agent, one.round) for agent, one in watched if one.round is not None]
    if not routed:
        return _NO_ROUNDS
    zone = parse_time_zone((await get_profile(session, routed[0][0].account_id)).time_zone)
    for agent, plan in routed:
        at = newest_start(plan, zone, now)
        # A round whose time was before the agent was activated or changed is not made up for.
        if at is not None and at >= agent.updated_at:
            await start_scheduled(session, agent, plan, at, now)
    rows = await _considered(session, routed[0][0].account_id, [agent.id for agent, _ in routed])
    return {row.agent_id: await _input(session, row) for row in rows}


async def record_round(
    session: AsyncSession,
    account_id: UUID,
    tick: AgentTick,
    done: ProcessedRound,
    signing: SigningKey,
) -> None:
    """Complete a round with the labels of its photos, its summary and its report."""
    query = select(AgentRound).where(
        col(AgentRound.account_id) == account_id, col(AgentRound.id) == done.round_id
    )
    row = (await session.scalars(query.with_for_update())).one()
    known = {one.photo_id: one for one in done.labels}
    photos = select(AgentRoundPhoto).where(
        col(AgentRoundPhoto.account_id) == account_id, col(AgentRoundPhoto.id).in_(known)
    )
    for photo in (await session.scalars(photos)).all():
        label = known[photo.id]
        photo.label, photo.probability = label.label, label.probability
        photo.error = label.error
    await session.flush()
    row.tick_id, row.processed_at, row.summary = tick.id, tick.finished_at, done.summary
    set_report(row, await load_content(session, row), signing)
    await session.flush()


async def _considered(
    session: AsyncSession, account_id: UUID, agent_ids: Sequence[UUID]
) -> Sequence[AgentRound]:
    """Return for each agent its oldest round to process, or else the newest processed one."""
    is_new = col(AgentRound.processed_at).is_(None)
    submitted = col(AgentRound.submitted_at)
    order = func.row_number().over(
        partition_by=col(AgentRound.agent_id),
        order_by=(is_new.desc(), case((is_new, submitted)).asc(), submitted.desc()),
    )
    ranked = (
        select(col(AgentRound.id), order.label("place"))
        .where(
            col(AgentRound.account_id) == account_id,
            col(AgentRound.agent_id).in_(agent_ids),
            col(AgentRound.status) == RoundStatus.SUBMITTED,
        )
        .subquery()
    )
    first = select(ranked.c.id).where(ranked.c.place == 1)
    query = select(AgentRound).where(
        col(AgentRound.account_id) == account_id, col(AgentRound.id).in_(first)
    )
    return (await session.scalars(query)).all()


async def _input(session: AsyncSession, row: AgentRound) -> RoundInput:
    """Return a round with what a tick needs of it; of a new one also its answers and photos."""
    results = tuple(msgspec.convert(one, RuleResult) for one in row.results)
    if row.processed_at is not None:
        return RoundInput(row, results, False, read_plan(row))
    content = await load_content(session, row)
    files = await read_contents(session, row.account_id, list(content.photos))
    return RoundInput(row, results, True, read_plan(row), content, files)
