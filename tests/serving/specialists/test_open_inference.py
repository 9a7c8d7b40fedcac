"""The Open Inference Protocol: parsing and validation of requests, rendering of responses."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from serving.errors import InputInvalid
from serving.specialists.open_inference import (
    MAX_ELEMENTS,
    InferRequest,
    Tensor,
    parse_request,
    render_response,
    to_binary,
)


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2.5], **changes}


def without_data(**changes: Any) -> dict[str, Any]:
    wire = tensor(**changes)
    del wire["data"]
    return wire


def body(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


def binary(wire: dict[str, Any], tail: bytes, **more: Any) -> InferRequest:
    head = body(wire, **more)
    return parse_request(head + tail, len(head))


def answer(request: InferRequest) -> tuple[dict[str, Any], bytes, int | None]:
    outputs = (
        Tensor("p", "FP32", (2,), np.array([0.5, 1.5], dtype=np.float32)),
        Tensor("s", "BYTES", (1,), np.array(["é"], dtype=object)),
    )
    rendered = render_response("model", "1", request, outputs)
    cut = rendered.header_length or len(rendered.body)
    return json.loads(rendered.body[:cut]), rendered.body[cut:], rendered.header_length


class TestJsonRequest:
    def test_integers_are_converted_to_floats(self) -> None:
        (read,) = parse_request(body(tensor(data=[1, 2]))).inputs
        assert read.values.dtype == np.float32
        assert read.values.tolist() == [1.0, 2.0]

    def test_null_is_a_missing_number(self) -> None:
        (read,) = parse_request(body(tensor(data=[None, 2]))).inputs
        assert np.isnan(read.values[0])

    def test_nested_data_is_flattened(self) -> None:
        (read,) = parse_request(body(tensor(shape=[2, 1], data=[[1], [2]]))).inputs
        assert read.shape == (2, 1)
        assert read.values.tolist() == [1.0, 2.0]

    def test_bytes_tensor_is_read_as_strings(self) -> None:
        (read,) = parse_request(body(tensor(datatype="BYTES", data=["L", "高"]))).inputs
        assert read.values.tolist() == ["L", "高"]

    def test_unit_parameter_is_read_if_present(self) -> None:
        (named,) = parse_request(body(tensor(parameters={"unit": "kN"}))).inputs
        (unnamed,) = parse_request(body(tensor())).inputs
        assert (named.unit, unnamed.unit) == ("kN", None)

    def test_request_id_and_output_options_are_read(self) -> None:
        request = parse_request(
            body(tensor(), id="7", outputs=[{"name": "p", "parameters": {"binary_data": True}}])
        )
        assert request.id == "7"
        assert dict(request.outputs) == {"p": True}

    @pytest.mark.parametrize(
        "wire",
        [
            tensor(data=[1]),
            tensor(data=[True, 1]),
            tensor(data=["1", "2"]),
            tensor(data=[[1], [2]]),
            tensor(parameters={"unit": 1}),
            tensor(shape=[2, 1], data=[[1], 2]),
            tensor(shape=[-2]),
            tensor(shape=[]),
            tensor(shape=[MAX_ELEMENTS + 1]),
            tensor(shape=[1 << 40, 1 << 40]),
            tensor(datatype="FP8"),
            tensor(datatype="INT64", data=[1, 2.5]),
            tensor(datatype="UINT8", data=[1, 300]),
            tensor(datatype="INT64", data=[1, 2**63]),
            tensor(datatype="BYTES", data=["a", 1]),
            tensor(datatype="BOOL", data=[1, 0]),
            tensor(parameters={"binary_data_size": 8}),
            without_data(),
        ],
    )
    def test_invalid_tensor_is_rejected_with_input_name(self, wire: dict[str, Any]) -> None:
        with pytest.raises(InputInvalid) as caught:
            parse_request(body(wire))
        assert caught.value.param == "x"

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"inputs": 1}', b"\xff", b"NaN"])
    def test_malformed_body_is_rejected(self, raw: bytes) -> None:
        with pytest.raises(InputInvalid):
            parse_request(raw)

    def test_duplicate_output_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match="twice"):
            parse_request(body(tensor(), outputs=[{"name": "p"}, {"name": "p"}]))


class TestBinaryRequest:
    def test_float_tensor_is_read_from_binary_tail(self) -> None:
        wire = without_data(parameters={"binary_data_size": 8})
        (read,) = binary(wire, struct.pack("<2f", 1.5, -2)).inputs
        assert read.values.tolist() == [1.5, -2.0]

    def test_strings_are_read_with_length_prefix(self) -> None:
        tail = b"\x01\x00\x00\x00L\x03\x00\x00\x00\xe9\xab\x98"
        wire = without_data(datatype="BYTES", parameters={"binary_data_size": len(tail)})
        (read,) = binary(wire, tail).inputs
        assert read.values.tolist() == ["L", "高"]

    def test_written_strings_are_read_back(self) -> None:
        values = np.array(["", "a", "高"], dtype=object)
        tail = to_binary(Tensor("x", "BYTES", (3,), values))
        wire = without_data(shape=[3], datatype="BYTES", parameters={"binary_data_size": len(tail)})
        (read,) = binary(wire, tail).inputs
        assert read.values.tolist() == values.tolist()

    @pytest.mark.parametrize(
        ("datatype", "tail"),
        [
            ("FP32", b"\0" * 7),
            ("FP32", b"\0" * 12),
            ("BYTES", b"\x09\x00\x00\x00L"),
            ("BYTES", b"\x01\x00"),
            ("BYTES", b"\x01\x00\x00\x00L"),
            ("BYTES", b"\x01\x00\x00\x00\xff\x00\x00\x00\x00"),
        ],
    )
    def test_tail_not_matching_datatype_or_shape_is_rejected(
        self, datatype: str, tail: bytes
    ) -> None:
        wire = without_data(datatype=datatype, parameters={"binary_data_size": len(tail)})
        with pytest.raises(InputInvalid):
            binary(wire, tail)

    @pytest.mark.parametrize("size", [-1, "8", 1.5, True, 4, 100])
    def test_invalid_binary_data_size_is_rejected(self, size: Any) -> None:
        with pytest.raises(InputInvalid):
            binary(without_data(parameters={"binary_data_size": size}), b"\0" * 8)

    def test_unclaimed_trailing_bytes_are_rejected(self) -> None:
        with pytest.raises(InputInvalid, match="declare"):
            binary(tensor(), b"left over")

    @pytest.mark.parametrize("length", [-1, 10_000])
    def test_header_length_outside_body_is_rejected(self, length: int) -> None:
        with pytest.raises(InputInvalid, match="Inference-Header-Content-Length"):
            parse_request(body(tensor()), length)


class TestInferenceResponse:
    def test_default_response_is_json(self) -> None:
        head, tail, length = answer(parse_request(body(tensor(), id="a")))
        assert length is None
        assert tail == b""
        assert (head["model_name"], head["model_version"], head["id"]) == ("model", "1", "a")
        assert head["outputs"][0]["data"] == [0.5, 1.5]
        assert head["outputs"][1]["data"] == ["é"]

    def test_binary_data_output_returns_all_outputs_binary(self) -> None:
        wanted = parse_request(body(tensor(), parameters={"binary_data_output": True}))
        head, tail, _ = answer(wanted)
        assert [one["parameters"]["binary_data_size"] for one in head["outputs"]] == [8, 6]
        assert tail == struct.pack("<2f", 0.5, 1.5) + b"\x02\x00\x00\x00\xc3\xa9"
        assert "id" not in head

    def test_binary_data_applies_to_selected_output_only(self) -> None:
        wanted = parse_request(
            body(
                tensor(),
                outputs=[{"name": "p"}, {"name": "s", "parameters": {"binary_data": True}}],
            )
        )
        head, tail, length = answer(wanted)
        assert length is not None
        assert head["outputs"][0]["data"] == [0.5, 1.5]
        assert tail == b"\x02\x00\x00\x00\xc3\xa9"
