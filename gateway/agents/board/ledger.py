"""Record the prediction of a diagnosis in the prediction ledger, as that of a tick is."""

from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.agents.assessment import Assessment
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.planning import Plan
from gateway.agents.running.ledger_record import record_prediction
from gateway.agents.running.prediction_call import Predicted
from gateway.agents.running.tick import TickInput, TickOutcome
from gateway.agents.state import AgentState
from gateway.tables.agents import Agent
from gateway.tables.agents_board import AgentTask
from infra.clock import Clock


async def record_diagnosis(
    session: AsyncSession, clock: Clock, signer: ModelSigner, agent: Agent, task: AgentTask,
    definition: AgentDefinition, assessment: Assessment, predicted: Predicted,
) -> None:  # fmt: skip
    """Append the prediction about the task's asset, once; nothing without `event`."""
    about = Agent(**{**agent.model_dump(), "asset_id": task.asset_id, "due_at": task.created_at})
    state = AgentState()
    tick = TickInput(about, definition, state, (), task.created_at)
    plan = Plan(tells=False, actions=(), state=state)
    await record_prediction(session, clock, signer, tick, TickOutcome(assessment, plan, predicted))
