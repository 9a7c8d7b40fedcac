"""Requests of specialist models: Open Inference Protocol v2 and `/v1/predictions`.

`/v1/predictions` takes rows of named columns, which become one tensor per column. Calls are metered
by rows, or by images for models that are priced per image.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from billing.rating.quantities import Quantities
from gateway.call.errors import ParameterInvalid, UpstreamFailed
from gateway.call.values import OutputBounds, ParsedRequest, ResolvedModel
from gateway.wire import body as bodies
from gateway.wire.costs import require_parameters
from models.catalog import Model, Task
from models.own_columns import OWN_COLUMNS

JSON_LENGTH_HEADER = b"inference-header-content-length"
MAX_ROWS = 100_000
# Values that rows lack are filled in: a small body must not become a large one.
MAX_FILLED = 1 << 20


ColumnValue = float | str | bool | list[float | str | None] | None


class InputTensor(msgspec.Struct):
    """The metered fields of an input tensor. `data` is absent if values follow in binary form."""

    name: str
    shape: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1)]
    datatype: str


class InferRequest(msgspec.Struct):
    """`POST /v2/models/{name}/infer`."""

    inputs: Annotated[list[InputTensor], Meta(min_length=1)]


class OutputTensor(msgspec.Struct):
    """One output tensor as JSON."""

    name: str
    data: list[Any]


class InferResponse(msgspec.Struct):
    """The response of a specialist as JSON."""

    outputs: list[OutputTensor]


class PredictionRequest(msgspec.Struct):
    """`POST /v1/predictions`: rows with named columns. A list is a series in one row, of numbers or
    of texts; a null in it is a missing number, which few models accept. Models of an account's own
    rows also accept null for a value, or a row without the column.

    `units` gives the unit of each column that is not in the model's unit. `task` describes the task
    in words, for `model: "auto"` if several models have these columns. `parameters.costs` are the
    costs by which models of an account's own tables decide.
    """

    model: str
    instances: Annotated[list[dict[str, ColumnValue]], Meta(min_length=1, max_length=MAX_ROWS)]
    units: dict[str, str] | None = None
    task: str | None = None
    parameters: dict[str, Any] | None = None


_DATATYPES: Mapping[type, str] = MappingProxyType({bool: "BOOL", str: "BYTES"})
# Models of a customer's own columns decide themselves which values may be missing.
_FITTED = "fitted"
_INFER = msgspec.json.Decoder(InferRequest)
_RESPONSE = msgspec.json.Decoder(InferResponse)
_PREDICTION = msgspec.json.Decoder(PredictionRequest)


def parse_prediction_request(body: bytes) -> PredictionRequest:
    """Parse the body of `/v1/predictions`. Raises BodyNotJson, ParameterInvalid."""
    return bodies.decode_body(_PREDICTION, body)


def build_infer_request(
    resolved: ResolvedModel, body: bytes, headers: Mapping[bytes, bytes]
) -> ParsedRequest:
    """Build the upstream request of an Open Inference Protocol call.

    The body, JSON or binary, is forwarded unchanged. Raises BodyNotJson, ParameterInvalid.
    """
    length = headers.get(JSON_LENGTH_HEADER)
    request = bodies.decode_body(
        _INFER, body if length is None else body[: _header_size(length, body)]
    )
    rows = request.inputs[0].shape[0]
    for tensor in request.inputs:
        if tensor.shape[0] != rows:
            raise ParameterInvalid(
                f"Input `{tensor.name}` has {tensor.shape[0]} rows, but `"
                f"{request.inputs[0].name}` has {rows}.",
                param=tensor.name,
            )
    if not 0 < rows <= MAX_ROWS:
        raise ParameterInvalid(f"A request must have 1 to {MAX_ROWS} rows.", param="inputs")
    units = _metered_units(resolved.model, rows)
    content_type = headers.get(b"content-type", b"application/json").decode("latin-1")
    forwarded = {"content-type": content_type}
    if length is not None:
        forwarded[JSON_LENGTH_HEADER.decode()] = length.decode("latin-1")
    return ParsedRequest(
        model=resolved.model,
        path=f"/v2/models/{resolved.upstream_name}/infer",
        body=body,
        headers=forwarded,
        measure=lambda _: Quantities(**units),
        output_bounds=OutputBounds(**units),
        variant_id=resolved.variant_id,
    )


def build_prediction_request(
    request: PredictionRequest, resolved: ResolvedModel, public_id: str
) -> ParsedRequest:
    """Build the upstream request of `/v1/predictions`: rows become one tensor per column.

    `public_id` is the id of the response. Raises ParameterInvalid naming the row and column.
    """
    rows = request.instances
    units, parameters = request.units or {}, request.parameters or {}
    require_parameters(parameters, resolved.model.adapter in OWN_COLUMNS)
    if resolved.model.weights.kind == _FITTED:
        columns = _fitted_columns(rows)
    else:
        columns = _complete_columns(rows)
    _require_columns_of(units, rows)
    # Formulas keep the precision of their inputs.
    number_type = "FP64" if resolved.model.task is Task.CALCULATION else "FP32"
    inputs = [
        _tensor(name, values, number_type, units.get(name)) for name, values in columns.items()
    ]
    metered = _metered_units(resolved.model, len(rows))

    def convert_response(response: bytes) -> bytes:
        return _encode_predictions(response, resolved.public_name, public_id, len(rows), metered)

    return ParsedRequest(
        model=resolved.model,
        path=f"/v2/models/{resolved.upstream_name}/infer",
        body=bodies.encode_body(_with_parameters({"inputs": inputs}, parameters)),
        headers={"content-type": "application/json"},
        measure=lambda _: Quantities(**metered),
        output_bounds=OutputBounds(**metered),
        convert_response=convert_response,
        variant_id=resolved.variant_id,
    )


def _with_parameters(content: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's content with its parameters, if it has any."""
    return {**content, "parameters": parameters} if parameters else content


