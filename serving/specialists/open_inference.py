"""Parse requests and render responses of the Open Inference Protocol v2.

Supports JSON and the binary tensor extension (`Inference-Header-Content-Length`).
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.signature import BYTES
from serving.errors import InputInvalid

HEADER_LENGTH = "Inference-Header-Content-Length"
# Maximum number of values in one tensor, so that a shape cannot exhaust the memory.
MAX_ELEMENTS = 1 << 20

NUMPY_DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "BOOL": np.dtype(np.bool_),
        "UINT8": np.dtype(np.uint8),
        "UINT16": np.dtype(np.uint16),
        "UINT32": np.dtype(np.uint32),
        "UINT64": np.dtype(np.uint64),
        "INT8": np.dtype(np.int8),
        "INT16": np.dtype(np.int16),
        "INT32": np.dtype(np.int32),
        "INT64": np.dtype(np.int64),
        "FP16": np.dtype(np.float16),
        "FP32": np.dtype(np.float32),
        "FP64": np.dtype(np.float64),
    }
)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named tensor; the values of a parsed request are flat, whatever the shape.

    BYTES values are Python `str` (UTF-8). `unit` is the unit that the caller gave, else None.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: NDArray[Any]
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A parsed inference request.

    `outputs` maps each requested output to whether it is returned as binary; empty selects all.
    `parameters` are those of the whole request.
    """

    id: str | None
    inputs: tuple[Tensor, ...]
    outputs: Mapping[str, bool]
    binary_by_default: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderedResponse:
    """A response body; `header_length` is the length of the JSON if binary tensors follow it."""

    body: bytes
    header_length: int | None


class _WireTensor(msgspec.Struct):
    """A tensor in the JSON of a request."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}  # msgspec copies an empty default for each instance


class _WireOutput(msgspec.Struct):
    """A requested output in the JSON of a request."""

    name: str
    parameters: dict[str, Any] = {}


class _WireRequest(msgspec.Struct):
    """The JSON of an inference request."""

    inputs: list[_WireTensor]
    id: str | None = None
    outputs: list[_WireOutput] = []
    parameters: dict[str, Any] = {}


def parse_request(body: bytes, header_length: int | None = None) -> InferRequest:
    """Parse an inference request.

    `header_length` is the value of Inference-Header-Content-Length: the length of the JSON before
    the binary tensors. Raises InputInvalid, which names the field.
    """
    document, tail = _split_body(body, header_length)
    try:
        wire = msgspec.json.decode(document, type=_WireRequest)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The inference request is not valid: {error}.") from error
    inputs: list[Tensor] = []
    offset = 0
    for tensor in wire.inputs:
        size = _binary_size(tensor)
        inputs.append(_parse_tensor(tensor, tail[offset : offset + size], size))
        offset += size
    if offset != len(tail):
        raise InputInvalid(
            f"The binary part has {len(tail)} bytes, but the inputs declare {offset}."
        )
    default = bool(wire.parameters.get("binary_data_output", False))
    outputs, parameters = _requested_outputs(wire, default), MappingProxyType(wire.parameters)
    return InferRequest(wire.id, tuple(inputs), outputs, default, parameters)


def render_response(
    model: str, version: str, request: InferRequest, outputs: Sequence[Tensor]
) -> RenderedResponse:
    """Render an inference response; outputs requested as binary follow the JSON."""
    entries: list[dict[str, Any]] = []
    tail: list[bytes] = []
    for output in outputs:
        entry: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": list(output.shape),
        }
        if request.outputs.get(output.name, request.binary_by_default):
            raw = to_binary(output)
            entry["parameters"] = {"binary_data_size": len(raw)}
            tail.append(raw)
        else:
            entry["data"] = output.values.tolist()
        entries.append(entry)
    response: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": entries}
    if request.id is not None:
        response["id"] = request.id
    head = msgspec.json.encode(response)
    return RenderedResponse(b"".join([head, *tail]), len(head) if tail else None)


def to_binary(tensor: Tensor) -> bytes:
    """Encode a tensor as packed little-endian bytes; BYTES values have a 4-byte length prefix."""
    if tensor.datatype != BYTES:
        return tensor.values.astype(NUMPY_DTYPES[tensor.datatype].newbyteorder("<")).tobytes()
    encoded = [value.encode() for value in tensor.values.ravel()]
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)


def _split_body(body: bytes, header_length: int | None) -> tuple[bytes, bytes]:
    """Split a body into its JSON and its binary tensors. Raises InputInvalid."""
    if header_length is None:
        return body, b""
    if not 0 <= header_length <= len(body):
        raise InputInvalid(
            f"{HEADER_LENGTH} is {header_length}, but the body has {len(body)} bytes."
        )
    return body[:header_length], body[header_length:]


def _requested_outputs(wire: _WireRequest, default: bool) -> Mapping[str, bool]:
    """Map each requested output to whether it is binary, else `default`. Raises InputInvalid."""
    outputs = {
        output.name: bool(output.parameters.get("binary_data", default)) for output in wire.outputs
    }
    if len(outputs) != len(wire.outputs):
        raise InputInvalid("An output is requested twice.", param="outputs")
    return MappingProxyType(outputs)


def _binary_size(tensor: _WireTensor) -> int:
    """Return the `binary_data_size` parameter in bytes, 0 without it. Raises InputInvalid."""
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        return 0
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InputInvalid("binary_data_size must be a number of bytes.", param=tensor.name)
    return size


def _parse_tensor(wire: _WireTensor, raw: bytes, size: int) -> Tensor:
    """Parse an input from its JSON `data` or from `raw` of `size` bytes. Raises InputInvalid."""
    if wire.datatype != BYTES and wire.datatype not in NUMPY_DTYPES:
        raise InputInvalid(f"Unknown datatype {wire.datatype!r}.", param=wire.name)
    count = _element_count(wire)
    if wire.data is not None:
        if size:
            raise InputInvalid("The tensor has both `data` and binary data.", param=wire.name)
        values = _values_from_json(wire, count)
    elif "binary_data_size" in wire.parameters:
        if len(raw) != size:
            raise InputInvalid("The binary part is shorter than declared.", param=wire.name)
        values = _values_from_binary(wire, raw, count)
    else:
        raise InputInvalid("The tensor has neither `data` nor binary data.", param=wire.name)
    return Tensor(wire.name, wire.datatype, tuple(wire.shape), values, _parse_unit(wire))


def _parse_unit(wire: _WireTensor) -> str | None:
    """Return the `unit` parameter of an input, None without it. Raises InputInvalid."""
    unit = wire.parameters.get("unit")
    if unit is not None and not isinstance(unit, str):
        raise InputInvalid("The parameter `unit` must be a string.", param=wire.name)
    return unit


def _element_count(wire: _WireTensor) -> int:
    """Return the number of elements of a shape. Raises InputInvalid if the shape is invalid."""
    if not wire.shape or any(size < 0 for size in wire.shape):
        raise InputInvalid(f"{wire.shape} is not a valid shape.", param=wire.name)
    count = math.prod(wire.shape)
    if count > MAX_ELEMENTS:
        raise InputInvalid(f"A tensor can have at most {MAX_ELEMENTS} values.", param=wire.name)
    return count


def _values_from_json(wire: _WireTensor, count: int) -> NDArray[Any]:
    """Convert JSON `data` into `count` flat values of the datatype. Raises InputInvalid."""
    flat = _flatten(wire.data or [], len(wire.shape), wire.name)
    if len(flat) != count:
        raise InputInvalid(
            f"The shape {wire.shape} has {count} values, but `data` has {len(flat)}.",
            param=wire.name,
        )
    allowed_types = _allowed_json_types(wire.datatype)
    for row, value in enumerate(flat):
        if type(value) not in allowed_types:
            raise InputInvalid(
                f"Value {row} is {_json_type_name(value)} instead of {wire.datatype}.",
                param=wire.name,
            )
    if wire.datatype == BYTES:
        return np.array(flat, dtype=object)
    return _numeric_array(wire, flat)


def _numeric_array(wire: _WireTensor, flat: list[Any]) -> NDArray[Any]:
    """Convert numbers to the tensor's datatype. Raises InputInvalid on overflow."""
    try:
        # A number too large for the type becomes infinite, which the model's limits reject later.
        with np.errstate(over="ignore"):
            return np.array(flat, dtype=NUMPY_DTYPES[wire.datatype])
    except (OverflowError, ValueError) as error:
        raise InputInvalid(
            f"A value does not fit into {wire.datatype}.", param=wire.name
        ) from error


