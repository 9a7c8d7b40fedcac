"""A specialist: a small ONNX model over named columns, with the signature that it carries.

Owns reading the signature from the artefact, refusing rows that lie outside it, and running the
model. Does not own the wire (protocol.py), nor how requests are batched (apps.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from serving.errors import InputInvalid, WeightsBroken
from serving.protocol import BYTES, NUMERIC, InferRequest, Tensor

# What one request may ask; more rows belong into several requests, which are batched anyway.
MAX_ROWS = 4096
METADATA_KEY = "signature"

Columns = Mapping[str, NDArray[Any]]


class InputField(msgspec.Struct, frozen=True):
    """One column that the model takes. Limits are inclusive; `values` closes a list of strings."""

    name: str
    datatype: str
    unit: str | None = None
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = None
    trained: tuple[float, float] | None = None


class OutputField(msgspec.Struct, frozen=True):
    name: str
    datatype: str
    unit: str | None = None
    description: str = ""


class Signature(msgspec.Struct, frozen=True):
    inputs: tuple[InputField, ...]
    outputs: tuple[OutputField, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Specialist:
    """A loaded model. `wide` are the graph's inputs of shape [N, 1] instead of [N]."""

    name: str
    signature: Signature
    session: Any
    wide: frozenset[str]

    def run(self, columns: Columns) -> dict[str, NDArray[Any]]:
        """Answer for columns that `columns_of` has checked: one flat array for each output."""
        feed = {
            name: column.reshape(-1, 1) if name in self.wide else column
            for name, column in columns.items()
        }
        names = [output.name for output in self.signature.outputs]
        results = self.session.run(names, feed)
        return {
            name: np.asarray(value).reshape(-1) for name, value in zip(names, results, strict=True)
        }

    def metadata(self) -> dict[str, Any]:
        """The protocol's model metadata; the whole signature is under `parameters`."""
        return {
            "name": self.name,
            "versions": [self.signature.version],
            "platform": "onnxruntime_onnx",
            "inputs": [_shape_of(field) for field in self.signature.inputs],
            "outputs": [_shape_of(field) for field in self.signature.outputs],
            "parameters": {"signature": msgspec.to_builtins(self.signature)},
        }


def load_specialist(name: str, path: Path) -> Specialist:
    """Load an artefact. Raises WeightsBroken where it is no model or its signature does not fit."""
    options = onnxruntime.SessionOptions()
    # Millisecond models: a pool of threads would only fight the language model for the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises half a dozen classes of its own
        raise WeightsBroken(f"The artefact of {name!r} cannot be loaded.") from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    signature = read_signature(name, text)
    _match(name, [field.name for field in signature.inputs], session.get_inputs())
    _match(name, [field.name for field in signature.outputs], session.get_outputs())
    wide = frozenset(node.name for node in session.get_inputs() if len(node.shape or ()) == 2)
    return Specialist(name, signature, session, wide)


def read_signature(name: str, text: str | None) -> Signature:
    """Read the signature's JSON. Raises WeightsBroken."""
    if text is None:
        raise WeightsBroken(f"The artefact of {name!r} carries no signature.")
    try:
        signature = msgspec.json.decode(text, type=Signature)
    except msgspec.DecodeError as error:
        raise WeightsBroken(f"The signature of {name!r} cannot be read: {error}.") from error
    datatypes = [field.datatype for field in signature.inputs]
    datatypes += [field.datatype for field in signature.outputs]
    for datatype in datatypes:
        if datatype != BYTES and datatype not in NUMERIC:
            raise WeightsBroken(f"The signature of {name!r} has the type {datatype!r}.")
    return signature


def columns_of(request: InferRequest, signature: Signature) -> dict[str, NDArray[Any]]:
    """The request's columns, each of shape [N], all checked against the signature.

    Raises InputInvalid, naming the field, the row and the unit.
    """
    given = _by_name(request.inputs)
    expected = {field.name: field for field in signature.inputs}
    for name in expected.keys() - given.keys():
        raise InputInvalid(f"The input {name!r} is missing.", param=name)
    for name in given.keys() - expected.keys():
        raise InputInvalid(f"The model has no input {name!r}.", param=name)
    columns = {name: _column(field, given[name]) for name, field in expected.items()}
    _check_rows({name: len(column) for name, column in columns.items()})
    for name, field in expected.items():
        _check_values(field, columns[name])
    return columns


