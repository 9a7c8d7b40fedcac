"""Which models answer at this moment, as Ray Serve's controller sees it.

Ray's own `/-/healthz` says "success" as soon as any application has a server, and `/v1/models`
lists a model long before its engine is up.
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

_REMEMBERED_S = 1.0
# Of a deployment that may have no replica: it sleeps, or wakes, or falls asleep.
_WELL = (DeploymentStatus.HEALTHY, DeploymentStatus.UPSCALING, DeploymentStatus.DOWNSCALING)


@dataclass(frozen=True, slots=True)
class Where:
    """The Serve application and deployment that answer for a model.

    `counts_tokens` where its server tells what the engine counted (serving/text/server.py);
    `sleeps` where it may have no replica while nobody calls: a call waits until there is one.
    """

    application: str
    deployment: str
    counts_tokens: bool = False
    sleeps: bool = False


class Readiness:
    """Asks at most once a second, however often it is asked."""

    def __init__(self, models: Mapping[str, Where]) -> None:
        self._models = models
        self._lock = asyncio.Lock()
        self._states: dict[str, bool] = {}
        self._asked_at = float("-inf")

    async def states(self) -> dict[str, bool]:
        """Each model of the catalog, and whether a call to it would be answered."""
        async with self._lock:
            if time.monotonic() - self._asked_at > _REMEMBERED_S:
                # A blocking call to the controller; the event loop carries everybody's requests.
                self._states = await asyncio.to_thread(_ask, self._models)
                self._asked_at = time.monotonic()
            return self._states


def _ask(models: Mapping[str, Where]) -> dict[str, bool]:
    applications = serve.status().applications
    states = {}
    for model, where in models.items():
        application = applications.get(where.application)
        deployment = application and application.deployments.get(where.deployment)
        states[model] = bool(deployment and answers(deployment, where.sleeps))
    return states


def answers(deployment: DeploymentStatusOverview, sleeps: bool) -> bool:
    """Whether a call would be answered, by a replica that runs or by one that it wakes."""
    if deployment.replica_states.get(ReplicaState.RUNNING, 0) > 0:
        return True
    return sleeps and deployment.status in _WELL
