"""Models of an account's own rows on the fake server: `value` is twice the torque, and an error."""

from typing import Any

from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer
from tests.support.waiting import until_true

INPUTS = [{"name": "torque", "datatype": "FP32", "unit": "N·m"}]
# By version: by how much it is off, in turn above and below.
ERRORS = {"1": 6.0, "2": 1.0}
OBSERVATIONS = "/v1/feedback/observations"


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


async def predicted(customer: Customer, model: str, rows: int = 40) -> dict[str, Any]:
    """The response of a call of so many rows, and its request id."""
    body = {"model": model, "instances": [{"torque": float(row)} for row in range(rows)]}
    answer = await customer.gateway.http.post("/v1/predictions", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = {**answer.json(), "request_id": answer.headers["x-request-id"]}
    return found


def observed(answer: dict[str, Any], off: float = 0.0, **fields: Any) -> list[dict[str, Any]]:
    """The true results of a call: twice the torque, but for an error."""
    return [
        {
            "request_id": answer["request_id"],
            "row": row,
            "observed": 2.0 * row + off,
            "prediction": prediction,
            "machine": f"m{row % 8}",
            **fields,
        }
        for row, prediction in enumerate(answer["predictions"])
    ]


async def report(customer: Customer, results: list[dict[str, Any]]) -> Any:
    return await customer.gateway.http.post(OBSERVATIONS, json={"observations": results})


async def served(customer: Customer, name: str, version: int) -> None:
    """Wait until calls of the model are answered by this version."""

    async def is_listed() -> bool:
        models: list[Any] = (await customer.openai.models.list()).data
        return version in [one.version for one in models if one.id == name]

    await until_true(is_listed)


async def prepared(customer: Customer, upstream: FakeUpstream) -> str:
    """A model whose worse version 1 answers calls, with a better version 2."""
    name = await trained(customer, upstream)
    await customer.gateway.http.put(f"/v1/models/{name}/current", json={"version": 1})
    await served(customer, name, 1)
    return name


async def start(customer: Customer, name: str, **fields: Any) -> dict[str, Any]:
    body = {"version": 2, "share": 1.0, **fields}
    answer = await customer.gateway.http.post(f"/v1/models/{name}/shadow", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def called(customer: Customer, name: str, rows: int = 40) -> dict[str, Any]:
    """The response of a call, once its shadow call has ended."""
    answer = await predicted(customer, name, rows)
    await customer.gateway.parts.own_models.shadow_calls.wait_until_idle()
    return answer
