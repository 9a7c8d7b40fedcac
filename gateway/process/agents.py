"""Builds the runner and the replays of agents of a gateway process."""

from dataclasses import dataclass

from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.agents.replay.replaying import AgentReplayer
from gateway.agents.running.runner import AgentDependencies, AgentRunner
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.process.shared_components import SharedComponents
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What `build_agents` builds."""

    runner: AgentRunner
    replayer: AgentReplayer


def build_agents(
    shared: SharedComponents, settings: Settings, clock: Clock, pipeline: Pipeline
) -> AgentParts:
    """Build the parts, whose calls go through the pipeline."""
    database, client = shared.connections.handlers, PipelineClient(pipeline, clock)
    runner = AgentRunner(
        AgentDependencies(
            clock=clock,
            database=database,
            heartbeat=shared.heartbeat,
            client=client,
            signer=ModelSigner(secret_key(settings)),
            metrics=shared.metrics.agents,
            timing=shared.timing,
        )
    )
    return AgentParts(runner, AgentReplayer(database, client))
