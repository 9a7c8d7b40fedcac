"""Builds the runner of agents of a gateway process."""

from gateway.agents.running.runner import AgentDependencies, AgentRunner
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.process.shared_components import SharedComponents
from infra.clock import Clock


def build_agent_runner(shared: SharedComponents, clock: Clock, pipeline: Pipeline) -> AgentRunner:
    """Build the runner, whose calls go through the pipeline."""
    return AgentRunner(
        AgentDependencies(
            clock=clock,
            database=shared.connections.handlers,
            heartbeat=shared.heartbeat,
            client=PipelineClient(pipeline, clock),
            metrics=shared.metrics.agents,
            timing=shared.timing,
        )
    )
