"""Prometheus gauges of the platform's state: queues, servers, pools, jobs, deliveries, checks.

Some are of the process, others (from the database) have the same value in every process.
"""

from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry, Gauge


@dataclass(frozen=True, slots=True)
class PlatformGauges:
    """Gauges of the process (queues, models, pools) and of the platform, read from the database."""

    calls_waiting: Gauge
    models_up: Gauge
    records_waiting: Gauge
    records_failing: Gauge
    database_connections: Gauge
    database_pool: Gauge
    platform_read: Gauge
    workers: Gauge
    jobs: Gauge
    job_ticked: Gauge
    outbox: Gauge
    inbox: Gauge
    invoices: Gauge
    differences: Gauge
    checked: Gauge


def declare_platform_gauges(registry: CollectorRegistry) -> PlatformGauges:
    """Create the gauges. Over several processes they are summed, or the worst or the most recent
    value counts."""
    added = partial(Gauge, registry=registry, multiprocess_mode="livesum")
    worst = partial(Gauge, registry=registry)
    shared = partial(Gauge, registry=registry, multiprocess_mode="livemostrecent")
    return PlatformGauges(
        calls_waiting=added(
            "maas_calls_waiting", "Calls that wait for a model.", ("model", "tier")
        ),
        models_up=worst(
            "maas_model_up",
            "Whether a model has a server that calls may go to; 1 until one is known to be bad.",
            ("model",),
            multiprocess_mode="livemin",
        ),
        records_waiting=added("maas_records_waiting", "Usage rows that wait to be written."),
        records_failing=worst(
            "maas_records_failing",
            "Whether usage rows cannot be written, so that no call is taken.",
            multiprocess_mode="livemax",
        ),
        database_connections=added(
            "maas_database_connections", "Connections of a pool that are in use.", ("pool",)
        ),
        database_pool=added("maas_database_pool_size", "Connections that a pool has.", ("pool",)),
        platform_read=shared(
            "maas_platform_read_timestamp_seconds",
            "When the database was last asked for the figures of jobs, deliveries and checks.",
        ),
        workers=shared("maas_workers", "Worker processes that were heard of just now."),
        jobs=shared("maas_jobs", "Jobs by kind and state.", ("job", "state")),
        job_ticked=shared(
            "maas_job_due_timestamp_seconds", "When a kind of job was last due.", ("job",)
        ),
        outbox=shared(
            "maas_outbox", "What is to be done outside and is not, by state.", ("action", "state")
        ),
        inbox=shared("maas_inbox", "Events of Stripe that are not handled, by state.", ("state",)),
        invoices=shared(
            "maas_invoices_open", "Invoices that are to be paid.", ("currency", "overdue")
        ),
        differences=shared("maas_check_differences", "What did not agree at the last check."),
        checked=shared("maas_check_timestamp_seconds", "When all records were last compared."),
    )
