"""How many replicas Ray Serve is told to run, as Ray reads it."""

import warnings

import pytest
from ray.serve.config import AutoscalingConfig

from serving.scaling import Scaling


@pytest.mark.parametrize(("least", "started"), [(0, 1), (1, 1), (3, 3)])
def test_ray_takes_the_bounds(least: int, started: int) -> None:
    scaling = Scaling(least, 4, target=8.0, idle_s=90.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        read = AutoscalingConfig(**scaling.settings())
    assert (read.min_replicas, read.max_replicas) == (least, 4)
    # Also where none may be left: what cannot be loaded is found out at the start.
    assert read.initial_replicas == started
    assert read.target_ongoing_requests == 8.0
    assert read.downscale_delay_s == 90.0
    assert scaling.sleeps == (least == 0)
