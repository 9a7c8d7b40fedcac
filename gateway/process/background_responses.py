"""The parts of the Responses API of one gateway process."""

from dataclasses import dataclass

from gateway.call.stream_slots import StreamSlots
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.process.shared_components import SharedComponents
from gateway.responses.runner import BackgroundRunner, RunnerDependencies


@dataclass(frozen=True, slots=True)
class BackgroundResponses:
    """What `build_background_responses` builds; `streams` bounds the streams of responses."""

    runner: BackgroundRunner
    streams: StreamSlots


def build_background_responses(shared: SharedComponents, pipeline: Pipeline) -> BackgroundResponses:
    """Build the runner, whose calls go through the pipeline and which the queue wakes."""
    services = shared.responses
    dependencies = RunnerDependencies(
        clock=services.clock,
        database=shared.connections.handlers,
        heartbeat=shared.heartbeat,
        client=PipelineClient(pipeline, services.clock),
        store=services.store,
        timing=shared.timing,
    )
    runner = BackgroundRunner(dependencies)
    services.queue.subscribe(runner.wake)
    return BackgroundResponses(runner, services.streams)
