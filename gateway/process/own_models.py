"""The parts of a gateway process that compare and watch models of customers' own."""

from dataclasses import dataclass

from gateway.evaluations.comparisons.contenders import ContenderPlanner
from gateway.evaluations.comparisons.offers import ComparisonOffers
from gateway.evaluations.comparisons.runner import ComparisonDependencies, ComparisonRunner
from gateway.inference.pipeline import Pipeline, Stages
from gateway.inference.pipeline_client import PipelineClient
from gateway.inference.quotes import Quotes
from gateway.inference.shadow_calls import ShadowCalls
from gateway.process.shared_components import SharedComponents
from gateway.upstream.model_metadata import ModelMetadata
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class OwnModelParts:
    """What `build_own_models` builds."""

    comparison_runner: ComparisonRunner
    comparison_offers: ComparisonOffers
    shadow_calls: ShadowCalls


def build_own_models(
    shared: SharedComponents,
    clock: Clock,
    stages: Stages,
    pipeline: Pipeline,
    quotes: Quotes,
    metadata: ModelMetadata,
) -> OwnModelParts:
    """Build the parts; comparisons send their calls through the pipeline."""
    database = shared.connections.handlers
    planner = ContenderPlanner(stages.parser, metadata)
    runner = ComparisonRunner(
        ComparisonDependencies(
            clock=clock,
            database=database,
            authenticator=stages.authenticator,
            heartbeat=shared.heartbeat,
            client=PipelineClient(pipeline, clock),
            planner=planner,
            timing=shared.timing,
        )
    )
    return OwnModelParts(runner, ComparisonOffers(database, quotes, planner), stages.shadow_calls)
