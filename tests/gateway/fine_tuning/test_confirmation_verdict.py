"""Verdict on versions that confirmations trained: used unless an interval says that it is worse."""

from typing import Any

import pytest

from gateway.retraining.schedules import next_due
from gateway.retraining.verdict import is_not_worse
from gateway.tables import RetrainingTrigger
from infra.clock import SystemClock


def score(low: float, high: float) -> dict[str, Any]:
    return {"current": {"current": 0.9, "adapted": 0.8, "improvement": [low, high]}}


@pytest.mark.parametrize(
    ("found", "used"),
    [
        (None, True),
        ({"current": None}, True),
        (score(-0.4, 0.1), True),
        (score(0.0, 0.0), True),
        (score(-0.4, -0.01), False),
    ],
)
def test_version_is_used_unless_the_interval_lies_below_zero(
    found: dict[str, Any] | None, used: bool
) -> None:
    assert is_not_worse(found) is used


def test_schedule_by_confirmations_has_no_next_time() -> None:
    now = SystemClock().now()
    assert next_due(RetrainingTrigger.CONFIRMATIONS, now, now) is None
