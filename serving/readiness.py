"""Readiness of each model, as reported by Ray Serve's controller.

Ray's own `/-/healthz` returns "success" as soon as any application has a server, and `/v1/models`
lists a model long before its engine is running.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ray import serve
from ray.serve.schema import (  # type: ignore[attr-defined]
    DeploymentStatus,
    DeploymentStatusOverview,
    ReplicaState,
)

_CACHE_S = 1.0
# Statuses in which a deployment that scales to zero can serve a request, even without a replica.
_HEALTHY_STATUSES = (
    DeploymentStatus.HEALTHY,
    DeploymentStatus.UPSCALING,
    DeploymentStatus.DOWNSCALING,
)


@dataclass(frozen=True, slots=True)
class ModelDeployment:
    """The Ray Serve application and deployment that serve a model.

    `counts_tokens`: its server reports the engine's token counters (serving/text/server.py).
    `scales_to_zero`: it may have no replica while idle; a request then waits until one runs.
    """

    application: str
    deployment: str
    counts_tokens: bool = False
    scales_to_zero: bool = False


class ModelReadiness:
    """The readiness of all models, queried from Ray at most once a second."""

    def __init__(self, models: Mapping[str, ModelDeployment]) -> None:
        self._models = models
        self._lock = asyncio.Lock()
        self._states: dict[str, bool] = {}
        self._queried_at = float("-inf")

    async def states(self) -> dict[str, bool]:
        """Return whether each model of the catalog can serve a request, by model id."""
        async with self._lock:
            if time.monotonic() - self._queried_at > _CACHE_S:
                # In a thread, because the call to the controller blocks.
                self._states = await asyncio.to_thread(_query_states, self._models)
                self._queried_at = time.monotonic()
            return self._states


def _query_states(models: Mapping[str, ModelDeployment]) -> dict[str, bool]:
    """Query Ray Serve (blocking) and return whether each model can serve a request."""
    applications = serve.status().applications
    states = {}
    for model, location in models.items():
        application = applications.get(location.application)
        deployment = application and application.deployments.get(location.deployment)
        states[model] = bool(deployment and can_answer(deployment, location.scales_to_zero))
    return states


def can_answer(deployment: DeploymentStatusOverview, scales_to_zero: bool) -> bool:
    """Return whether a replica runs, or would start for a request if it `scales_to_zero`."""
    if deployment.replica_states.get(ReplicaState.RUNNING, 0) > 0:
        return True
    return scales_to_zero and deployment.status in _HEALTHY_STATUSES
