"""Record an agent's prediction in the prediction ledger, with the agent and its version.

Warnings and the predictions that nothing will happen are recorded alike: both count for the scores
of the agent, and contracts on predicted events pay only what a record predicted.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.money import PPM
from billing.outcomes.predictions.content import (
    AgentVersion,
    Basis,
    NewPrediction,
    PredictionSource,
    PredictionVerdict,
)
from billing.outcomes.predictions.ledger import append_predictions
from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.agents.definitions.values import PredictionStep
from gateway.agents.definitions.warning import WarningStep
from gateway.agents.public_ids import AGENT
from gateway.agents.running.tick import TickInput, TickOutcome
from gateway.plant.assets.ids import ASSET
from gateway.tables.plant import PlantAsset
from infra import ids
from infra.clock import Clock
from models.policies.maintenance.policy import Action

LEARNED_WARNING = "learned-warning"
"""The model under which probabilities of learned warning rules are recorded and signed."""


async def record_prediction(
    session: AsyncSession, clock: Clock, signer: ModelSigner, tick: TickInput, outcome: TickOutcome
) -> None:
    """Append the prediction of a tick to the account's chain, once; nothing without one."""
    stated = _stated(tick, outcome)
    probability = outcome.assessment.failure_probability
    if stated is None or probability is None:
        return
    step, basis = stated
    account_id, code = tick.agent.account_id, await _code(session, tick)
    warns = outcome.assessment.action is not Action.WAIT
    now = clock.now()
    prediction = NewPrediction(
        subject=code,
        event=step.event,
        verdict=PredictionVerdict.YES if warns else PredictionVerdict.NO,
        probability_ppm=round(probability * PPM),
        horizon_from=now,
        horizon_to=now + _horizon(step),
        basis=basis,
        idempotency_key=_key(tick.agent.id, tick),
        asset=ids.format_id(ASSET, tick.agent.asset_id),
        agent=AgentVersion(ids.format_id(AGENT, tick.agent.id), str(tick.agent.version)),
    )
    await append_predictions(session, clock, signer, account_id, [prediction])


def _stated(
    tick: TickInput, outcome: TickOutcome
) -> tuple[PredictionStep | WarningStep, Basis] | None:
    """Return what stated the probability with its basis; None without an event to record."""
    step, predicted = tick.definition.prediction, outcome.predicted
    if step is not None and step.event and predicted is not None:
        calls = () if predicted.request_id is None else (predicted.request_id,)
        return step, Basis(step.model, PredictionSource.AGENT, request_ids=calls)
    learned, found = tick.definition.warning, outcome.assessment.warning
    if learned is None or not learned.event or found is None or predicted is not None:
        return None
    version = f"{found.rule}/{found.version}"
    return learned, Basis(LEARNED_WARNING, PredictionSource.AGENT, version=version)


def _horizon(step: PredictionStep | WarningStep) -> timedelta:
    """Return how far a prediction looks ahead."""
    return timedelta(seconds=step.period_s * step.horizon)


def _key(agent_id: UUID, tick: TickInput) -> str:
    """Return the key of idempotency of a tick."""
    return f"{ids.format_id(AGENT, agent_id)}:{tick.agent.version}:{tick.agent.due_at.isoformat()}"


async def _code(session: AsyncSession, tick: TickInput) -> str:
    """Return the code of the agent's asset, under which contracts name it."""
    query = select(PlantAsset.code).where(
        col(PlantAsset.account_id) == tick.agent.account_id,
        col(PlantAsset.id) == tick.agent.asset_id,
    )
    return (await session.scalars(query)).one()