def _flatten(data: list[Any], depth: int, name: str) -> list[Any]:
    """Flatten `data`, which is flat or nested as deep as the shape; deeper lists stay."""
    for _ in range(depth - 1):
        if not any(isinstance(item, list) for item in data):
            break
        if not all(isinstance(item, list) for item in data):
            raise InputInvalid("`data` mixes values and lists.", param=name)
        data = [value for item in data for value in item]
    return data


def _allowed_json_types(datatype: str) -> tuple[type, ...]:
    """Return the JSON types that a datatype accepts."""
    if datatype == BYTES:
        return (str,)
    if datatype == "BOOL":
        return (bool,)
    # A null is a missing number, which the signature of few models allows.
    return (int, float, type(None)) if datatype.startswith("FP") else (int,)


def _json_type_name(value: Any) -> str:
    """Return the name of a JSON value's type for an error message."""
    names = {str: "a string", bool: "a boolean", type(None): "null", list: "a list"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "an object")


def _values_from_binary(wire: _WireTensor, raw: bytes, count: int) -> NDArray[Any]:
    """Decode `count` values from a binary tensor. Raises InputInvalid."""
    if wire.datatype == BYTES:
        return np.array(_decode_strings(raw, count, wire.name), dtype=object)
    dtype = NUMPY_DTYPES[wire.datatype]
    if len(raw) != count * dtype.itemsize:
        raise InputInvalid(
            f"The shape {wire.shape} of {wire.datatype} needs {count * dtype.itemsize} "
            f"bytes, but there are {len(raw)}.",
            param=wire.name,
        )
    return np.frombuffer(raw, dtype=dtype.newbyteorder("<")).astype(dtype)


def _decode_strings(raw: bytes, count: int, name: str) -> list[str]:
    """Decode `count` length-prefixed UTF-8 strings of the input `name`. Raises InputInvalid."""
    values: list[str] = []
    offset = 0
    while offset < len(raw):
        start = offset + 4
        length = int.from_bytes(raw[offset:start], "little")
        offset = start + length
        if start > len(raw) or offset > len(raw):
            raise InputInvalid("A string is longer than the binary part.", param=name)
        try:
            values.append(raw[start:offset].decode())
        except UnicodeDecodeError as error:
            raise InputInvalid(f"Value {len(values)} is not UTF-8.", param=name) from error
    if len(values) != count:
        raise InputInvalid(f"The tensor has {len(values)} strings instead of {count}.", param=name)
    return values
