"""Autoscaling bounds of the specialists' replicas and of each language model's engines.

Plain values without a Ray import, because the environment has to be set before Ray is imported.
"""

import os
from dataclasses import dataclass
from typing import Any

from infra.settings import Settings

# Requests come in bursts: a burst shorter than this needs no further replica.
_LOOK_BACK_PERIOD_S = 10.0
# How long the load has to exceed the target before a replica is added. A specialist starts in
# seconds, an engine in a minute or more, which is too late for a burst (docs/scale.md).
_SPECIALIST_UPSCALE_DELAY_S = 5.0
ENGINE_UPSCALE_DELAY_S = 30.0
# With Ray's default of 10 s the first request to specialists scaled to zero waits 5 s longer on
# average. Deprecated in favour of two environment variables that Ray 2.60 documents but ignores.
_METRICS_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """Autoscaling bounds of one deployment.

    `target_requests` is the average number of concurrent requests per replica. A replica is added
    after `upscale_delay_s` seconds above it and stopped after `idle_s` seconds of excess capacity.
    """

    min_replicas: int
    max_replicas: int
    target_requests: float
    idle_s: float
    upscale_delay_s: float = _SPECIALIST_UPSCALE_DELAY_S

    @property
    def scales_to_zero(self) -> bool:
        """Whether the deployment may have no replica while it gets no requests."""
        return self.min_replicas == 0

    def autoscaling_config(self) -> dict[str, Any]:
        """Return Ray Serve's `autoscaling_config`."""
        return {
            "min_replicas": self.min_replicas,
            "max_replicas": self.max_replicas,
            # At least one replica at the start, so that an artefact that cannot be loaded fails the
            # start and not the first customer's request.
            "initial_replicas": max(1, self.min_replicas),
            "target_ongoing_requests": self.target_requests,
            "metrics_interval_s": _METRICS_INTERVAL_S,
            "look_back_period_s": _LOOK_BACK_PERIOD_S,
            "upscale_delay_s": self.upscale_delay_s,
            "downscale_delay_s": self.idle_s,
        }

    def deployment_options(self) -> dict[str, Any]:
        """Return Ray deployment options; equal bounds give a fixed replica count."""
        if self.min_replicas == self.max_replicas:
            return {"num_replicas": self.min_replicas}
        return {"autoscaling_config": self.autoscaling_config()}


@dataclass(frozen=True, slots=True)
class ScalingSettings:
    """The scaling of the specialists' shared replicas and of each language model's engines.

    `training_gpus` is the share of a GPU for the fine-tuning of a language model in the GPU
    profile. At 1 it needs a GPU that no engine uses; below 1 engines leave that share to it.
    """

    specialists: Scaling
    engines: Scaling
    training_gpus: float = 1.0

    @property
    def engine_gpus(self) -> float:
        """The share of each of its GPUs that an engine gets."""
        return 1.0 if self.training_gpus >= 1 else round(1 - self.training_gpus, 4)


def load_scaling(settings: Settings) -> ScalingSettings:
    """Build the scaling from `MAAS_SPECIALIST_…`, `MAAS_ENGINE_…` and `MAAS_TRAINING_GPUS`."""
    return ScalingSettings(
        specialist_scaling(
            settings.specialist_min_replicas,
            settings.specialist_max_replicas,
            settings.specialist_target_requests,
            settings.specialist_idle_s,
        ),
        engine_scaling(
            settings.engine_min_replicas,
            settings.engine_max_replicas,
            settings.engine_target_requests,
            settings.engine_idle_s,
        ),
        settings.training_gpus,
    )


def specialist_scaling(
    min_replicas: int, max_replicas: int | None, target_requests: float, idle_s: float
) -> Scaling:
    """Build the specialists' scaling; the default maximum is half the CPUs."""
    return Scaling(
        min_replicas,
        max_replicas or max(min_replicas, default_max_replicas()),
        target_requests,
        idle_s,
    )


def engine_scaling(
    min_replicas: int, max_replicas: int | None, target_requests: float, idle_s: float
) -> Scaling:
    """Build the engines' scaling; the default maximum is the minimum.

    Each engine occupies a GPU or a CPU core of its own.
    """
    return Scaling(
        min_replicas, max_replicas or min_replicas, target_requests, idle_s, ENGINE_UPSCALE_DELAY_S
    )


def default_max_replicas() -> int:
    """Return half the machine's CPUs, at least 1.

    A replica's threads use more than one CPU; HAProxy, the gateway and the language model need the
    rest.
    """
    return max(1, (os.cpu_count() or 1) // 2)
