"""Award announced tasks to the best bidder, and take them over from holders that were lost.

One query finds what is due in all accounts, and locks it; the rest is computed from the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, or_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from gateway.agents.board.announcing import add_event
from gateway.agents.board.bidders import load_bidders, load_paths, needs_of
from gateway.agents.board.clock import database_now
from gateway.agents.board.contract_net.bidding import Bid, Bidder, rank_bids
from gateway.agents.board.contract_net.leases import lapse_reason, stuck_reason
from gateway.agents.board.contract_net.values import TaskCode
from gateway.agents.board.ending import lapse, stop, wait_for_person
from gateway.agents.public_ids import AGENT
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_board import OPEN_STATUSES, AgentTask, AgentTeam, TaskKind, TaskStatus
from infra import ids
from infra.clock import Clock
from infra.database.due_work import TimeValue

# A task that nobody can do is offered again after this time.
_NO_BIDDER = timedelta(seconds=5)
_MAX_SHOWN_BIDS = 5


@dataclass(frozen=True, slots=True)
class Awarded:
    """A task with the lease of its holder. lease: its number, by which a result is recorded."""

    task: AgentTask
    agent: Agent
    team: AgentTeam
    lease: int
    takes_over: bool


@dataclass(frozen=True, slots=True)
class _Bidding:
    """The bidders of a team, and how many tasks each got in this turn."""

    bidders: Sequence[Bidder]
    agents: dict[UUID, Agent]
    given: dict[UUID, int] = field(default_factory=dict)

    def now(self) -> list[Bidder]:
        """Return the bidders with their load of now."""
        return [
            msgspec.structs.replace(one, load=one.load + self.given.get(one.agent_id, 0))
            for one in self.bidders
        ]


@dataclass(frozen=True, slots=True)
class Awarder:
    """Awards tasks in one transaction, to be worked on by one process."""

    session: AsyncSession
    clock: Clock
    process_id: UUID
    lease_s: float

    async def award_due(self, limit: int) -> list[Awarded]:
        """Award due tasks, `limit` at most; those that are stuck are stopped."""
        now = await database_now(self.session)
        tasks = await self._due(now, limit)
        biddings: dict[UUID, _Bidding] = {}
        awarded = [await self._handle(task, biddings, now) for task in tasks]
        await self.session.flush()
        return [one for one in awarded if one is not None]

    async def _due(self, now: datetime, limit: int) -> Sequence[AgentTask]:
        """Lock and return tasks that are to be awarded, taken over or stopped."""
        query = (
            due_tasks(now, self.lease_s)
            .order_by(col(AgentTask.id))
            .limit(limit)
            .with_for_update(of=AgentTask, skip_locked=True)
            .execution_options(populate_existing=True)
        )
        return (await self.session.scalars(query)).all()

    async def _handle(
        self, task: AgentTask, biddings: dict[UUID, _Bidding], now: datetime
    ) -> Awarded | None:
        """Take over, stop or award one task."""
        team = await self.session.get_one(AgentTeam, task.team_id)
        takes_over = task.status == TaskStatus.HELD
        if takes_over:
            await self._lapse(task, now)
        stuck = stuck_reason(task, team.max_leases, now)
        if stuck is not None:
            await stop(self.session, self.clock, team, task, stuck, now)
            return None
        if team.id not in biddings:
            biddings[team.id] = _Bidding(*await load_bidders(self.session, team, now))
        return await self._award(task, team, biddings[team.id], now, takes_over)

    async def _lapse(self, task: AgentTask, now: datetime) -> None:
        """Take a task from a holder that was lost or changed."""
        holder = None
        if task.holder_id is not None:
            holder = await self.session.get(Agent, task.holder_id, populate_existing=True)
        reason = lapse_reason(task, holder, self.lease_s, now) or TaskCode.NOT_RENEWED
        lapse(self.session, task, reason, now, is_fault=reason is TaskCode.NOT_RENEWED)

    async def _award(
        self, task: AgentTask, team: AgentTeam, bidding: _Bidding, now: datetime, takes_over: bool
    ) -> Awarded | None:
        """Give the best bidder a lease, None if nobody bids."""
        paths = await load_paths(self.session, task.account_id, [task.asset_id])
        lapsed = {UUID(hex=agent): count for agent, count in task.lapsed.items()}
        wanted = needs_of(task, paths.get(task.asset_id, ()))
        bids = rank_bids(wanted, bidding.now(), lapsed)
        if not bids:
            await self._unclaimed(task, team, now)
            return None
        best = bids[0]
        bidding.given[best.agent_id] = bidding.given.get(best.agent_id, 0) + 1
        task.status, task.code, task.retry_at = TaskStatus.HELD, None, None
        task.holder_id, task.holder_version = best.agent_id, best.version
        task.process_id, task.leases = self.process_id, task.leases + 1
        task.lease_until = now + timedelta(seconds=self.lease_s)
        data = {"lease": task.leases, "bids": [_bid_json(one) for one in bids[:_MAX_SHOWN_BIDS]]}
        add_event(self.session, task.account_id, task.id, "awarded", now, best.agent_id, data)
        return Awarded(task, bidding.agents[best.agent_id], team, task.leases, takes_over)

    async def _unclaimed(self, task: AgentTask, team: AgentTeam, now: datetime) -> None:
        """Offer a task that nobody can do again later; a person decides instead of a review."""
        if task.kind == TaskKind.REVIEW:
            await wait_for_person(self.session, self.clock, team, task, TaskCode.CONFLICT, now)
            return
        if task.code != TaskCode.UNCLAIMED:
            add_event(self.session, task.account_id, task.id, "no_bids", now)
        task.code, task.retry_at = TaskCode.UNCLAIMED, now + _NO_BIDDER


async def renew(
    session: AsyncSession, process_id: UUID, task_ids: Sequence[UUID], lease_s: float
) -> None:
    """Renew the leases of tasks that a process works on."""
    now = await database_now(session)
    await session.execute(
        update(AgentTask)
        .where(
            col(AgentTask.id).in_(task_ids),
            col(AgentTask.process_id) == process_id,
            col(AgentTask.status) == TaskStatus.HELD,
        )
        .values(lease_until=now + timedelta(seconds=lease_s))
        .execution_options(synchronize_session=False)
    )


def due_tasks(now: TimeValue, lease_s: float) -> SelectOfScalar[AgentTask]:
    """Return the query of tasks that are to be awarded, taken over or stopped."""
    return (
        select(AgentTask)
        .outerjoin(Agent, col(Agent.id) == col(AgentTask.holder_id))
        .where(
            col(AgentTask.status).in_(OPEN_STATUSES),
            or_(
                col(AgentTask.deadline_at) <= now,
                _is_offered(now),
                _is_lost(now, lease_s),
            ),
        )
    )


def _is_offered(now: TimeValue) -> ColumnElement[bool]:
    """Return the condition of a task that bids are due for."""
    is_time = or_(col(AgentTask.retry_at).is_(None), col(AgentTask.retry_at) <= now)
    return (col(AgentTask.status) == TaskStatus.ANNOUNCED) & is_time


def _is_lost(now: TimeValue, lease_s: float) -> ColumnElement[bool]:
    """Return the condition of a task whose holder may have lost its lease (leases.py)."""
    latest = now + timedelta(seconds=2 * lease_s)
    return (col(AgentTask.status) == TaskStatus.HELD) & or_(
        col(AgentTask.lease_until) <= now,
        col(AgentTask.lease_until) > latest,
        col(Agent.status) != AgentStatus.ACTIVE,
        col(Agent.version) != col(AgentTask.holder_version),
    )


def _bid_json(bid: Bid) -> dict[str, object]:
    """Return a bid for the event of the award."""
    return {
        "agent": ids.format_id(AGENT, bid.agent_id),
        "value": bid.value,
        "capability": bid.capability,
        "distance": bid.distance,
        "budget_left": bid.budget_left,
        "load": bid.load,
    }
