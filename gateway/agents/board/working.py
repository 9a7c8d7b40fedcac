"""Do a task by the role of its holder: diagnose, plan or execute; results are recorded once."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from gateway.agents.assessment import PredictionUnreadable, assess_prediction
from gateway.agents.board.awarding import Awarded
from gateway.agents.board.clock import database_now
from gateway.agents.board.contract_net.planning import plan_case
from gateway.agents.board.contract_net.values import TASK, read_content
from gateway.agents.board.contract_net.verdicts import make_verdict
from gateway.agents.board.ending import asset_code
from gateway.agents.board.holds import HeldCall, reserve
from gateway.agents.board.recording import TaskRecorder
from gateway.agents.definitions.board import BoardRole
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.running.prediction_call import AgentCall, PredictionFailed, predict
from gateway.agents.running.tick import UNREADABLE, affordable_nano
from gateway.agents.state import Spending
from gateway.agents.store.agents import read_definition
from gateway.agents.store.queue import RETRY
from gateway.inference.pipeline_client import PipelineClient
from gateway.tables.agents_board import TaskKind
from infra import ids
from infra.database.database import Database
from infra.work_queue import RetryPolicy

_NO_SPECIALIST, _NO_PLAN = "agent_definition_invalid", "agent_plan_impossible"
_OWN_BUDGET = "agent_budget_exhausted"
# Of a call that failed: the next bidder may try soon, and all of them ever later.
_RETRY = RetryPolicy(timedelta(seconds=1), timedelta(minutes=1))


@dataclass(frozen=True, slots=True)
class TaskWorker:
    """Does tasks that were awarded to this process."""

    database: Database
    client: PipelineClient
    recorder: TaskRecorder

    async def work(self, awarded: Awarded) -> None:
        """Do one task."""
        kind = TaskKind(awarded.task.kind)
        if kind in (TaskKind.DIAGNOSE, TaskKind.REVIEW):
            await self._diagnose(awarded)
        elif kind is TaskKind.PLAN:
            await self._plan(awarded)
        else:
            await self.recorder.execution(awarded)

    async def _diagnose(self, awarded: Awarded) -> None:
        """Ask the specialist of the agent about the announced asset, within all budgets."""
        definition, task = read_definition(awarded.agent.definition), awarded.task
        step = definition.prediction
        if step is None:
            await self.recorder.failure(awarded, _NO_SPECIALIST)
            return
        call = _call(awarded)
        key = call.idempotency_key(task.created_at)
        own, held, asset = await self._reserve(awarded, definition, key)
        if own <= 0:
            await self.recorder.failure(awarded, _OWN_BUDGET)
            return
        if held <= 0:
            await self.recorder.unpaid(awarded)
            return
        found = await predict(self.client, call, step, asset, task.created_at, held)
        if isinstance(found, PredictionFailed):
            delay = (RETRY if found.waits else _RETRY).delay(task.leases)
            refused = "" if found.waits else key
            await self.recorder.failure(
                awarded, found.code, delay=delay, stops=found.stops, refused=refused
            )
            return
        try:
            assessment = assess_prediction(definition, step, (), found.prediction)
        except PredictionUnreadable:
            await self.recorder.failure(awarded, UNREADABLE)
            return
        role = BoardRole.DIAGNOSTICIAN
        verdict = make_verdict(awarded.agent, role, assessment, step, found)
        await self.recorder.verdict(awarded, verdict, assessment, found, {key: found.cost_nano})

    async def _reserve(
        self, awarded: Awarded, definition: AgentDefinition, key: str
    ) -> tuple[int, int, str]:
        """Return what the agent's own budget leaves, the hold of the call, and the asset's code."""
        agent, task = awarded.agent, awarded.task
        async with self.database.transaction() as session:
            now = await database_now(session)
            spent = Spending(agent.spent_day, agent.spent_day_nano, agent.spent_month_nano)
            own = affordable_nano(definition, spent.at(now.date()))
            asset = await asset_code(session, task.account_id, task.asset_id)
            if own <= 0:
                return own, 0, asset
            held = HeldCall(task.account_id, task.team_id, agent.id, key, own, task.id)
            return own, await reserve(session, held), asset

    async def _plan(self, awarded: Awarded) -> None:
        """Choose by expected cost, with the verdict that counts."""
        definition = read_definition(awarded.agent.definition)
        try:
            plan = plan_case(read_content(awarded.task.content), definition.costs)
        except ValueError:
            await self.recorder.failure(awarded, _NO_PLAN)
            return
        await self.recorder.plan(awarded, plan)


def _call(awarded: Awarded) -> AgentCall:
    """Return the call of a diagnosis; the same agent and version gets a stored answer again."""
    agent, task = awarded.agent, awarded.task
    purpose = f"{ids.format_id(TASK, task.id)}:{agent.version}"
    account_id: UUID = agent.account_id
    return AgentCall(account_id, agent.key_id, agent.id, purpose)
