"""ONNX specialists: signature, input validation and batches of several requests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.signature import Columns, InputField, Signature
from serving.errors import InputInvalid, WeightsBroken
from serving.specialists.open_inference import parse_request, render_response
from serving.specialists.specialist import (
    MAX_ROWS,
    OnnxSpecialist,
    concatenate_rows,
    load_onnx_specialist,
    model_metadata,
    parse_columns,
    parse_signature,
    require_outputs,
    select_outputs,
    split_rows,
)
from tests.support.models.artefacts import SIGNATURE, write_artefact, write_lists_artefact


@pytest.fixture
def specialist(tmp_path: Path) -> OnnxSpecialist:
    return load_onnx_specialist("tiny", write_artefact(tmp_path / "model.onnx"))


def columns(model: OnnxSpecialist, **changes: dict[str, Any] | None) -> Columns:
    """Parse two valid rows with `changes` applied (None removes an input)."""
    inputs: dict[str, dict[str, Any]] = {
        "grade": {"datatype": "BYTES", "shape": [2], "data": ["L", "H"]},
        "heat": {"datatype": "FP32", "shape": [2], "data": [300, 301.5]},
        "count": {"datatype": "INT64", "shape": [2], "data": [4, 5]},
    }
    wire = [
        {"name": name, **{**inputs.get(name, {}), **(changes.get(name) or {})}}
        for name in {**inputs, **changes}
        if changes.get(name, {}) is not None
    ]
    return parse_columns(parse_request(json.dumps({"inputs": wire}).encode()), model.signature)


class TestOnnxLoading:
    def test_metadata_contains_signature(self, specialist: OnnxSpecialist) -> None:
        metadata = model_metadata(specialist)
        assert metadata["versions"] == ["3"]
        assert metadata["inputs"][1] == {"name": "heat", "datatype": "FP32", "shape": [-1]}
        assert metadata["parameters"]["signature"]["inputs"][1]["unit"] == "K"
        json.dumps(metadata)

    @pytest.mark.parametrize(
        "signature",
        [
            "",
            "{",
            json.dumps({**SIGNATURE, "version": 3}),
            json.dumps({**SIGNATURE, "inputs": SIGNATURE["inputs"][:1]}),
            json.dumps({**SIGNATURE, "outputs": [{"name": "doubled", "datatype": "FP8"}]}),
        ],
    )
    def test_signature_not_matching_model_raises_weights_broken(
        self, tmp_path: Path, signature: str
    ) -> None:
        path = write_artefact(tmp_path / "model.onnx", signature)
        with pytest.raises(WeightsBroken):
            load_onnx_specialist("tiny", path)

    def test_invalid_model_file_raises_error_without_path(self, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(b"rubbish")
        with pytest.raises(WeightsBroken) as caught:
            load_onnx_specialist("tiny", path)
        assert str(tmp_path) not in caught.value.message

    def test_missing_signature_raises_weights_broken(self) -> None:
        with pytest.raises(WeightsBroken, match="has no signature"):
            parse_signature("tiny", None)


class TestOnnxInference:
    def test_run_returns_all_output_fields(self, specialist: OnnxSpecialist) -> None:
        results = specialist.run(columns(specialist))
        assert results["doubled"].tolist() == [600.0, 603.0]
        assert results["same"].tolist() == [4, 5]

    @pytest.mark.parametrize("wide", [False, True])
    def test_column_of_width_one_is_accepted(self, tmp_path: Path, wide: bool) -> None:
        model = load_onnx_specialist("tiny", write_artefact(tmp_path / "m.onnx", wide=wide))
        heat = {"datatype": "FP32", "shape": [2, 1], "data": [[300], [301.5]]}
        assert model.run(columns(model, heat=heat))["doubled"].tolist() == [600.0, 603.0]

    def test_batched_rows_are_split_by_request(self, specialist: OnnxSpecialist) -> None:
        parts = [columns(specialist), columns(specialist, count={"data": [8, 9]})]
        first, second = split_rows(specialist.run(concatenate_rows(parts)), [2, 2])
        assert first["same"].tolist() == [4, 5]
        assert second["same"].tolist() == [8, 9]

    def test_input_in_another_unit_is_converted(self, specialist: OnnxSpecialist) -> None:
        heat = {"data": [20, 25], "parameters": {"unit": "°C"}}
        doubled = specialist.run(columns(specialist, heat=heat))["doubled"]
        assert doubled.tolist() == pytest.approx([586.3, 596.3])

    def test_narrower_datatype_is_converted(self, specialist: OnnxSpecialist) -> None:
        heat = {"datatype": "INT16", "data": [300, 301]}
        assert specialist.run(columns(specialist, heat=heat))["doubled"].tolist() == [600, 602]

    def test_only_requested_outputs_are_selected(self, specialist: OnnxSpecialist) -> None:
        request = parse_request(b'{"inputs": [], "outputs": [{"name": "same"}]}')
        results = {"same": np.array([1]), "doubled": np.array([2.0])}
        assert [one.name for one in select_outputs(request, specialist.signature, results)] == [
            "same"
        ]

    def test_unknown_requested_output_is_rejected(self, specialist: OnnxSpecialist) -> None:
        request = parse_request(b'{"inputs": [], "outputs": [{"name": "zzz"}]}')
        with pytest.raises(InputInvalid, match="no output 'zzz'"):
            require_outputs(request, specialist.signature)


class TestListOutputs:
    @pytest.fixture
    def lists(self, tmp_path: Path) -> OnnxSpecialist:
        return load_onnx_specialist("lists", write_lists_artefact(tmp_path / "model.onnx"))

    @pytest.fixture
    def asked(self) -> dict[str, np.ndarray[Any, Any]]:
        heat = np.array([300, 301], dtype=np.float32)
        return {"grade": np.array(["L", "H"], dtype=object), "heat": heat}

    def test_each_row_returns_its_own_list(
        self, lists: OnnxSpecialist, asked: dict[str, np.ndarray[Any, Any]]
    ) -> None:
        results = lists.run(asked)
        assert results["grades"].tolist() == [["L", "L"], ["H", "H"]]
        assert results["heats"].tolist() == [[300, 300], [301, 301]]
        assert results["heat_again"].tolist() == [300, 301]
        (_, second) = split_rows(results, [1, 1])
        assert second["grades"].tolist() == [["H", "H"]]

    @pytest.mark.parametrize("binary", [False, True])
    def test_list_output_is_rendered_with_two_dimensional_shape(
        self, lists: OnnxSpecialist, asked: dict[str, np.ndarray[Any, Any]], binary: bool
    ) -> None:
        wanted = {"name": "grades", "parameters": {"binary_data": binary}}
        request = parse_request(json.dumps({"inputs": [], "outputs": [wanted]}).encode())
        outputs = select_outputs(request, lists.signature, lists.run(asked))
        rendered = render_response("lists", "1", request, outputs)
        cut = rendered.header_length or len(rendered.body)
        (told,) = json.loads(rendered.body[:cut])["outputs"]
        assert told["shape"] == [2, 2]
        if binary:
            one = [b"\x01\x00\x00\x00" + letter for letter in (b"L", b"L", b"H", b"H")]
            assert rendered.body[cut:] == b"".join(one)
        else:
            assert told["data"] == [["L", "L"], ["H", "H"]]

    def test_metadata_leaves_list_length_open(self, lists: OnnxSpecialist) -> None:
        shapes = {one["name"]: one["shape"] for one in model_metadata(lists)["outputs"]}
        assert shapes == {"grades": [-1, -1], "heats": [-1, -1], "heat_again": [-1]}


class TestOptionalInput:
    SIGNATURE = Signature(
        (InputField("heat", "FP32"), InputField("note", "BYTES", optional=True)), (), "1"
    )

    def ask(self, *inputs: dict[str, Any]) -> Columns:
        request = parse_request(json.dumps({"inputs": inputs}).encode())
        return parse_columns(request, self.SIGNATURE)

    def test_missing_optional_text_becomes_empty_strings(self) -> None:
        heat = {"name": "heat", "datatype": "FP32", "shape": [2], "data": [1, 2]}
        assert self.ask(heat)["note"].tolist() == ["", ""]

    def test_present_optional_text_is_passed_to_model(self) -> None:
        heat = {"name": "heat", "datatype": "FP32", "shape": [1], "data": [1]}
        note = {"name": "note", "datatype": "BYTES", "shape": [1], "data": ["kept"]}
        assert self.ask(heat, note)["note"].tolist() == ["kept"]


class TestInputValidation:
    @pytest.mark.parametrize(
        ("changes", "param", "words"),
        [
            ({"heat": None}, "heat", "missing"),
            ({"more": {"datatype": "FP32", "shape": [1], "data": [1]}}, "more", "no input"),
            ({"heat": {"datatype": "FP64"}}, "heat", "expects FP32"),
            ({"heat": {"shape": [1, 2], "data": [300, 301]}}, "heat", r"\[rows\]"),
            ({"heat": {"shape": [3], "data": [300, 301, 302]}}, "heat", "3 rows"),
            ({"heat": {"data": [300, 25]}}, "heat", r"row 1 \(25\) is below 250 K"),
            ({"heat": {"data": [350.5, 300]}}, "heat", r"row 0 \(350.5\) is above 350 K"),
            ({"heat": {"data": [300, 1e300]}}, "heat", "row 1 .* not a finite number"),
            (
                {"heat": {"parameters": {"unit": "bar"}}},
                "heat",
                "'bar', which is not a unit of this",
            ),
            ({"grade": {"data": ["L", "Q"]}}, "grade", "row 1 .'Q'. is not one of L, M, H"),
        ],
    )
    def test_error_names_field_row_and_unit(
        self, specialist: OnnxSpecialist, changes: dict[str, Any], param: str, words: str
    ) -> None:
        with pytest.raises(InputInvalid, match=words) as caught:
            columns(specialist, **changes)
        assert caught.value.param == param

    def test_nan_is_rejected(self, specialist: OnnxSpecialist) -> None:
        head = json.dumps(
            {
                "inputs": [
                    {"name": "grade", "datatype": "BYTES", "shape": [1], "data": ["L"]},
                    {"name": "count", "datatype": "INT64", "shape": [1], "data": [1]},
                    {
                        "name": "heat",
                        "datatype": "FP32",
                        "shape": [1],
                        "parameters": {"binary_data_size": 4},
                    },
                ]
            }
        ).encode()
        tail = np.array([np.nan], dtype="<f4").tobytes()
        with pytest.raises(InputInvalid, match="not a finite number"):
            parse_columns(parse_request(head + tail, len(head)), specialist.signature)

    @pytest.mark.parametrize(("rows", "words"), [(0, "no rows"), (MAX_ROWS + 1, "at most 4096")])
    def test_row_count_outside_limits_is_rejected(
        self, specialist: OnnxSpecialist, rows: int, words: str
    ) -> None:
        sized = {"shape": [rows]}
        with pytest.raises(InputInvalid, match=words):
            columns(
                specialist,
                grade={**sized, "data": ["L"] * rows},
                heat={**sized, "data": [300] * rows},
                count={**sized, "data": [1] * rows},
            )

    def test_duplicate_input_is_rejected(self, specialist: OnnxSpecialist) -> None:
        one = {"name": "heat", "datatype": "FP32", "shape": [1], "data": [300]}
        request = parse_request(json.dumps({"inputs": [one, one]}).encode())
        with pytest.raises(InputInvalid, match="twice"):
            parse_columns(request, specialist.signature)
