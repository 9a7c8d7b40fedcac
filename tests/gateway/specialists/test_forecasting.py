"""Forecasts of a customer's own series: file, schema, training, calls, bill."""

from typing import Any

from openai import AsyncOpenAI

from tests.support.adaptations import adapted
from tests.support.builders import CATALOG, Gateway
from tests.support.models.series import load_curve
from tests.support.models.tables import csv

FORECASTER = next(one.id for one in CATALOG.models.values() if one.adapter == "series_forecaster")
TARGET = "load [kW]"
SCHEMA = {"target": TARGET, "time": "time", "ignored": ["outdoor"]}


def instance(rows: int = 84, **more: Any) -> dict[str, Any]:
    """A call's row with the last steps of such a curve."""
    curve = load_curve(10, seed=9)
    return {"time": curve["time"][-rows:], TARGET: curve[TARGET][-rows:], **more}


async def predicted(real: Gateway, model: str, *instances: dict[str, Any]) -> Any:
    """The answer to a call."""
    body = {"model": model, "instances": list(instances)}
    return (await real.http.post("/v1/predictions", json=body)).json()


async def test_check_tells_season_and_needed_history(real: Gateway, openai: AsyncOpenAI) -> None:
    file = await openai.files.create(file=("load.csv", csv(load_curve())), purpose="fine-tune")
    body = {"model": FORECASTER, "schema": SCHEMA}
    found = (await real.http.post(f"/v1/files/{file.id}/check", json=body)).json()
    assert (found["valid"], found["examples"]) == (True, 504)
    roles = {column["name"]: column["role"] for column in found["schema"]["columns"]}
    assert roles == {"time": "time", "outdoor": "ignored", TARGET: "target"}
    assert "It repeats itself every 1 day." in found["warnings"]
    assert any("needs the last 84 steps" in warning for warning in found["warnings"])


async def test_file_without_equal_steps_is_rejected(real: Gateway, openai: AsyncOpenAI) -> None:
    columns = {name: [*values, *values] for name, values in load_curve().items()}
    file = await openai.files.create(file=("load.csv", csv(columns)), purpose="fine-tune")
    body = {"model": FORECASTER, "schema": SCHEMA}
    found = (await real.http.post(f"/v1/files/{file.id}/check", json=body)).json()
    assert (found["valid"], found["problems"][0]["code"]) == (False, "duplicate_times")


async def test_setting_of_another_kind_is_a_problem_of_the_file(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    file = await openai.files.create(file=("load.csv", csv(load_curve())), purpose="fine-tune")
    body = {"model": FORECASTER, "schema": {**SCHEMA, "window": 24}}
    found = (await real.http.post(f"/v1/files/{file.id}/check", json=body)).json()
    assert (found["valid"], found["problems"][0]["code"]) == (False, "unsupported_setting")


async def test_forecaster_is_trained_called_and_billed(real: Gateway, openai: AsyncOpenAI) -> None:
    job = await adapted(openai, FORECASTER, csv(load_curve()), schema=SCHEMA)
    score = job.model_extra["score"]
    assert score["adapted"] < score["base"]
    events = await openai.fine_tuning.jobs.list_events(job.id)
    assert any("better than that" in event.message for event in events.data)

    answer = await predicted(real, job.fine_tuned_model, instance(horizon=24, level=0.8))
    (found,) = answer["predictions"]
    assert [len(found[name]) for name in ("time", "forecast", "lower", "upper")] == [24] * 4
    assert found["time"][0] == "2026-03-12T00:00:00"
    expected = load_curve(12, noise=0.0)[TARGET][240:264]
    errors = [abs(one - other) for one, other in zip(found["forecast"], expected, strict=True)]
    assert sum(errors) / 24 < 2.0
    row = (await real.rows(2))[0]
    assert (row["model"], row["rows"]) == (FORECASTER, 1)

    refused = await predicted(real, job.fine_tuned_model, instance(rows=30))
    assert refused["error"]["param"] == "time"
    mixed = await predicted(real, job.fine_tuned_model, {**instance(), "time": ["x", 1.0]})
    assert mixed["error"]["param"] == "instances[0].time"
    gap = await predicted(real, job.fine_tuned_model, {**instance(), TARGET: [None] + [1.0] * 83})
    assert (gap["error"]["code"], gap["error"]["param"]) == ("invalid_value", TARGET)


async def test_model_without_training_names_what_to_do(real: Gateway) -> None:
    answer = await predicted(real, FORECASTER, instance())
    assert answer["error"]["code"] == "model_not_fitted"
