"""Prometheus metrics of the lifecycle of customers' models (docs/observability.md).

Drift and promises are gauges of the platform, because another process checks them
(infra/telemetry/platform_metrics.py).
"""

from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry, Counter

# Counted from 0 on for each model: an alert on the first event needs a value before it.
TRAINING_EVENTS = (
    *("started", "succeeded", "failed", "rejected"),
    *("cancelled", "requeued", "lost"),
)


@dataclass(frozen=True, slots=True)
class OwnModelMetrics:
    """Counters of trainings, verdicts, comparisons, shadow calls and scheduled trainings.

    `aligned_points` and `alignment_waits` are of plant points whose mappings are proposed.
    """

    trainings: Counter
    verdicts: Counter
    comparisons: Counter
    shadow_calls: Counter
    retrainings: Counter
    retraining_spend: Counter
    aligned_points: Counter
    alignment_waits: Counter


def declare_own_model_metrics(registry: CollectorRegistry) -> OwnModelMetrics:
    """Create the counters; names of kinds are ids of the catalog."""
    counter = partial(Counter, registry=registry)
    return OwnModelMetrics(
        trainings=counter(
            "maas_trainings",
            "Attempts of fine-tuning jobs by event: started, succeeded, failed, rejected, "
            "cancelled, requeued or lost.",
            ("model", "event"),
        ),
        verdicts=counter(
            "maas_acceptance_verdicts",
            "Trained models by the verdict on held-out examples: better, no_difference_shown, "
            "worse, or accepted despite it.",
            ("model", "verdict"),
        ),
        comparisons=counter("maas_comparisons", "Comparisons that ended, by status.", ("status",)),
        shadow_calls=counter(
            "maas_shadow_calls",
            "Calls sampled for a shadow deployment, by outcome: answered, failed or dropped.",
            ("outcome",),
        ),
        retrainings=counter(
            "maas_retraining_runs",
            "Runs of retraining schedules by status: started, skipped, activated, proposed, "
            "rejected or failed.",
            ("status",),
        ),
        retraining_spend=counter(
            "maas_retraining_spend", "Cost of trainings that schedules started.", ("currency",)
        ),
        aligned_points=counter(
            "maas_plant_alignment_points",
            "Plant points that a model was asked about, by outcome: proposed or none.",
            ("outcome",),
        ),
        alignment_waits=counter(
            "maas_plant_alignment_waits",
            "Turns of plant alignment that ended with an error, by its code.",
            ("code",),
        ),
    )
