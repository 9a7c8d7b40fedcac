"""Readiness of models, derived from the status of their Ray Serve deployments."""

import pytest
from ray.serve.schema import (  # type: ignore[attr-defined]
    DeploymentStatus,
    DeploymentStatusOverview,
    DeploymentStatusTrigger,
    ReplicaState,
)

from serving.readiness import can_answer


def overview(status: DeploymentStatus, **states: int) -> DeploymentStatusOverview:
    replicas = {ReplicaState[name]: count for name, count in states.items()}
    return DeploymentStatusOverview(status, DeploymentStatusTrigger.UNSPECIFIED, replicas, "")


@pytest.mark.parametrize(
    ("status", "states", "always", "sleeping"),
    [
        (DeploymentStatus.HEALTHY, {"RUNNING": 1}, True, True),
        (DeploymentStatus.UNHEALTHY, {"RUNNING": 1}, True, True),
        (DeploymentStatus.HEALTHY, {}, False, True),
        (DeploymentStatus.UPSCALING, {"STARTING": 1}, False, True),
        (DeploymentStatus.DOWNSCALING, {"STOPPING": 1}, False, True),
        (DeploymentStatus.UPDATING, {"STARTING": 1}, False, False),
        (DeploymentStatus.UNHEALTHY, {"STARTING": 1}, False, False),
        (DeploymentStatus.DEPLOY_FAILED, {}, False, False),
    ],
)
def test_model_without_replica_is_ready_only_if_it_scales_to_zero(
    status: DeploymentStatus, states: dict[str, int], always: bool, sleeping: bool
) -> None:
    deployment = overview(status, **states)
    assert can_answer(deployment, scales_to_zero=False) is always
    assert can_answer(deployment, scales_to_zero=True) is sleeping