def _metered_units(model: Model, rows: int) -> dict[str, Any]:
    """Return the units that a request with this number of rows consumes, by meter."""
    return {"images" if model.counts_images else "rows": rows}


def _header_size(length: bytes, body: bytes) -> int:
    """Return the size of the JSON part of a binary request. Raises ParameterInvalid."""
    if not length.isdigit() or len(length) > 12 or not 0 < int(length) <= len(body):
        raise ParameterInvalid(
            "Inference-Header-Content-Length does not match the request body.",
            param="Inference-Header-Content-Length",
        )
    return int(length)


def _tensor(
    name: str, values: Sequence[ColumnValue], number_type: str, unit: str | None
) -> dict[str, Any]:
    """Return a column of the rows as an Open Inference Protocol tensor."""
    first = _first_present(values)
    tensor = {
        "name": name,
        "shape": [len(values), len(first)] if isinstance(first, list) else [len(values)],
        "datatype": _datatype(first, number_type),
        "data": values,
    }
    return tensor if unit is None else {**tensor, "parameters": {"unit": unit}}


def _datatype(value: ColumnValue, number_type: str) -> str:
    """Return the datatype of a column by its first value; of a series by its items."""
    if isinstance(value, list):
        value = _first_present(value)
    return _DATATYPES.get(type(value), number_type)


def _first_present(values: Sequence[ColumnValue]) -> ColumnValue:
    """Return the first value that is not null; None if there is none."""
    return next((value for value in values if value is not None), None)


def _complete_columns(rows: Sequence[Mapping[str, ColumnValue]]) -> dict[str, list[ColumnValue]]:
    """Return the columns of rows that all have the same, without nulls. Raises ParameterInvalid."""
    _require_no_nulls(rows)
    columns: dict[str, list[ColumnValue]] = {}
    for name in rows[0]:
        columns[name] = _column(rows, name)
        if None in columns[name]:
            raise _instance_error(columns[name].index(None), name, "is missing")
    for number, row in enumerate(rows):
        if additional := row.keys() - rows[0].keys():
            raise _instance_error(number, min(additional), "is not in the first row")
    return columns


def _fitted_columns(rows: Sequence[Mapping[str, ColumnValue]]) -> dict[str, list[ColumnValue]]:
    """Return the columns that any row has, with null for missing numbers and "" for missing texts.

    A column without any value is left out, as nothing tells its type. Series must be in all rows.
    Raises ParameterInvalid.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    if len(names) * len(rows) - sum(map(len, rows)) > MAX_FILLED:
        raise ParameterInvalid(
            f"The {len(rows)} rows have {len(names)} columns, but most rows lack most of them.",
            param="instances",
        )
    columns: dict[str, list[ColumnValue]] = {}
    for name in names:
        values = _column(rows, name)
        first = _first_present(values)
        if isinstance(first, list) and None in values:
            raise _instance_error(values.index(None), name, "is missing")
        if first is not None:
            fill = "" if isinstance(first, str) else None
            columns[name] = [fill if value is None else value for value in values]
    if not columns:
        raise ParameterInvalid("`instances[0]` has no value.", param="instances[0]")
    return columns


def _column(rows: Sequence[Mapping[str, ColumnValue]], name: str) -> list[ColumnValue]:
    """Return the values of a column, None where missing. All others have one type and length."""
    values = [row.get(name) for row in rows]
    first = _first_present(values)
    for number, value in enumerate(values):
        if value is None:
            continue
        if type(value) is not type(first):
            raise _instance_error(number, name, "has another type than in the rows before")
        if isinstance(value, list) and isinstance(first, list) and len(value) != len(first):
            raise _instance_error(
                number, name, f"has {len(value)} values, the first row {len(first)}"
            )
        if isinstance(value, list) and len({type(one) for one in value if one is not None}) > 1:
            raise _instance_error(number, name, "mixes numbers and texts")
    return values


def _require_columns_of(
    units: Mapping[str, str], rows: Sequence[Mapping[str, ColumnValue]]
) -> None:
    """Raise ParameterInvalid if there is a unit of a column that no row has."""
    for name in units:
        if not any(name in row for row in rows):
            raise ParameterInvalid(
                f"`units` names {name[:60]!r}, which is not a column of the rows.", param="units"
            )


def _require_no_nulls(rows: Sequence[Mapping[str, ColumnValue]]) -> None:
    """Raise ParameterInvalid for a null in a series."""
    for number, row in enumerate(rows):
        for name, value in row.items():
            if isinstance(value, list) and None in value:
                index = value.index(None)
                raise ParameterInvalid(
                    f"`{name}` of row {number} has no value at position {index}.",
                    param=f"instances[{number}][][{index}]",
                )


def _instance_error(row: int, name: str, reason: str) -> ParameterInvalid:
    """Return the error of one value: row number, column name and reason (a predicate)."""
    path = f"instances[{row}].{name}"
    return ParameterInvalid(f"`{path}` {reason}.", param=path)


def _encode_predictions(
    response: bytes, model_id: str, public_id: str, rows: int, usage: Mapping[str, int]
) -> bytes:
    """Convert a response's tensors into the response of `/v1/predictions`.

    Raises UpstreamFailed if the response is invalid.
    """
    try:
        outputs = _RESPONSE.decode(response).outputs
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise UpstreamFailed("The model's response could not be parsed.") from None
    if not outputs or any(len(output.data) != rows for output in outputs):
        raise UpstreamFailed("The model's response does not match the request.")
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
