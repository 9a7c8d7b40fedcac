"""Record the result of a task, once: in one transaction, if its holder still has the lease.

    lock task -> lock agent -> lock team -> settle the calls -> result, event, next task

A result of a lease that was lost, or of a version that was changed, is dropped. What its call cost
is counted all the same.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.agents.assessment import Assessment
from gateway.agents.board.announcing import add_event, announce_next
from gateway.agents.board.awarding import Awarded
from gateway.agents.board.clock import database_now
from gateway.agents.board.contract_net.conflict import Next, judge
from gateway.agents.board.contract_net.planning import wanted_kinds
from gateway.agents.board.contract_net.values import TaskCode, Verdict, read_content, with_verdict
from gateway.agents.board.deciding import note
from gateway.agents.board.ending import lapse, wait_for_person
from gateway.agents.board.executing import execute_plan
from gateway.agents.board.holds import drop_hold, settle_task
from gateway.agents.board.ledger import record_diagnosis
from gateway.agents.board.tasks import close
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.running.prediction_call import Predicted
from gateway.agents.state import Spending
from gateway.agents.store.agents import read_definition
from gateway.agents.store.days import TickCounts, add_counts
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_board import AgentTask, AgentTeam, TaskKind, TaskStatus
from infra.clock import Clock
from infra.database.database import Database
from models.policies.maintenance.policy import Action

NO_COST: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Open:
    """A held task whose result may be recorded, with its locked agent and team."""

    session: AsyncSession
    task: AgentTask
    agent: Agent
    team: AgentTeam
    definition: AgentDefinition
    now: datetime


@dataclass(frozen=True, slots=True)
class TaskRecorder:
    """Writes the results of tasks that one process works on."""

    database: Database
    clock: Clock
    signer: ModelSigner
    process_id: UUID

    async def verdict(
        self, awarded: Awarded, verdict: Verdict, assessment: Assessment, predicted: Predicted,
        stated: Mapping[str, int],
    ) -> bool:  # fmt: skip
        """Record a diagnosis. stated: the cost that the answer stated, by key of the call."""
        async with self._open(awarded, stated) as held:
            if held is None:
                return False
            session, task, now = held.session, held.task, held.now
            await record_diagnosis(session, self.clock, self.signer, held.agent, task,
                                   held.definition, assessment, predicted)  # fmt: skip
            content = with_verdict(read_content(task.content), verdict)
            self._done(held, msgspec.to_builtins(verdict))
            team = held.team
            follows, chosen = judge(content.verdicts, team.disagreement, team.opinions)
            await self._note(held, assessment.action)
            content = msgspec.structs.replace(content, chosen=chosen)
            if follows is Next.PLAN:
                await announce_next(session, team, task, TaskKind.PLAN, content, now)
                return True
            add_event(session, task.account_id, task.id, "review", now, task.holder_id)
            review = await announce_next(session, team, task, TaskKind.REVIEW, content, now)
            if follows is Next.PERSON and review is not None:
                row = await session.get_one(AgentTask, review)
                await wait_for_person(session, self.clock, team, row, TaskCode.CONFLICT, now)
            return True

    async def plan(self, awarded: Awarded, plan: Assessment) -> bool:
        """Record a plan, and announce its execution if it asks for an action."""
        async with self._open(awarded, NO_COST) as held:
            if held is None:
                return False
            kinds = [kind.value for kind in wanted_kinds(plan)]
            result: dict[str, Any] = {**msgspec.to_builtins(plan), "kinds": kinds}
            self._done(held, result)
            await self._note(held, plan.action)
            if kinds:
                content = read_content(held.task.content)
                content = msgspec.structs.replace(content, plan=result)
                await announce_next(
                    held.session, held.team, held.task, TaskKind.EXECUTE, content, held.now
                )
            return True

    async def execution(self, awarded: Awarded) -> bool:
        """Take or propose the actions of the plan, and record them, in one transaction."""
        async with self._open(awarded, NO_COST) as held:
            if held is None:
                return False
            result = await execute_plan(
                held.session, self.clock, held.agent, held.task, held.definition, held.now
            )
            self._done(held, result)
            return True

    async def failure(
        self, awarded: Awarded, code: str, *, delay: timedelta = timedelta(), stops: bool = False,
        refused: str = "",
    ) -> None:  # fmt: skip
        """Give a task back without a result. stops: the agent cannot go on without a person.

        refused: the key of a call that cost nothing. The holds of other calls stay until the task
        ends, because the agent may repeat a call under the same key, which counts once.
        """
        async with self._open(awarded, None) as held:
            if held is None:
                return
            if refused:
                await drop_hold(held.session, held.task.account_id, held.team.id, refused)
            lapse(held.session, held.task, code, held.now, delay=delay)
            if stops:
                held.agent.status, held.agent.stop_code = AgentStatus.STOPPED, code[:100]
                held.agent.updated_at = self.clock.now()

    async def unpaid(self, awarded: Awarded) -> None:
        """Let a task wait for a person, because the budget of the team is used up."""
        async with self._open(awarded, NO_COST) as held:
            if held is not None:
                await wait_for_person(
                    held.session, self.clock, held.team, held.task, TaskCode.BUDGET, held.now
                )

    @asynccontextmanager
    async def _open(
        self, awarded: Awarded, stated: Mapping[str, int] | None
    ) -> AsyncIterator[Open | None]:
        """Lock what a result changes; None if the lease was lost.

        stated: the calls of the task are settled, None for a task that is not finished.
        """
        async with self.database.transaction() as session:
            task = await self._lock_task(session, awarded)
            if task is None:
                yield None
                return
            agent = await _lock(session, Agent, awarded.agent.id)
            team = await _lock(session, AgentTeam, task.team_id)
            now = await database_now(session)
            if agent.version != task.holder_version or agent.status != AgentStatus.ACTIVE:
                is_changed = agent.version != task.holder_version
                code = TaskCode.HOLDER_CHANGED if is_changed else TaskCode.HOLDER_INACTIVE
                lapse(session, task, code, now, is_fault=False)
                yield None
                return
            cost = 0
            if stated is not None:
                costs = await settle_task(session, task.account_id, team.id, task.id, stated)
                task.cost_nano += sum(costs.values())
                cost = costs.get(agent.id, 0)
                _spend(agent, cost, now)
            yield Open(session, task, agent, team, read_definition(agent.definition), now)
            is_call = task.kind in (TaskKind.DIAGNOSE, TaskKind.REVIEW)
            counts = TickCounts(agent.id, agent.account_id, predictions=int(is_call and cost > 0),
                                cost_nano=cost)  # fmt: skip
            await add_counts(session, self.clock.now().date(), [counts])

    async def _lock_task(self, session: AsyncSession, awarded: Awarded) -> AgentTask | None:
        """Lock and return a task if the lease is still this one's."""
        query = select(AgentTask).where(
            col(AgentTask.id) == awarded.task.id,
            col(AgentTask.account_id) == awarded.task.account_id,
            col(AgentTask.status) == TaskStatus.HELD,
            col(AgentTask.process_id) == self.process_id,
            col(AgentTask.leases) == awarded.lease,
        )
        return (await session.scalars(query.with_for_update())).one_or_none()

    def _done(self, held: Open, result: dict[str, Any]) -> None:
        """Finish a task with its result."""
        task = held.task
        close(task, TaskStatus.DONE, held.now)
        task.result = result
        add_event(held.session, task.account_id, task.id, "done", held.now, task.holder_id)

    async def _note(self, held: Open, decision: Action) -> None:
        """Keep the decision of the agent, which is stopped if it goes back and forth."""
        task = held.task
        await note(held.session, self.clock, held.team, held.agent, task.asset_id,
                   decision.value, held.now)  # fmt: skip


async def _lock(session: AsyncSession, table: Any, identity: UUID) -> Any:
    """Lock and return a row; rows that refer to it can still be written."""
    return await session.get_one(
        table, identity, with_for_update={"key_share": True}, populate_existing=True
    )


def _spend(agent: Agent, cost_nano: int, now: datetime) -> None:
    """Count the cost of a call in the agent's own budget."""
    spending = Spending(agent.spent_day, agent.spent_day_nano, agent.spent_month_nano)
    spent = spending.at(now.date()).plus(cost_nano)
    agent.spent_day, agent.spent_day_nano = spent.day, spent.day_nano
    agent.spent_month_nano = spent.month_nano
