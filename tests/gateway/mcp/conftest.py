"""A gateway whose specialist declares its columns."""

import pytest

from tests.support.builders import SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream

COLUMNS = [
    {"name": "type", "datatype": "BYTES", "values": ["L", "M", "H"], "description": "Variant"},
    {"name": "torque", "datatype": "FP32", "unit": "N·m", "minimum": 0.0, "maximum": 200.0},
    {"name": "history", "datatype": "FP32", "length": [1, 3], "optional": True, "nullable": True},
]


@pytest.fixture
def declared(gateway: Gateway, upstream: FakeUpstream) -> Gateway:
    """The gateway, with the columns of one specialist; the others declare none."""
    upstream.inputs[SPECIALIST] = COLUMNS
    return gateway
