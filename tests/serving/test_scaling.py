"""Scaling settings, as Ray Serve reads them."""

import warnings

import pytest
from ray.serve.config import AutoscalingConfig

from infra.settings import Settings
from serving.scaling import Scaling, default_max_replicas, load_scaling


@pytest.mark.parametrize(("least", "started"), [(0, 1), (1, 1), (3, 3)])
def test_scaling_bounds_are_accepted_by_ray_autoscaling(least: int, started: int) -> None:
    scaling = Scaling(least, 4, target_requests=8.0, idle_s=90.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        read = AutoscalingConfig(**scaling.autoscaling_config())
    assert (read.min_replicas, read.max_replicas) == (least, 4)
    # At least one replica even at 0, so that a model that cannot load fails at start.
    assert read.initial_replicas == started
    assert read.target_ongoing_requests == 8.0
    assert read.downscale_delay_s == 90.0
    assert scaling.scales_to_zero == (least == 0)


def test_equal_scaling_bounds_set_fixed_replica_number() -> None:
    fixed, ruled = Scaling(2, 2, 8.0, 90.0), Scaling(2, 4, 8.0, 90.0)
    assert fixed.deployment_options() == {"num_replicas": 2}
    assert ruled.deployment_options() == {"autoscaling_config": ruled.autoscaling_config()}


def test_scaling_settings_of_specialists_and_engines_are_loaded() -> None:
    ours = load_scaling(Settings())
    assert ours.specialists == Scaling(1, default_max_replicas(), 8.0, 600.0)
    assert (ours.engines.min_replicas, ours.engines.max_replicas) == (1, 1)
    # Engines start slowly, so short bursts must not add one.
    assert ours.engines.upscale_delay_s > ours.specialists.upscale_delay_s
    more = load_scaling(Settings(engine_min_replicas=2, engine_max_replicas=5, engine_idle_s=60))
    assert (more.engines.min_replicas, more.engines.max_replicas, more.engines.idle_s) == (
        2,
        5,
        60.0,
    )
    assert load_scaling(Settings(engine_min_replicas=3)).engines.max_replicas == 3


@pytest.mark.parametrize(("training", "engine"), [(1.0, 1.0), (0.4, 0.6), (0.05, 0.95)])
def test_engines_leave_the_share_of_training_on_their_gpus(training: float, engine: float) -> None:
    assert load_scaling(Settings(training_gpus=training)).engine_gpus == engine
