"""Models of a customer's own series: file, schema, training, calls with the last steps, bill."""

from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError

from models.rul.signature import SENSOR_SPECS
from tests.support.adaptations import adapted, finished
from tests.support.builders import CATALOG, Gateway
from tests.support.models.courses import course, courses
from tests.support.models.histories import histories, last_steps
from tests.support.models.tables import csv
from tests.support.nightly import nightly

BY_ADAPTER = {model.adapter: model.id for model in CATALOG.models.values()}
LIFE, CLASSIFIER = BY_ADAPTER["series_life"], BY_ADAPTER["series_classifier"]
SCHEMA = {"machine": "machine", "time": "cycle", "cap": 40}
# A ready-made model of turbofans, which knows nothing of this machine, but could be run on it.
READY_MADE: dict[str, Any] = {
    "model": BY_ADAPTER["remaining_life"],
    "columns": {"P15": "pressure"},
    "constants": {
        name: (spec.minimum + spec.maximum) / 2
        for name, spec in SENSOR_SPECS.items()
        if name != "P15"
    },
}


async def predict(real: Gateway, model: str, *instances: dict[str, Any]) -> dict[str, Any]:
    """The answer of /v1/predictions."""
    body = {"model": model, "instances": list(instances)}
    answer: dict[str, Any] = (await real.http.post("/v1/predictions", json=body)).json()
    return answer


async def test_remaining_life_is_trained_called_and_billed(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    schema = {**SCHEMA, "ready_made": READY_MADE}
    job = await adapted(openai, LIFE, csv(histories()), schema=schema)
    assert job.model_extra["schema"] == schema
    other = job.model_extra["score"]["ready_made"]
    assert (other["model"], other["output"]) == (READY_MADE["model"], "remaining_life")
    assert (other["rows"] > 100, other["trained_is"]) == (True, "better")
    assert job.model_extra["score"]["adapted"] < job.model_extra["score"]["base"]
    events = await openai.fine_tuning.jobs.list_events(job.id)
    assert any("better than that" in event.message for event in events.data)
    worn = last_steps(histories(seed=8), "M0", 30)
    beyond = {**worn, "pressure": [None, *[99.0] * 29]}
    answer = await predict(real, job.fine_tuned_model, worn, beyond)
    first, second = answer["predictions"]
    assert 0 <= first["lower"] <= first["value"] < 15
    assert first["value"] <= first["upper"]
    assert set(first["reasons"]) == set(worn)
    assert (first["outside"], second["outside"]) == ("", "pressure")
    row = (await real.rows(2))[0]
    assert (row["model"], row["rows"]) == (LIFE, 2)

    backwards = {**worn, "cycle": list(range(30))[::-1]}
    for changed, param in (
        (backwards, "cycle"),
        ({**worn, "site": [1.0] * 30}, "site"),
        ({name: values[:2] for name, values in worn.items()}, "vibration [mm/s]"),
    ):
        error = (await predict(real, job.fine_tuned_model, changed))["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", param)
    in_order = {**worn, "cycle": list(range(30))}
    (again,) = (await predict(real, job.fine_tuned_model, in_order))["predictions"]
    assert again["value"] == pytest.approx(first["value"])


async def test_file_of_histories_is_checked_before_a_job(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    file = await openai.files.create(file=("lives.csv", csv(histories(2))), purpose="fine-tune")
    body = {"model": LIFE, "schema": SCHEMA}
    found = (await real.http.post(f"/v1/files/{file.id}/check", json=body)).json()
    assert (found["valid"], found["problems"][0]["code"]) == (False, "too_few_machines")
    file = await openai.files.create(file=("lives.csv", csv(histories(3))), purpose="fine-tune")
    found = (await real.http.post(f"/v1/files/{file.id}/check", json=body)).json()
    roles = {column["name"]: column["role"] for column in found["schema"]["columns"]}
    assert (roles["machine"], roles["cycle"], roles["hum"]) == ("machine", "time", "input")


@nightly
async def test_classifier_of_series_is_trained_called_and_billed(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    schema = {"target": "state", "machine": "run", "time": "step", "window": 40}
    job = await adapted(openai, CLASSIFIER, csv(courses()), schema=schema)
    assert job.model_extra["score"]["adapted"] > 0.8 > job.model_extra["score"]["base"]
    others = courses(6, seed=9)
    runs = [course(others, f"R{number}") for number in range(3)]
    found = (await predict(real, job.fine_tuned_model, *runs))["predictions"]
    assert [one["class"] for one in found] == ["loose", "ok", "worn"]
    assert all(0 < one["probability"] <= 1 for one in found)
    assert (found[0]["reasons"][0], found[2]["reasons"][0]) == ("x", "y")
    row = (await real.rows(2))[0]
    assert (row["model"], row["rows"]) == (CLASSIFIER, 3)

    short = {name: values[:10] for name, values in runs[0].items()}
    error = (await predict(real, job.fine_tuned_model, short))["error"]
    assert "a list of 40 to 10000 values per row" in error["message"]


@pytest.mark.parametrize("schema", [{"window": 1}, {"cap": -3}, {"window": "long"}])
async def test_setting_out_of_range_is_rejected(
    real: Gateway, openai: AsyncOpenAI, schema: dict[str, Any]
) -> None:
    file = await openai.files.create(file=("runs.csv", csv(courses(3))), purpose="fine-tune")
    with pytest.raises(BadRequestError) as caught:
        await openai.fine_tuning.jobs.create(
            model=CLASSIFIER, training_file=file.id, extra_body={"schema": schema}
        )
    assert caught.value.param == "schema"


async def test_setting_of_another_kind_is_a_problem_of_the_file(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    file = await openai.files.create(file=("runs.csv", csv(courses(3))), purpose="fine-tune")
    body = {"model": CLASSIFIER, "schema": {"target": "state", "cap": 5}}
    found = (await real.http.post(f"/v1/files/{file.id}/check", json=body)).json()
    assert (found["valid"], found["problems"][0]["code"]) == (False, "unsupported_setting")


@nightly
async def test_observed_runs_are_rows_of_the_next_training(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    schema = {"target": "state", "machine": "run", "time": "step"}
    job = await adapted(openai, CLASSIFIER, csv(courses(30, 20)), schema=schema)
    others = courses(3, 20, seed=11)
    runs = [course(others, name) for name in ("R0", "R1")]
    answer = await predict(real, job.fine_tuned_model, *runs)
    results = [
        {
            "request_id": answer["id"],
            "row": row,
            "observed": "worn",
            "prediction": {"class": one["class"]},
            "inputs": run,
        }
        for row, (one, run) in enumerate(zip(answer["predictions"], runs, strict=True))
    ]
    reported = await real.http.post(
        "/v1/feedback/observations", json={"consent": True, "observations": results}
    )
    assert reported.status_code == 200, reported.text
    again = await openai.fine_tuning.jobs.create(
        model=CLASSIFIER,
        training_file=job.training_file,
        suffix="line-3",
        extra_body={"schema": schema, "with_observations": True},
    )
    done = await finished(openai, again.id)
    assert done.status == "succeeded", done.error
    assert done.model_extra["score"]["observed"]["rows"] == 2
    assert done.model_extra["score"]["examples"] == job.model_extra["score"]["examples"] + 2
    listed = await openai.fine_tuning.jobs.list_events(again.id, limit=100)
    events = [one.message for one in listed.data]
    assert "2 observed results were appended to the file." in events
    assert any(one.startswith("Read 32 series with 640 rows") for one in events)
