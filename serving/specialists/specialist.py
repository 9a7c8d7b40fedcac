"""The interface of specialists, small models over named columns, and the ones on ONNX Runtime."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.onnx_session import open_session
from models.signature import (
    BYTES,
    Columns,
    GridField,
    InputField,
    OutputField,
    Signature,
    require_names,
    validate_columns,
)
from serving.errors import InputInvalid, WeightsBroken
from serving.specialists.open_inference import NUMPY_DTYPES, InferRequest, Tensor

# Row limit of one request; several requests are batched anyway.
MAX_ROWS = 4096
METADATA_KEY = "signature"


class Specialist(Protocol):
    """A model over named columns, learned or computed by a formula."""

    @property
    def name(self) -> str:
        """The name by which requests call the model or variant."""
        ...

    @property
    def signature(self) -> Signature:
        """The input and output columns."""
        ...

    @property
    def platform(self) -> str:
        """The `platform` of the Open Inference model metadata."""
        ...

    def check(self, columns: Columns) -> None:
        """Validate across columns what the signature cannot express. Raises InputInvalid."""
        ...

    def run(self, columns: Columns) -> Columns:
        """Run the model on validated columns; return one array for each output."""
        ...

    def load_variant(self, name: str, version: str, artefact: bytes) -> "Specialist":
        """Load a customer's variant of this model.

        Raises WeightsBroken, and InputInvalid if this model has no variants.
        """
        ...


@dataclass(frozen=True, slots=True)
class OnnxSpecialist:
    """A model on ONNX Runtime.

    `matrix_inputs` are the single-value inputs that the graph takes as [N, 1] instead of [N].
    """

    name: str
    signature: Signature
    session: Any
    matrix_inputs: frozenset[str]

    @property
    def platform(self) -> str:
        """The `platform` of the Open Inference model metadata."""
        return "onnxruntime_onnx"

    def check(self, columns: Columns) -> None:
        """Validate that all series have the same length. Raises InputInvalid."""
        lengths = {name: column.shape[1] for name, column in columns.items() if column.ndim == 2}
        for name, length in lengths.items():
            leader = next(iter(lengths))
            if length != lengths[leader]:
                raise InputInvalid(
                    f"{name!r} has {length} values in each row, but {leader!r} has "
                    f"{lengths[leader]}.",
                    param=name,
                )

    def run(self, columns: Columns) -> Columns:
        """Run the graph on validated columns; return one array for each output."""
        feed = {
            name: column.reshape(-1, 1) if name in self.matrix_inputs else column
            for name, column in columns.items()
        }
        fields = self.signature.outputs
        results = self.session.run([field.name for field in fields], feed)
        return {
            field.name: _output_column(field, result)
            for field, result in zip(fields, results, strict=True)
        }

    def load_variant(self, name: str, version: str, artefact: bytes) -> "OnnxSpecialist":
        """Load a customer's variant from its ONNX artefact. Raises WeightsBroken."""
        variant = _load_onnx(name, artefact)
        signature = msgspec.structs.replace(variant.signature, version=version)
        return replace(variant, signature=signature)


def model_metadata(model: Specialist) -> dict[str, Any]:
    """Return Open Inference model metadata, with the whole signature under `parameters`."""
    signature = model.signature
    return {
        "name": model.name,
        "versions": [signature.version],
        "platform": model.platform,
        "inputs": [
            _tensor_metadata(field, () if field.length is None else (-1,))
            for field in signature.inputs
        ],
        "outputs": [
            _tensor_metadata(field, _output_row_shape(field)) for field in signature.outputs
        ],
        "parameters": {"signature": msgspec.to_builtins(signature)},
    }


def load_onnx_specialist(name: str, path: Path) -> OnnxSpecialist:
    """Load a specialist from an ONNX file.

    Raises WeightsBroken if it is no ONNX model or its signature does not match its graph.
    """
    return _load_onnx(name, str(path))


def _load_onnx(name: str, artefact: str | bytes) -> OnnxSpecialist:
    """Load a model from the path or bytes of an ONNX file. Raises WeightsBroken."""
    session = _create_session(name, artefact)
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    signature = parse_signature(name, text)
    _require_same_names(name, [field.name for field in signature.inputs], session.get_inputs())
    _require_same_names(name, [field.name for field in signature.outputs], session.get_outputs())
    single = {field.name for field in signature.inputs if field.length is None}
    matrix_inputs = frozenset(
        node.name
        for node in session.get_inputs()
        if node.name in single and len(node.shape or ()) == 2
    )
    return OnnxSpecialist(name, signature, session, matrix_inputs)


def _create_session(name: str, artefact: str | bytes) -> Any:
    """Create a single-threaded ONNX Runtime session. Raises WeightsBroken."""
    try:
        return open_session(artefact)
    except Exception as error:  # ONNX Runtime raises several unrelated exception classes
        raise WeightsBroken(f"The artefact of {name!r} cannot be loaded.") from error


