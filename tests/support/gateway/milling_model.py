"""A specialist of a milling machine with two columns, and what chats with it hold."""

from typing import Any

import pytest

from gateway.inference.hosted_tools import runner
from gateway.inference.hosted_tools.holding import HostedRequest, hold_steps
from tests.support.builders import SPECIALIST
from tests.support.fakes.upstream import FakeUpstream

MILLING_INPUTS = (
    {"name": "torque", "datatype": "FP32", "unit": "N·m", "minimum": 0, "maximum": 500},
    {"name": "rotational_speed", "datatype": "FP32", "unit": "rpm", "minimum": 0},
)


def serve_milling_inputs(upstream: FakeUpstream) -> None:
    """Make the model server's specialist take torque and rotational speed."""
    upstream.inputs[SPECIALIST] = [dict(one) for one in MILLING_INPUTS]


def serve_milling_model(upstream: FakeUpstream) -> None:
    """Make the model server's specialist predict a failure from torque and rotational speed."""
    serve_milling_inputs(upstream)
    upstream.predicts = {"failure_probability": 0.93, "failure": 1}


def record_held_costs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What each chat from now on holds for its searches and steps, in nano-units."""
    found: list[int] = []

    async def hold(asked: HostedRequest, *more: Any) -> None:
        await hold_steps(asked, *more)
        found.append(asked.linked.max_cost_nano)

    monkeypatch.setattr(runner, "hold_steps", hold)
    return found
