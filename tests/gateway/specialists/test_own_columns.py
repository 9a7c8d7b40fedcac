"""Models of a customer's own columns: file, confirmed schema, training, calls, bill."""

import re
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI, BadRequestError

from gateway.dashboard.pages.own_models.prediction_calls import plan_calls
from gateway.dashboard.pages.own_models.prediction_table import read_instances
from gateway.upstream.declared_inputs import parse_declared_inputs
from tests.support.adaptations import adapted
from tests.support.builders import CATALOG, SPECIALIST, Gateway
from tests.support.models.tables import csv, machines
from tests.support.nightly import nightly

BY_ADAPTER = {model.adapter: model.id for model in CATALOG.models.values()}
CLASSIFIER, REGRESSOR = BY_ADAPTER["tabular_classifier"], BY_ADAPTER["tabular_regressor"]
READY_MADE = BY_ADAPTER["failure_class"]
SCHEMA = {"target": "failure", "machine": "machine", "ignored": ["wear"]}
PAIR = re.compile(r" [×÷−] ")
ROW = {"temperature [°C]": 95.0, "torque": 60.0, "grade": "C", "noise": 0.0}


async def checked(real: Gateway, openai: AsyncOpenAI, model: str, **schema: Any) -> dict[str, Any]:
    """The result of checking a file of machines."""
    file = await openai.files.create(file=("line.csv", csv(machines())), purpose="fine-tune")
    body = {"model": model, **({"schema": schema} if schema else {})}
    answer = await real.http.post(f"/v1/files/{file.id}/check", json=body)
    found: dict[str, Any] = answer.json()
    return found


async def test_schema_of_a_file_is_shown_before_a_job(real: Gateway, openai: AsyncOpenAI) -> None:
    found = await checked(real, openai, CLASSIFIER)
    assert (found["valid"], found["examples"]) == (True, 320)
    roles = {column["name"]: column["role"] for column in found["schema"]["columns"]}
    assert (roles["machine"], roles["failure"]) == ("machine", "target")
    units = {column["name"]: column["unit"] for column in found["schema"]["columns"]}
    assert units["temperature [°C]"] == "°C"
    wrong = await checked(real, openai, CLASSIFIER, target="nothing")
    assert (wrong["valid"], wrong["problems"][0]["code"]) == (False, "unknown_column")


