"""Mechanisms as specialists: loading, inference and input validation over the protocol."""

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
    """Handle one request as the application does, without HTTP."""
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


class TestMechanismLoading:
    @pytest.mark.parametrize("profile", ["cpu", "gpu"])
    def test_catalog_lists_every_mechanism_and_no_other(self, profile: str) -> None:
        sold = load_catalog(profile).with_task(Task.CALCULATION)
        assert {model.weights.kind for model in sold} == {"mechanism"}
        assert {model.weights.source for model in sold} == MECHANISMS.keys()
        assert all(
            load_mechanism(model.id, model.weights.source).name == model.id for model in sold
        )

    def test_unknown_mechanism_raises_weights_broken(self) -> None:
        with pytest.raises(WeightsBroken, match="'perpetual_motion' is unknown"):
            load_mechanism("m", "perpetual_motion")

    def test_metadata_has_standard_shapes_and_signature(self) -> None:
        metadata = model_metadata(load_mechanism("m", "control_chart"))
        assert metadata["platform"].startswith("ISO 7870-2")
        assert metadata["inputs"][0] == {"name": "points", "datatype": "FP64", "shape": [-1, -1]}
        assert metadata["outputs"][0]["shape"] == [-1, -1]
        assert metadata["parameters"]["signature"]["inputs"][0]["length"] == (1, 1000)
        json.dumps(metadata)


class TestMechanismInference:
    def test_units_and_narrower_datatypes_are_converted(self) -> None:
        answer = infer(load_mechanism("m", "bearing_life"), BEARING)
        assert answer["basic_rating_time"]["data"] == [pytest.approx(2400)]

    def test_series_input_returns_series_output(self) -> None:
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
    def test_invalid_input_is_rejected_with_name_before_run(
        self, name: str, changes: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(InputInvalid, match=words) as caught:
            infer(
                load_mechanism("m", "bearing_life"), {**BEARING, name: {**BEARING[name], **changes}}
            )
        assert caught.value.param == name


def test_batch_of_series_with_different_lengths_returns_rows_per_request() -> None:
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
