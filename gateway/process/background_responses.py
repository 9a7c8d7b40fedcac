"""The parts of the Responses API of one gateway process."""

from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.process.shared_components import SharedComponents
from gateway.responses.runner import BackgroundRunner, RunnerDependencies


def create_background_runner(shared: SharedComponents, pipeline: Pipeline) -> BackgroundRunner:
    """Build the runner of background responses, whose calls go through the pipeline.

    Their queue wakes it.
    """
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
    return runner
