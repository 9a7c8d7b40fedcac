"""Builds the components of batches: what checks and prices them, creates them, and runs them."""

from dataclasses import dataclass
from functools import partial

from gateway.batches.creation import BatchCreation
from gateway.batches.offers import BatchOffers
from gateway.batches.runner import BatchDependencies, BatchRunner
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.inference.stages import Stages
from gateway.process.shared_components import SharedComponents
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class BatchProcessing:
    """The components of batches in one gateway process."""

    runner: BatchRunner
    offers: BatchOffers
    creation: BatchCreation


def build_batch_processing(
    shared: SharedComponents, settings: Settings, clock: Clock, stages: Stages, pipeline: Pipeline
) -> BatchProcessing:
    """Build the components of batches, whose calls go through the pipeline."""
    database, timing = shared.connections.handlers, shared.timing
    url = "" if settings.database_url is None else settings.database_url.get_secret_value()
    dependencies = BatchDependencies(
        clock=clock,
        database=database,
        open_database=partial(Database, url, pool_size=1),
        authenticator=stages.authenticator,
        admission=stages.admission,
        heartbeat=shared.heartbeat,
        client=PipelineClient(pipeline, clock),
        call_metrics=stages.call_metrics,
        metrics=shared.metrics,
        timing=timing,
    )
    parser, admission, max_bytes = stages.parser, stages.admission, settings.max_body_bytes
    planner = stages.decisions.planner
    return BatchProcessing(
        BatchRunner(dependencies),
        BatchOffers(database, parser, admission, clock, max_bytes, planner),
        BatchCreation(database, clock, settings.credit_wait_s, timing),
    )