async def test_classifier_of_own_columns_is_trained_called_and_billed(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    job = await adapted(openai, CLASSIFIER, csv(machines()), schema=SCHEMA)
    assert job.model_extra["schema"] == SCHEMA
    assert job.model_extra["score"]["adapted"] > 0.85
    events = await openai.fine_tuning.jobs.list_events(job.id)
    assert any("better than that" in event.message for event in events.data)
    body = {"model": job.fine_tuned_model, "instances": [ROW, {**ROW, "torque": 4000.0}]}
    answer = (await real.http.post("/v1/predictions", json=body)).json()
    first, second = answer["predictions"]
    assert first["class"] == "yes"
    assert 0.5 < first["probability"] <= 1
    assert (first["outside"], second["outside"]) == ("", "torque")
    columns = {part for reason in first["reasons"] for part in PAIR.split(reason)}
    assert columns <= set(ROW)
    row = (await real.rows(2))[0]
    assert (row["model"], row["rows"]) == (CLASSIFIER, 2)


@nightly
async def test_table_with_empty_cells_is_predicted_as_it_is_trained(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    table = {name: column[:] for name, column in machines().items() if name != "wear"}
    for name, empty in (("torque", range(0, 320, 9)), ("grade", range(4, 320, 11))):
        table[name] = ["" if row in empty else value for row, value in enumerate(table[name])]
    job = await adapted(openai, CLASSIFIER, csv(table), schema={"target": "failure"})
    metadata = await real.http.get(f"/v2/models/{job.fine_tuned_model}")
    found = read_instances(csv(table), parse_declared_inputs(metadata.content), "", "")
    assert [index for index, row in enumerate(found.instances) if row["torque"] is None][1] == 9
    (call,) = plan_calls(job.fine_tuned_model, found)
    answer = await real.http.post("/v1/predictions", content=call.body)
    predictions = answer.json()["predictions"]
    right = sum(a["class"] == b for a, b in zip(predictions, table["failure"], strict=True))
    assert right > 0.85 * 320
    assert {one["outside"] for one in predictions} == {""}
    assert (await real.rows(2))[0]["rows"] == 320


@nightly
async def test_missing_values_of_a_call_count_as_missing_on_each_route(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    job = await adapted(openai, CLASSIFIER, csv(machines()), schema=SCHEMA)
    without = {name: value for name, value in ROW.items() if name != "torque"}

    async def predicted(*instances: dict[str, Any]) -> list[dict[str, Any]]:
        body = {"model": job.fine_tuned_model, "instances": instances}
        answer = await real.http.post("/v1/predictions", json=body)
        found: list[dict[str, Any]] = answer.json()["predictions"]
        return found

    (expected,) = await predicted(without)
    assert (await predicted(ROW, {**ROW, "torque": None}))[1] == expected
    assert (await predicted(ROW, without))[1] == expected
    tensors = [
        {"name": name, "shape": [1], "datatype": kind, "data": [value]}
        for name, kind, value in (
            ("temperature [°C]", "FP32", ROW["temperature [°C]"]),
            ("torque", "FP32", None),
            ("grade", "BYTES", ROW["grade"]),
            ("noise", "FP32", ROW["noise"]),
        )
    ]
    path = f"/v2/models/{job.fine_tuned_model}/infer"
    outputs = (await real.http.post(path, json={"inputs": tensors})).json()["outputs"]
    by_name = {output["name"]: output["data"] for output in outputs}
    assert by_name["probability"] == [expected["probability"]]
    empty = {"model": job.fine_tuned_model, "instances": [ROW, {"torque": None, "grade": ""}]}
    refused = (await real.http.post("/v1/predictions", json=empty)).json()["error"]
    assert (refused["code"], refused["message"]) == (
        "invalid_value",
        "Row 1 has no value in any input.",
    )


def milling(rows: int = 240) -> bytes:
    """Rows of a milling machine with its own headers and units; tools fail from heat and wear."""
    generator = np.random.default_rng(3)
    torque = generator.normal(40, 12, rows)
    wear = generator.uniform(0, 240, rows)
    columns = {
        "machine": [f"M{number % 6}" for number in range(rows)],
        "Air temp [°C]": generator.normal(27, 2, rows).round(1).tolist(),
        "Process temp [°C]": generator.normal(37, 1.5, rows).round(1).tolist(),
        "Drehzahl [rpm]": generator.normal(1500, 150, rows).round().tolist(),
        "扭矩 [N·m]": torque.clip(5, 75).round(1).tolist(),
        "Tool wear [min]": wear.round().tolist(),
        "Type": generator.choice(["L", "M", "H"], rows).tolist(),
        "failed": ["yes" if one > 11_000 else "no" for one in torque * wear],
    }
    return csv(columns)


@nightly
async def test_training_is_compared_with_a_ready_made_model_of_mapped_columns(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    file = await openai.files.create(file=("mill.csv", milling()), purpose="fine-tune")
    schema: dict[str, Any] = {"target": "failed", "machine": "machine"}
    check = f"/v1/files/{file.id}/check"
    found = (await real.http.post(check, json={"model": CLASSIFIER, "schema": schema})).json()
    (proposal,) = found["ready_made"]
    assert (proposal["model"], proposal["missing"]) == (READY_MADE, [])
    assert proposal["columns"]["torque"] == "扭矩 [N·m]"
    assert proposal["columns"]["air_temperature"] == "Air temp [°C]"
    stated = {"model": READY_MADE, "columns": proposal["columns"], "output": "failure"}
    schema["ready_made"] = {**stated, "labels": {"1": "yes", "0": "no"}}
    job = await adapted(openai, CLASSIFIER, milling(), schema=schema)
    score = job.model_extra["score"]["ready_made"]
    assert (score["model"], score["output"]) == (READY_MADE, "failure")
    assert score["rows"] > 200
    assert score["interval"][0] <= score["score"] <= score["interval"][1]
    assert score["trained_is"] in ("better", "worse", "no_difference_shown")
    events = await openai.fine_tuning.jobs.list_events(job.id)
    assert any("the ready-made model" in event.message for event in events.data)


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        ({"model": "no-such"}, "model_not_found"),
        ({"model": CLASSIFIER}, "model_not_found"),
        ({"columns": {"torque": "nothing"}}, "invalid_training_file"),
        ({"columns": {"torque": "Tool wear [min]"}}, "invalid_value"),
        ({"columns": {"torqe": "Type"}}, "invalid_value"),
        ({"output": "nothing"}, "invalid_value"),
    ],
)
async def test_mapping_that_cannot_be_scored_is_refused_before_the_job(
    real: Gateway, openai: AsyncOpenAI, stated: dict[str, Any], code: str
) -> None:
    file = await openai.files.create(file=("mill.csv", milling()), purpose="fine-tune")
    schema = {"target": "failed", "ready_made": {"model": READY_MADE, **stated}}
    body = {"model": CLASSIFIER, "training_file": file.id, "schema": schema}
    answer = await real.http.post("/v1/fine_tuning/jobs", json=body)
    assert answer.json()["error"]["code"] == code
    assert answer.status_code < 500


async def test_regressor_answers_with_an_interval_at_the_asked_level(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    schema = {"target": "wear", "ignored": ["failure"]}
    job = await adapted(openai, REGRESSOR, csv(machines()), schema=schema)
    widths = []
    for level in (0.5, 0.95):
        body = {"model": job.fine_tuned_model, "instances": [{**ROW, "level": level}]}
        (found,) = (await real.http.post("/v1/predictions", json=body)).json()["predictions"]
        assert found["lower"] < found["value"] < found["upper"]
        widths.append(found["upper"] - found["lower"])
    assert widths[0] < widths[1]


async def test_model_without_training_names_what_to_do(real: Gateway) -> None:
    answer = await real.http.post("/v1/predictions", json={"model": CLASSIFIER, "instances": [ROW]})
    assert answer.json()["error"]["code"] == "model_not_fitted"


@pytest.mark.parametrize(
    ("model", "schema"),
    [(SPECIALIST, SCHEMA), (CLASSIFIER, {"goal": "x"}), (CLASSIFIER, {"target": 3})],
    ids=["of another model", "unknown field", "wrong type"],
)
async def test_invalid_schema_is_rejected_with_its_field(
    real: Gateway, openai: AsyncOpenAI, model: str, schema: dict[str, Any]
) -> None:
    file = await openai.files.create(file=("line.csv", csv(machines())), purpose="fine-tune")
    with pytest.raises(BadRequestError) as caught:
        await openai.fine_tuning.jobs.create(
            model=model, training_file=file.id, extra_body={"schema": schema}
        )
    assert caught.value.param == "schema"


@nightly
async def test_costs_of_job_and_call_decide(real: Gateway, openai: AsyncOpenAI) -> None:
    pair = {"false_alarm": 100, "miss": 1900}
    schema = {**SCHEMA, "costs": {"yes": pair}}
    job = await adapted(openai, CLASSIFIER, csv(machines()), schema=schema)
    decision = job.model_extra["score"]["decision"]
    assert decision["thresholds"] == [pytest.approx(0.05)]
    assert decision["at_thresholds"] < min(decision["always"], decision["never"])
    body = {"model": job.fine_tuned_model, "instances": [ROW]}
    (found,) = (await real.http.post("/v1/predictions", json=body)).json()["predictions"]
    assert (found["decision"], found["act_on"]) == ("act", "yes")
    dear = {"costs": {"yes": {"false_alarm": 1e9, "miss": 1}}}
    answer = await real.http.post("/v1/predictions", json={**body, "parameters": dear})
    assert answer.json()["predictions"][0]["decision"] == "no_action"
    for costs, param in (
        ({"maybe": pair}, "parameters.costs.maybe"),
        ({"yes": {**pair, "miss": -1}}, "parameters.costs.yes.miss"),
    ):
        wrong = await real.http.post(
            "/v1/predictions", json={**body, "parameters": {"costs": costs}}
        )
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, param)


async def test_costs_of_other_models_and_unknown_parameters_are_rejected(real: Gateway) -> None:
    body = {"model": SPECIALIST, "instances": [{"torque": 1.0}]}
    for parameters, param in (({"costs": {}}, "parameters.costs"), ({"x": 1}, "parameters.x")):
        answer = await real.http.post("/v1/predictions", json={**body, "parameters": parameters})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@nightly
async def test_inputs_of_calls_are_compared_with_the_training(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    job = await adapted(openai, CLASSIFIER, csv(machines()), schema=SCHEMA)
    hot = {"model": job.fine_tuned_model, "instances": [{**ROW, "torque": 300.0}] * 250}
    answer = await real.http.post("/v1/predictions", json=hot)
    assert "x-maas-input-bins" not in answer.headers
    await real.parts.input_counter.flush()
    drift = (await real.http.get(f"/v1/models/{job.fine_tuned_model}/drift")).json()
    assert (drift["level"], drift["rows"]) == ("significant", 250)
    by_name = {variable["name"]: variable for variable in drift["variables"]}
    assert by_name["torque"]["serving"]["outside"] == 1
    assert by_name["grade"]["serving"]["shares"]["C"] == 1
    assert by_name["failure"]["role"] == "prediction"
