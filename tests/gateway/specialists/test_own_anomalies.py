"""Anomaly detectors of a customer's own table: file, schema, training, calls, bill."""

from typing import Any

from openai import AsyncOpenAI

from tests.support.adaptations import adapted
from tests.support.builders import CATALOG, Gateway
from tests.support.models.processes import last_rows, process
from tests.support.models.tables import csv

ANOMALY = next(model.id for model in CATALOG.models.values() if model.adapter == "anomaly")
SCHEMA = {"target": "state", "machine": "machine", "time": "step", "false_alarms": 0.005}


async def predict(real: Gateway, model: str, *instances: dict[str, Any]) -> dict[str, Any]:
    """The answer of /v1/predictions."""
    body = {"model": model, "instances": list(instances)}
    answer: dict[str, Any] = (await real.http.post("/v1/predictions", json=body)).json()
    return answer


async def test_table_is_trained_called_and_billed(real: Gateway, openai: AsyncOpenAI) -> None:
    content = csv(process(200, machines=3, fault_rows=20, label=True))
    job = await adapted(openai, ANOMALY, content, schema=SCHEMA)
    assert job.model_extra["schema"] == SCHEMA
    assert job.model_extra["score"]["metric"] == "fault rows detected at 0.50% false alarms"
    assert job.model_extra["score"]["adapted"] > 0.9 > job.model_extra["score"]["base"]
    leaking = last_rows(process(100, seed=9, fault_rows=20), 16)
    normal = last_rows(process(100, seed=9), 16)
    found = (await predict(real, job.fine_tuned_model, leaking, normal))["predictions"]
    assert [one["is_anomaly"] for one in found] == [True, False]
    assert found[0]["p_value"] < 0.005 < found[1]["p_value"]
    assert (found[0]["reasons"][0], found[1]["outside"]) == ("power [kW]", "")
    row = (await real.rows(2))[0]
    assert (row["model"], row["rows"]) == (ANOMALY, 2)

    single = {name: values[-1] for name, values in normal.items()}
    (one,) = (await predict(real, job.fine_tuned_model, single))["predictions"]
    assert one["is_anomaly"] is False
    error = (await predict(real, job.fine_tuned_model, {**normal, "site": [1.0] * 16}))["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", "site")


async def test_table_and_hours_are_checked_by_their_own_rules(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    table = csv(process(40))
    file = await openai.files.create(file=("pump.csv", table), purpose="fine-tune")
    body = {"model": ANOMALY}
    found = (await real.http.post(f"/v1/files/{file.id}/check", json=body)).json()
    assert (found["valid"], found["problems"][0]["code"]) == (False, "too_few_normal_rows")
    hours = b'{"sensors": {"flow": [1.0, 2.0]}}'
    file = await openai.files.create(file=("hours.jsonl", hours), purpose="fine-tune")
    found = (await real.http.post(f"/v1/files/{file.id}/check", json=body)).json()
    assert "too_few_normal_rows" not in {one["code"] for one in found["problems"]}
    body = {"model": ANOMALY, "schema": {"target": "flow"}}
    found = (await real.http.post(f"/v1/files/{file.id}/check", json=body)).json()
    assert (found["valid"], found["schema"]) == (False, None)
