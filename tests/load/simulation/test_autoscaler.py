"""Ray Serve's autoscaling rule: a replica count changes after it was wanted for the whole delay."""

import pytest

from load.simulation.autoscaler import PendingDecision, ScalingRule, decide

RULE = ScalingRule(1, 8, 10.0, upscale_delay_s=30, downscale_delay_s=600)


def told(
    ongoing: list[tuple[float, float]], replicas: int = 2, rule: ScalingRule = RULE
) -> list[int]:
    """The replica count after each observation of time and running requests."""
    pending, found = PendingDecision(), []
    for now, number in ongoing:
        replicas, pending = decide(rule, number, replicas, pending, now)
        found.append(replicas)
    return found


def test_autoscaler_adds_replicas_after_the_upscale_delay() -> None:
    assert told([(0, 45), (10, 45), (29, 45), (30, 45), (31, 45)]) == [2, 2, 2, 5, 5]


def test_autoscaler_removes_replicas_after_the_downscale_delay() -> None:
    assert told([(0, 5), (300, 5), (599, 5), (600, 5)]) == [2, 2, 2, 1]


def test_autoscaler_starts_the_number_wanted_last() -> None:
    assert told([(0, 45), (29, 25), (30, 75)]) == [2, 2, 8]


@pytest.mark.parametrize("between", [20, 5])
def test_autoscaler_restarts_the_delay_when_demand_changes(between: float) -> None:
    """20 calls need two replicas, 5 need one: both restart the delay of the earlier decision."""
    assert told([(0, 45), (20, between), (30, 45), (59, 45), (60, 45)]) == [2, 2, 2, 2, 5]


def test_autoscaler_stays_between_minimum_and_maximum_replicas() -> None:
    assert told([(0, 1000), (30, 1000)]) == [2, 8]
    assert told([(0, 0), (600, 0)], 2, ScalingRule(2, 8, 10.0)) == [2, 2]


def test_autoscaler_scales_to_zero_if_the_minimum_is_zero() -> None:
    assert told([(0, 0), (600, 0)], 1, ScalingRule(0, 8, 10.0)) == [1, 0]
