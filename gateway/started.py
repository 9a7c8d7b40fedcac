"""The order in which the components of a gateway process are started and stopped."""

from gateway.components import Components
from gateway.process.lifespan import Lifespan, Startable, create_lifespan
from infra.poller import Poller


def lifespan_of(components: Components) -> Lifespan:
    """Return the context manager that starts the components in order and stops them in reverse."""
    close_callbacks = [connection.close for connection in components.connections.all]
    close_callbacks += [components.checkout.close, components.plant.graphs.close]
    if components.collector is not None:
        close_callbacks.append(components.collector.close)
    started: tuple[Startable, ...] = (
        components.tracer,
        components.upstream,
        components.availability,
        components.upstream_monitor,
        components.quota_leaser,
        components.writer,
        components.input_counter,
        components.own_models.shadow_calls,
        components.authenticator,
        components.call_metrics,
        components.gauges,
        components.fine_tuning_runner,
        components.ingestion_runner,
        components.evaluation_runner,
        components.background_runner,
        components.batch_runner,
        components.own_models.comparison_runner,
        components.own_models.retraining_runner,
        *components.agents.runners,
        components.own_models.alignment_runner,
        components.catalog_reloader,
        components.plant.deliveries,
    )
    failures = components.metrics.loop_failures
    for part in started:
        if isinstance(part, Poller):
            part.count_failures(lambda loop: failures.labels(loop).inc())
    return create_lifespan(close_callbacks, started)
