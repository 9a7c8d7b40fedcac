"""The parts of a gateway process that train, compare and watch models of customers' own."""

from dataclasses import dataclass

from gateway.alignment.batches import AlignmentCalls
from gateway.alignment.runner import AlignmentDependencies, AlignmentRunner
from gateway.evaluations.comparisons.contenders import ContenderPlanner
from gateway.evaluations.comparisons.offers import ComparisonOffers
from gateway.evaluations.comparisons.runner import ComparisonDependencies, ComparisonRunner
from gateway.fine_tuning.offers import JobOffers
from gateway.fine_tuning.runner import FineTuningRunner
from gateway.inference.internal.shadow_calls import ShadowCalls
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.inference.quotes import Quotes
from gateway.inference.stages import Stages
from gateway.process.shared_components import SharedComponents
from gateway.retraining.planning import RetrainingPlanner
from gateway.retraining.runner import RetrainingDependencies, RetrainingRunner
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class OwnModelParts:
    """What `build_own_models` builds, and what it builds it from."""

    fine_tuning_runner: FineTuningRunner
    offers: JobOffers
    comparison_runner: ComparisonRunner
    comparison_offers: ComparisonOffers
    shadow_calls: ShadowCalls
    retraining_runner: RetrainingRunner
    alignment_runner: AlignmentRunner


def build_own_models(
    shared: SharedComponents,
    clock: Clock,
    stages: Stages,
    pipeline: Pipeline,
    quotes: Quotes,
    fine_tuning_runner: FineTuningRunner,
    offers: JobOffers,
) -> OwnModelParts:
    """Build the parts; comparisons send their calls through the pipeline."""
    database = shared.connections.handlers
    planner = ContenderPlanner(stages.parser, shared.model_metadata)
    comparisons = ComparisonRunner(
        ComparisonDependencies(
            clock=clock,
            database=database,
            authenticator=stages.authenticator,
            heartbeat=shared.heartbeat,
            client=PipelineClient(pipeline, clock),
            planner=planner,
            ended=shared.metrics.own_models.comparisons,
            timing=shared.timing,
        )
    )
    retraining = RetrainingRunner(
        RetrainingDependencies(
            clock=clock,
            database=database,
            heartbeat=shared.heartbeat,
            planner=RetrainingPlanner(database, clock, stages.authenticator, offers),
            fine_tuning=fine_tuning_runner,
            metrics=shared.metrics.own_models,
            timing=shared.timing,
        )
    )
    alignment = AlignmentRunner(
        AlignmentDependencies(
            clock=clock,
            database=database,
            heartbeat=shared.heartbeat,
            authenticator=stages.authenticator,
            calls=AlignmentCalls(PipelineClient(pipeline, clock), database),
            retraining=retraining,
            metrics=shared.metrics.own_models,
            timing=shared.timing,
        )
    )
    return OwnModelParts(
        fine_tuning_runner=fine_tuning_runner,
        offers=offers,
        comparison_runner=comparisons,
        comparison_offers=ComparisonOffers(database, quotes, planner),
        shadow_calls=stages.shadow_calls,
        retraining_runner=retraining,
        alignment_runner=alignment,
    )