def require_outputs(request: InferRequest, signature: Signature) -> None:
    """Raises InputInvalid for an output that the model has not: before it runs, not after."""
    for name in request.outputs.keys() - {field.name for field in signature.outputs}:
        raise InputInvalid(f"The model has no output {name!r}.", param=name)


def outputs_of(request: InferRequest, signature: Signature, results: Columns) -> tuple[Tensor, ...]:
    """The outputs that the request wants, in its own order; all of them where it names none."""
    fields = {field.name: field for field in signature.outputs}
    wanted = request.outputs or fields
    return tuple(
        Tensor(name, fields[name].datatype, (len(results[name]),), results[name]) for name in wanted
    )


def join(parts: Sequence[Columns]) -> dict[str, NDArray[Any]]:
    """The rows of several requests below each other, so that the model runs once."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def split(results: Columns, rows: Sequence[int]) -> list[dict[str, NDArray[Any]]]:
    """Undo `join`: to each request its own rows."""
    parts: list[dict[str, NDArray[Any]]] = []
    start = 0
    for count in rows:
        parts.append({name: column[start : start + count] for name, column in results.items()})
        start += count
    return parts


def _shape_of(field: InputField | OutputField) -> dict[str, Any]:
    return {"name": field.name, "datatype": field.datatype, "shape": [-1]}


def _match(name: str, signed: list[str], nodes: Sequence[Any]) -> None:
    found = [node.name for node in nodes]
    if set(signed) != set(found):
        raise WeightsBroken(f"The signature of {name!r} names {signed}, its graph {found}.")


def _by_name(inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    named = {tensor.name: tensor for tensor in inputs}
    if len(named) != len(inputs):
        raise InputInvalid("An input is given twice.", param="inputs")
    return named


def _column(field: InputField, tensor: Tensor) -> NDArray[Any]:
    if tensor.datatype != field.datatype:
        raise InputInvalid(
            f"{field.name!r} is {tensor.datatype}, but the model takes {field.datatype}.",
            param=field.name,
        )
    if len(tensor.shape) > 2 or (len(tensor.shape) == 2 and tensor.shape[1] != 1):
        raise InputInvalid(
            f"{field.name!r} has the shape {list(tensor.shape)}; give [rows] or [rows, 1].",
            param=field.name,
        )
    return tensor.values


def _check_rows(rows: Mapping[str, int]) -> None:
    first, count = next(iter(rows.items()))
    for name, other in rows.items():
        if other != count:
            raise InputInvalid(f"{name!r} has {other} rows, but {first!r} has {count}.", param=name)
    if count == 0:
        raise InputInvalid("There are no rows.", param="inputs")
    if count > MAX_ROWS:
        raise InputInvalid(f"{count} rows are more than the {MAX_ROWS} allowed.", param="inputs")


def _check_values(field: InputField, column: NDArray[Any]) -> None:
    if field.datatype == BYTES:
        _check_strings(field, column)
    elif np.issubdtype(column.dtype, np.floating):
        _refuse(field, column, ~np.isfinite(column), "is not a finite number")
    if field.minimum is not None:
        _refuse(field, column, column < field.minimum, f"is below {_limit(field, field.minimum)}")
    if field.maximum is not None:
        _refuse(field, column, column > field.maximum, f"is above {_limit(field, field.maximum)}")


def _check_strings(field: InputField, column: NDArray[Any]) -> None:
    if field.values is None:
        return
    bad = np.array([value not in field.values for value in column], dtype=bool)
    _refuse(field, column, bad, f"is not one of {', '.join(field.values)}")


def _refuse(field: InputField, column: NDArray[Any], bad: NDArray[Any], why: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        shown = repr(column[row][:40]) if field.datatype == BYTES else f"{column[row]:.7g}"
        raise InputInvalid(f"{field.name!r} in row {row} ({shown}) {why}.", param=field.name)


def _limit(field: InputField, value: float) -> str:
    return f"{value:g} {field.unit}" if field.unit else f"{value:g}"
