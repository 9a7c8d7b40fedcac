"""Mechanisms as specialists: each of the catalog loads, answers and refuses on the wire."""

import json
from typing import Any

import numpy as np
import pytest

from models.catalog import Task, load_catalog
from models.mechanisms import MECHANISMS
from models.signature import Columns
from serving.errors import InputInvalid, WeightsBroken
from serving.specialists.inference import parse_inference, render_inference, run_batch
from serving.specialists.mechanism import MechanismSpecialist, load_mechanism
from serving.specialists.specialist import model_metadata

BEARING: dict[str, dict[str, Any]] = {
    "bearing": {"datatype": "BYTES", "data": ["ball"]},
    "dynamic_load_rating": {"datatype": "FP64", "data": [30], "parameters": {"unit": "kN"}},
    "equivalent_load": {"datatype": "FP32", "data": [5000]},
    "rotational_speed": {"datatype": "INT32", "data": [1500]},
    "reliability": {"datatype": "FP64", "data": [90]},
    "a_iso": {"datatype": "FP64", "data": [1]},
}


def infer(model: MechanismSpecialist, inputs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the application does with one request, without HTTP."""
    wire = [
        {"name": name, "shape": shape(tensor["data"]), **tensor} for name, tensor in inputs.items()
    ]
    asked, columns = parse_inference(model, json.dumps({"inputs": wire}).encode(), None)
    rows = len(next(iter(columns.values())))
    (results,) = run_batch([(model, columns, rows)])
    answer = json.loads(render_inference(model, asked, results).body)
    return {output["name"]: output for output in answer["outputs"]}


def shape(data: list[Any]) -> list[int]:
    return [len(data), len(data[0])] if isinstance(data[0], list) else [len(data)]


def chart(*rows: list[float]) -> dict[str, dict[str, Any]]:
    return {
        "points": {"datatype": "FP64", "data": list(rows)},
        "centre": {"datatype": "FP64", "data": [0] * len(rows)},
        "deviation": {"datatype": "FP64", "data": [1] * len(rows)},
    }


class TestLoading:
    @pytest.mark.parametrize("profile", ["cpu", "gpu"])
    def test_the_catalog_sells_every_mechanism_and_no_other(self, profile: str) -> None:
        sold = load_catalog(profile).with_task(Task.CALCULATION)
        assert {model.weights.kind for model in sold} == {"mechanism"}
        assert {model.weights.source for model in sold} == MECHANISMS.keys()
        assert all(
            load_mechanism(model.id, model.weights.source).name == model.id for model in sold
        )

    def test_an_unknown_one(self) -> None:
        with pytest.raises(WeightsBroken, match="'perpetual_motion' is unknown"):
            load_mechanism("m", "perpetual_motion")

    def test_metadata(self) -> None:
        metadata = model_metadata(load_mechanism("m", "control_chart"))
        assert metadata["platform"].startswith("ISO 7870-2")
        assert metadata["inputs"][0] == {"name": "points", "datatype": "FP64", "shape": [-1, -1]}
        assert metadata["outputs"][0]["shape"] == [-1, -1]
        assert metadata["parameters"]["signature"]["inputs"][0]["length"] == (1, 1000)
        json.dumps(metadata)


class TestWire:
    def test_units_and_smaller_types(self) -> None:
        answer = infer(load_mechanism("m", "bearing_life"), BEARING)
        assert answer["basic_rating_time"]["data"] == [pytest.approx(2400)]

    def test_a_series(self) -> None:
        answer = infer(load_mechanism("m", "control_chart"), chart([0, 4], [-4, 0]))
        beyond = answer["beyond_3_sigma"]
        assert (beyond["datatype"], beyond["shape"]) == ("BOOL", [2, 2])
        assert beyond["data"] == [[False, True], [True, False]]

    @pytest.mark.parametrize(
        ("name", "changes", "words"),
        [
            ("equivalent_load", {"data": [16_000]}, "'equivalent_load' in row 0 is more than half"),
            (
                "equivalent_load",
                {"parameters": {"unit": "K"}},
                "'K', which is not a unit of this quantity",
            ),
            ("reliability", {"data": [99.5]}, r"row 0 \(99.5\) is above 99 %"),
        ],
    )
    def test_refused_before_it_runs(self, name: str, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(InputInvalid, match=words) as caught:
            infer(
                load_mechanism("m", "bearing_life"), {**BEARING, name: {**BEARING[name], **changes}}
            )
        assert caught.value.param == name


def test_charts_of_several_lengths_in_one_batch() -> None:
    """Requests that wait together are answered together, each with its own rows."""
    model = load_mechanism("m", "control_chart")
    asked = [
        (model, _columns(points), len(points))
        for points in ([[0, 4]], [[4, 0, 0]], [[0, 0], [4, 4]])
    ]
    answers = run_batch(asked)
    assert [answer["beyond_3_sigma"].tolist() for answer in answers] == [
        [[False, True]],
        [[True, False, False]],
        [[False, False], [True, True]],
    ]


def _columns(points: list[list[int]]) -> Columns:
    rows = len(points)
    return {"points": np.array(points, float), "centre": np.zeros(rows), "deviation": np.ones(rows)}