def parse_signature(name: str, text: str | None) -> Signature:
    """Parse the signature JSON from an artefact's metadata. Raises WeightsBroken."""
    if text is None:
        raise WeightsBroken(f"The artefact of {name!r} has no signature.")
    try:
        signature = msgspec.json.decode(text, type=Signature)
    except msgspec.DecodeError as error:
        raise WeightsBroken(f"The signature of {name!r} is not valid: {error}.") from error
    datatypes = [field.datatype for field in signature.inputs]
    datatypes += [field.datatype for field in signature.outputs]
    for datatype in datatypes:
        if datatype != BYTES and datatype not in NUMPY_DTYPES:
            raise WeightsBroken(f"The signature of {name!r} has the type {datatype!r}.")
    return signature


def parse_columns(request: InferRequest, signature: Signature) -> Columns:
    """Return the request's inputs as columns, converted to the signature's units and validated.

    Raises InputInvalid, which names the field, the row and the unit.
    """
    inputs = _inputs_by_name(request.inputs)
    require_names(signature, inputs)
    columns = {
        field.name: _input_column(field, inputs[field.name])
        for field in signature.inputs
        if field.name in inputs
    }
    _require_row_limit(columns)
    units = {name: tensor.unit for name, tensor in inputs.items() if tensor.unit is not None}
    return validate_columns(signature, columns, units)


def require_outputs(request: InferRequest, signature: Signature) -> None:
    """Raise InputInvalid if the request selects an output that the model does not have."""
    for name in request.outputs.keys() - {field.name for field in signature.outputs}:
        raise InputInvalid(f"The model has no output {name!r}.", param=name)


def select_outputs(
    request: InferRequest, signature: Signature, results: Columns
) -> tuple[Tensor, ...]:
    """Return the selected outputs in the request's order; all outputs if it selects none."""
    fields = {field.name: field for field in signature.outputs}
    selected = request.outputs or fields
    return tuple(
        Tensor(name, fields[name].datatype, results[name].shape, results[name]) for name in selected
    )


def concatenate_rows(parts: Sequence[Columns]) -> Columns:
    """Concatenate the rows of several requests for a single run; one is returned as it is."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def split_rows(results: Columns, rows: Sequence[int]) -> list[dict[str, NDArray[Any]]]:
    """Split batch outputs by the `rows` of each request, the inverse of `concatenate_rows`."""
    parts: list[dict[str, NDArray[Any]]] = []
    start = 0
    for count in rows:
        parts.append({name: column[start : start + count] for name, column in results.items()})
        start += count
    return parts


def _output_column(field: OutputField, result: Any) -> NDArray[Any]:
    """Return an output as an array of shape [rows], or [rows, length] for a series."""
    column = np.asarray(result)
    return column if field.series else column.reshape(-1)


def _output_row_shape(field: OutputField) -> tuple[int, ...]:
    """Return the shape of an output's values in one row; -1 is any length."""
    if isinstance(field, GridField):
        return field.shape
    return (-1,) if field.series else ()


def _tensor_metadata(field: InputField | OutputField, row_shape: tuple[int, ...]) -> dict[str, Any]:
    """Return name, datatype and shape of a tensor for the metadata; -1 is any length."""
    return {"name": field.name, "datatype": field.datatype, "shape": [-1, *row_shape]}


def _require_same_names(name: str, signature_names: list[str], nodes: Sequence[Any]) -> None:
    """Raise WeightsBroken unless signature and ONNX graph have the same inputs or outputs."""
    graph_names = [node.name for node in nodes]
    if set(signature_names) != set(graph_names):
        raise WeightsBroken(
            f"The signature of {name!r} names {signature_names}, its graph {graph_names}."
        )


def _inputs_by_name(inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Index the inputs by name. Raises InputInvalid if a name occurs twice."""
    named = {tensor.name: tensor for tensor in inputs}
    if len(named) != len(inputs):
        raise InputInvalid("An input is given twice.", param="inputs")
    return named


def _input_column(field: InputField, tensor: Tensor) -> NDArray[Any]:
    """Return an input as an array of the field's type: [rows], or [rows, length] for a series."""
    if not _can_cast(tensor.datatype, field.datatype):
        raise InputInvalid(
            f"{field.name!r} is {tensor.datatype}, but the model expects {field.datatype}.",
            param=field.name,
        )
    values = tensor.values
    if tensor.datatype != field.datatype:
        values = values.astype(NUMPY_DTYPES[field.datatype])
    return values.reshape(_column_shape(field, tensor.shape))


def _can_cast(source: str, target: str) -> bool:
    """Return whether a datatype converts to another without loss, for example FP32 to FP64."""
    if source == target:
        return True
    if BYTES in (source, target) or "BOOL" in (source, target):
        return False
    return np.can_cast(NUMPY_DTYPES[source], NUMPY_DTYPES[target], "safe")


def _column_shape(field: InputField, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an input's column: [rows, 1] becomes [rows], a series keeps its shape.

    Raises InputInvalid for any other shape of a single-value input.
    """
    if field.length is not None:
        return shape
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise InputInvalid(
            f"{field.name!r} has the shape {list(shape)}; use [rows] or [rows, 1].",
            param=field.name,
        )
    return shape[:1]


def _require_row_limit(columns: Columns) -> None:
    """Raise InputInvalid if a column has more than MAX_ROWS rows."""
    for column in columns.values():
        if len(column) > MAX_ROWS:
            raise InputInvalid(
                f"The request has {len(column)} rows; at most {MAX_ROWS} are allowed.",
                param="inputs",
            )
