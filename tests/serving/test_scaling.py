"""How many replicas Ray Serve is told to run, as Ray reads it."""

import warnings

import pytest
from ray.serve.config import AutoscalingConfig

from infra.settings import Settings
from serving.scaling import Scaling, most_replicas, scalings


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


def test_a_fixed_number_is_no_rule() -> None:
    fixed, ruled = Scaling(2, 2, 8.0, 90.0), Scaling(2, 4, 8.0, 90.0)
    assert fixed.options() == {"num_replicas": 2}
    assert ruled.options() == {"autoscaling_config": ruled.settings()}


def test_settings_of_both() -> None:
    ours = scalings(Settings())
    assert ours.specialists == Scaling(1, most_replicas(), 8.0, 600.0)
    assert (ours.engines.least, ours.engines.most) == (1, 1)
    # An engine takes long to start: not for every burst.
    assert ours.engines.patience_s > ours.specialists.patience_s
    more = scalings(Settings(engine_min_replicas=2, engine_max_replicas=5, engine_idle_s=60))
    assert (more.engines.least, more.engines.most, more.engines.idle_s) == (2, 5, 60.0)
    assert scalings(Settings(engine_min_replicas=3)).engines.most == 3
