"""Models of an account's own rows on the fake server: `value` is twice the torque, and an error."""

from typing import Any

from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer

INPUTS = [{"name": "torque", "datatype": "FP32", "unit": "N·m"}]
# By version: by how much it is off, in turn above and below.
ERRORS = {"1": 6.0, "2": 1.0}


def answer(name: str, request: dict[str, Any]) -> dict[str, list[Any]]:
    """The outputs of a version for the rows of a request."""
    error = ERRORS.get(name.rpartition(":")[2], 3.0)
    (torque,) = [one["data"] for one in request["inputs"] if one["name"] == "torque"]
    values = [2 * one + error * (1 if row % 2 else -1) for row, one in enumerate(torque)]
    return {
        "value": values,
        "lower": [one - 2 for one in values],
        "upper": [one + 2 for one in values],
        "reasons": [["torque"]] * len(values),
    }


async def trained(customer: Customer, upstream: FakeUpstream, versions: int = 2) -> str:
    """The name of a model with so many versions, whose calls `answer` answers."""
    for _ in range(versions):
        job = await customer.adapts()
    name: str = job.fine_tuned_model
    upstream.inputs[name] = INPUTS
    upstream.outputs = answer
    return name


def table(rows: int = 60, machines: int = 6) -> bytes:
    """A table with the true results."""
    lines = [f"{row};{2 * row};m{row % machines}" for row in range(rows)]
    return "\n".join(["torque;wear;machine", *lines]).encode()
