"""Prometheus gauges of the platform's state: queues, servers, pools, jobs, deliveries, checks.

Some are of the process, others (from the database) have the same value in every process.
"""

from collections.abc import Callable
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
    notifications: Gauge
    inbox: Gauge
    invoices: Gauge
    fapiao: Gauge
    oldest_fapiao: Gauge
    payment_orders: Gauge
    payment_discrepancies: Gauge
    credit_refusals: Gauge
    signups: Gauge
    oldest_signup: Gauge
    drifting: Gauge
    promises: Gauge
    differences: Gauge
    checked: Gauge


def declare_platform_gauges(registry: CollectorRegistry) -> PlatformGauges:
    """Create the gauges of the whole platform.

    Over several processes they are summed, or the worst or the most recent value counts.
    """
    added = partial(Gauge, registry=registry, multiprocess_mode="livesum")
    worst = partial(Gauge, registry=registry)
    shared = partial(Gauge, registry=registry, multiprocess_mode="livemostrecent")
    return PlatformGauges(
        calls_waiting=added("maas_calls_waiting", "Calls waiting for a model.", ("model", "tier")),
        models_up=worst(
            "maas_model_up",
            "Whether a model has an available server; 1 until a server is known to be unavailable.",
            ("model",),
            multiprocess_mode="livemin",
        ),
        records_waiting=added("maas_records_waiting", "Usage rows waiting to be written."),
        records_failing=worst(
            "maas_records_failing",
            "Whether usage rows cannot be written, so that no calls are accepted.",
            multiprocess_mode="livemax",
        ),
        database_connections=added(
            "maas_database_connections", "Connections of a pool in use.", ("pool",)
        ),
        database_pool=added("maas_database_pool_size", "Open connections of a pool.", ("pool",)),
        platform_read=shared(
            "maas_platform_read_timestamp_seconds",
            "Time of the last update of the metrics of jobs, deliveries and checks.",
        ),
        workers=shared("maas_workers", "Worker processes with a recent heartbeat."),
        jobs=shared("maas_jobs", "Jobs by kind and state.", ("job", "state")),
        job_ticked=shared(
            "maas_job_due_timestamp_seconds", "Time at which a kind of job was last due.", ("job",)
        ),
        outbox=shared("maas_outbox", "Undelivered outbox items by state.", ("action", "state")),
        inbox=shared("maas_inbox", "Unprocessed Stripe events by state.", ("state",)),
        invoices=shared("maas_invoices_open", "Open invoices.", ("currency", "overdue")),
        fapiao=shared("maas_fapiao_open", "Fapiao that are not issued yet, by state.", ("state",)),
        oldest_fapiao=shared(
            "maas_fapiao_oldest_timestamp_seconds",
            "Time of the oldest request for a fapiao that is not issued yet; 0 if there is none.",
        ),
        **_notification_gauges(shared),
        **_payment_gauges(shared),
        **_signup_gauges(shared),
        drifting=shared(
            "maas_model_drift", "Customers' models by drift level of their last check.", ("level",)
        ),
        promises=shared(
            "maas_model_promises",
            "Customers' current models with observed results, by whether intervals or "
            "probabilities keep what they state: kept or broken.",
            ("state",),
        ),
        differences=shared(
            "maas_check_differences", "Differences found by the last reconciliation."
        ),
        checked=shared("maas_check_timestamp_seconds", "Time of the last reconciliation."),
    )


def _signup_gauges(shared: Callable[..., Gauge]) -> dict[str, Gauge]:
    """Create the gauges of sign-ups and of those that wait for a review."""
    return {
        "signups": shared("maas_signups", "Sign-ups of the last day by outcome.", ("outcome",)),
        "oldest_signup": shared(
            "maas_signup_review_oldest_timestamp_seconds",
            "Time of the oldest sign-up that waits for a review; 0 if there is none.",
        ),
    }


def _notification_gauges(shared: Callable[..., Gauge]) -> dict[str, Gauge]:
    """Create the gauge of deliveries to notification endpoints."""
    return {
        "notifications": shared(
            "maas_notification_deliveries",
            "Deliveries to notification endpoints: waiting, retrying, or failed within a day.",
            ("kind", "state"),
        )
    }


def _payment_gauges(shared: Callable[..., Gauge]) -> dict[str, Gauge]:
    """Create the gauges of payment orders, payments that differ from theirs, and credit."""
    return {
        "payment_orders": shared(
            "maas_payment_orders",
            "Payment orders of the last day, and refunds that are pending, by provider and state.",
            ("method", "state"),
        ),
        "payment_discrepancies": shared(
            "maas_payment_discrepancies",
            "Payments that differ from their order and are not resolved, by provider.",
            ("method",),
        ),
        "credit_refusals": shared(
            "maas_credit_raises_refused",
            "Accounts whose raise an exposure limit refused in the last day, by scope.",
            ("scope",),
        ),
    }
