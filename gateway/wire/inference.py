"""The specialists' two shapes: Open Inference Protocol v2, and rows with named columns.

Owns reading how many rows a request holds (that is what is metered, as pictures where a model is
sold by those), and turning rows into tensors and back.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from billing.rating.quantities import Quantities
from gateway.call.errors import ParameterInvalid, UpstreamFailed
from gateway.call.values import Ask, Extent, Served
from gateway.wire import body as bodies
from models.catalog import Model, Task

HEADER_LENGTH = b"inference-header-content-length"
MAX_ROWS = 100_000


Value = float | str | bool | list[float] | None


class Tensor(msgspec.Struct):
    """The part of an input tensor that is metered; `data` may be absent, being binary."""

    name: str
    shape: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1)]
    datatype: str


class InferRequest(msgspec.Struct):
    """`POST /v2/models/{name}/infer`."""

    inputs: Annotated[list[Tensor], Meta(min_length=1)]


class Output(msgspec.Struct):
    """One output tensor as JSON."""

    name: str
    data: list[Any]


class InferAnswer(msgspec.Struct):
    """The answer of a specialist as JSON."""

    outputs: list[Output]


class PredictionRequest(msgspec.Struct):
    """`POST /v1/predictions`: rows with named columns. A list is a series in one row.

    `units` names the unit of a column that is not in the model's own. `task` says in words what is
    asked, where `model` is `auto` and the columns are those of several models.
    """

    model: str
    instances: Annotated[list[dict[str, Value]], Meta(min_length=1, max_length=MAX_ROWS)]
    units: dict[str, str] = {}
    task: str = ""


_KINDS: Mapping[type, str] = MappingProxyType({bool: "BOOL", str: "BYTES"})
_INFER = msgspec.json.Decoder(InferRequest)
_ANSWER = msgspec.json.Decoder(InferAnswer)
_PREDICTION = msgspec.json.Decoder(PredictionRequest)


def read_prediction(body: bytes) -> PredictionRequest:
    """Check the body of `/v1/predictions`. Raises BodyNotJson, ParameterInvalid."""
    return bodies.read(_PREDICTION, body)


def ask_infer(served: Served, body: bytes, headers: Mapping[bytes, bytes]) -> Ask:
    """A protocol request goes on as it came, JSON or binary. Raises ParameterInvalid."""
    length = headers.get(HEADER_LENGTH)
    request = bodies.read(_INFER, body if length is None else body[: _header_size(length, body)])
    rows = request.inputs[0].shape[0]
    for tensor in request.inputs:
        if tensor.shape[0] != rows:
            raise ParameterInvalid(
                f"Input `{tensor.name}` has {tensor.shape[0]} rows where "
                f"`{request.inputs[0].name}` has {rows}.",
                param=tensor.name,
            )
    if not 0 < rows <= MAX_ROWS:
        raise ParameterInvalid(f"A request holds 1 to {MAX_ROWS} rows.", param="inputs")
    counted = _counted(served.model, rows)
    passed = {"content-type": headers.get(b"content-type", b"application/json").decode("latin-1")}
    if length is not None:
        passed[HEADER_LENGTH.decode()] = length.decode("latin-1")
    return Ask(
        model=served.model,
        path=f"/v2/models/{served.place}/infer",
        body=body,
        headers=passed,
        measure=lambda _: Quantities(**counted),
        extent=Extent(**counted),
        variant=served.variant,
    )


def ask_prediction(request: PredictionRequest, served: Served, public_id: str) -> Ask:
    """Rows become one tensor a column. Raises ParameterInvalid naming the row and column."""
    rows, units = request.instances, request.units
    for name in units.keys() - rows[0].keys():
        raise ParameterInvalid(
            f"`units` names {name[:60]!r}, no column of the rows.", param="units"
        )
    # A formula gives back as many digits as it was given.
    number_type = "FP64" if served.model.task is Task.CALCULATION else "FP32"
    inputs = [_tensor(rows, name, number_type, units.get(name)) for name in rows[0]]
    for number, row in enumerate(rows):
        if surplus := row.keys() - rows[0].keys():
            name = min(surplus)
            raise _fault(number, name, "is not in the first row")

    counted = _counted(served.model, len(rows))

    def reshape(answer: bytes) -> bytes:
        return _predictions(answer, served.shown, public_id, len(rows), counted)

    return Ask(
        model=served.model,
        path=f"/v2/models/{served.place}/infer",
        body=bodies.envelope({"inputs": inputs}),
        headers={"content-type": "application/json"},
        measure=lambda _: Quantities(**counted),
        extent=Extent(**counted),
        reshape=reshape,
        variant=served.variant,
    )


def _counted(model: Model, rows: int) -> dict[str, Any]:
    """What a request of so many rows consumes, by meter."""
    return {"images" if model.counts_images else "rows": rows}


def _header_size(length: bytes, body: bytes) -> int:
    if not length.isdigit() or len(length) > 12 or not 0 < int(length) <= len(body):
        raise ParameterInvalid(
            "Inference-Header-Content-Length does not fit the body.",
            param="Inference-Header-Content-Length",
        )
    return int(length)


def _tensor(
    rows: Sequence[Mapping[str, Value]], name: str, number_type: str, unit: str | None
) -> dict[str, Any]:
    values = _column(rows, name)
    first = values[0]
    tensor = {
        "name": name,
        "shape": [len(values), len(first)] if isinstance(first, list) else [len(values)],
        "datatype": _KINDS.get(type(first), number_type),
        "data": values,
    }
    return tensor if unit is None else {**tensor, "parameters": {"unit": unit}}


def _column(rows: Sequence[Mapping[str, Value]], name: str) -> list[Value]:
    values: list[Value] = []
    first = rows[0][name]
    for number, row in enumerate(rows):
        value = row.get(name)
        if value is None:
            raise _fault(number, name, "is missing")
        if type(value) is not type(first):
            raise _fault(number, name, "is of another type than in the first row")
        if isinstance(value, list) and isinstance(first, list) and len(value) != len(first):
            raise _fault(number, name, f"has {len(value)} values, the first row {len(first)}")
        values.append(value)
    return values


def _fault(row: int, name: str, what: str) -> ParameterInvalid:
    place = f"instances[{row}].{name}"
    return ParameterInvalid(f"`{place}` {what}.", param=place)


def _predictions(
    answer: bytes, model_id: str, public_id: str, rows: int, usage: Mapping[str, int]
) -> bytes:
    try:
        outputs = _ANSWER.decode(answer).outputs
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise UpstreamFailed("The model's answer could not be read.") from None
    if not outputs or any(len(output.data) != rows for output in outputs):
        raise UpstreamFailed("The model's answer does not fit the request.")
    names = [output.name for output in outputs]
    columns = [output.data for output in outputs]
    return msgspec.json.encode(
        {
            "id": public_id,
            "object": "prediction",
            "model": model_id,
            "predictions": [
                dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)
            ],
            "usage": usage,
        }
    )
