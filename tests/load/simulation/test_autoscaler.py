"""Ray Serve's rule: what is wanted has to be wanted for as long as the delay says."""

import pytest

from load.simulation.autoscaler import PendingDecision, ScalingRule, decide

RULE = ScalingRule(1, 8, 10.0, upscale_delay_s=30, downscale_delay_s=600)


def told(
    ongoing: list[tuple[float, float]], replicas: int = 2, rule: ScalingRule = RULE
) -> list[int]:
    """How many there are after each look: when, and how many requests there were."""
    pending, found = PendingDecision(), []
    for now, number in ongoing:
        replicas, pending = decide(rule, number, replicas, pending, now)
        found.append(replicas)
    return found


def test_more_are_started_once_they_were_wanted_for_the_delay() -> None:
    assert told([(0, 45), (10, 45), (29, 45), (30, 45), (31, 45)]) == [2, 2, 2, 5, 5]


def test_fewer_are_left_once_they_were_wanted_for_the_delay() -> None:
    assert told([(0, 5), (300, 5), (599, 5), (600, 5)]) == [2, 2, 2, 1]


def test_what_is_wanted_last_counts() -> None:
    assert told([(0, 45), (29, 25), (30, 75)]) == [2, 2, 8]


@pytest.mark.parametrize("between", [20, 5])
def test_who_changes_their_mind_waits_anew(between: float) -> None:
    """Two replicas are right for 20, one for 5: either way what was wanted before is forgotten."""
    assert told([(0, 45), (20, between), (30, 45), (59, 45), (60, 45)]) == [2, 2, 2, 2, 5]


def test_never_more_than_most_nor_fewer_than_least() -> None:
    assert told([(0, 1000), (30, 1000)]) == [2, 8]
    assert told([(0, 0), (600, 0)], 2, ScalingRule(2, 8, 10.0)) == [2, 2]


def test_to_none_where_that_may_be() -> None:
    assert told([(0, 0), (600, 0)], 1, ScalingRule(0, 8, 10.0)) == [1, 0]
