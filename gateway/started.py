"""The order in which the components of a gateway process are started and stopped."""

from gateway.components import Components
from gateway.process.lifespan import Lifespan, Startable, create_lifespan
from infra.poller import Poller
from infra.work_watch import WorkWatch


def lifespan_of(components: Components) -> Lifespan:
    """Return the context manager that starts the components in order and stops them in reverse."""
    close_callbacks = [connection.close for connection in components.connections.all]
    close_callbacks += [components.checkout.close, components.plant.graphs.close]
    if components.collector is not None:
        close_callbacks.append(components.collector.close)
    watch = work_watch_of(components)
    failures = components.metrics.loop_failures
    for one in (*pollers_of(components), watch):
        one.count_failures(lambda loop: failures.labels(loop).inc())
    return create_lifespan(close_callbacks, (*_started(components), watch))


def pollers_of(components: Components) -> tuple[Poller, ...]:
    """Return the loops that look for queued work."""
    return tuple(part for part in _started(components) if isinstance(part, Poller))


def work_watch_of(components: Components) -> WorkWatch:
    """Return what looks for the work of all queues at once."""
    return WorkWatch(
        components.connections.reading,
        components.clock,
        components.heartbeat,
        pollers_of(components),
        components.settings.timing,
    )


def _started(components: Components) -> tuple[Startable, ...]:
    """Return the components that run in the background, in the order of their start."""
    return (
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
