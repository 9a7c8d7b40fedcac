"""A specialist: a small model over named columns, with the signature that it carries.

Owns what every specialist is, and the learned ones on ONNX Runtime: reading the signature from the
artefact and running the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.signature import (
    BYTES,
    Columns,
    InputField,
    OutputField,
    Signature,
    checked,
    require_names,
)
from serving.errors import InputInvalid, WeightsBroken
from serving.specialists.open_inference import NUMERIC, InferRequest, Tensor

# What one request may ask; more rows belong into several requests, which are batched anyway.
MAX_ROWS = 4096
METADATA_KEY = "signature"


class Specialist(Protocol):
    """What is served under a specialist's name, learned or calculated."""

    @property
    def name(self) -> str: ...

    @property
    def signature(self) -> Signature: ...

    @property
    def platform(self) -> str:
        """What answers, as the protocol's metadata names it."""
        ...

    def check(self, columns: Columns) -> None:
        """Raises InputInvalid where columns that hold to the signature do not fit together."""
        ...

    def run(self, columns: Columns) -> Columns:
        """Answer for columns that are checked: one array for each output."""
        ...

    def adapted(self, name: str, version: str, artefact: bytes) -> "Specialist":
        """A customer's variant of it. Raises WeightsBroken, InputInvalid where it has none."""
        ...


@dataclass(frozen=True, slots=True)
class OnnxSpecialist:
    """A loaded model. `wide` are single values that the graph takes as [N, 1] instead of [N]."""

    name: str
    signature: Signature
    session: Any
    wide: frozenset[str]

    @property
    def platform(self) -> str:
        return "onnxruntime_onnx"

    def check(self, columns: Columns) -> None:
        """A learned model takes any row that lies within the limits, its series equally long."""
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
        feed = {
            name: column.reshape(-1, 1) if name in self.wide else column
            for name, column in columns.items()
        }
        fields = self.signature.outputs
        results = self.session.run([field.name for field in fields], feed)
        return {
            field.name: _answered(field, result)
            for field, result in zip(fields, results, strict=True)
        }

    def adapted(self, name: str, version: str, artefact: bytes) -> "OnnxSpecialist":
        variant = _opened(name, artefact)
        signature = msgspec.structs.replace(variant.signature, version=version)
        return replace(variant, signature=signature)


def metadata_of(model: Specialist) -> dict[str, Any]:
    """The protocol's model metadata; the whole signature is under `parameters`."""
    signature = model.signature
    return {
        "name": model.name,
        "versions": [signature.version],
        "platform": model.platform,
        "inputs": [_shape_of(field, field.length is not None) for field in signature.inputs],
        "outputs": [_shape_of(field, field.series) for field in signature.outputs],
        "parameters": {"signature": msgspec.to_builtins(signature)},
    }


def load_specialist(name: str, path: Path) -> OnnxSpecialist:
    """Load an artefact. Raises WeightsBroken where it is no model or its signature does not fit."""
    return _opened(name, str(path))


def _opened(name: str, artefact: str | bytes) -> OnnxSpecialist:
    session = _session(name, artefact)
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    signature = read_signature(name, text)
    _match(name, [field.name for field in signature.inputs], session.get_inputs())
    _match(name, [field.name for field in signature.outputs], session.get_outputs())
    single = {field.name for field in signature.inputs if field.length is None}
    wide = frozenset(
        node.name
        for node in session.get_inputs()
        if node.name in single and len(node.shape or ()) == 2
    )
    return OnnxSpecialist(name, signature, session, wide)


def _session(name: str, artefact: str | bytes) -> Any:
    options = onnxruntime.SessionOptions()
    # Millisecond models: a pool of threads would only fight the language model for the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # An arena of its own for each of thousands of variants would be most of their memory.
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises half a dozen classes of its own
        raise WeightsBroken(f"The artefact of {name!r} cannot be loaded.") from error


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


def columns_of(request: InferRequest, signature: Signature) -> Columns:
    """The request's columns in the signature's units, all checked against it.

    Raises InputInvalid, naming the field, the row and the unit.
    """
    given = _by_name(request.inputs)
    require_names(signature, given)
    columns = {
        field.name: _column(field, given[field.name])
        for field in signature.inputs
        if field.name in given
    }
    _require_room(columns)
    units = {name: tensor.unit for name, tensor in given.items() if tensor.unit is not None}
    return checked(signature, columns, units)


def require_outputs(request: InferRequest, signature: Signature) -> None:
    """Raises InputInvalid for an output that the model has not: before it runs, not after."""
    for name in request.outputs.keys() - {field.name for field in signature.outputs}:
        raise InputInvalid(f"The model has no output {name!r}.", param=name)


def outputs_of(request: InferRequest, signature: Signature, results: Columns) -> tuple[Tensor, ...]:
    """The outputs that the request wants, in its own order; all of them where it names none."""
    fields = {field.name: field for field in signature.outputs}
    wanted = request.outputs or fields
    return tuple(
        Tensor(name, fields[name].datatype, results[name].shape, results[name]) for name in wanted
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


def _answered(field: OutputField, result: Any) -> NDArray[Any]:
    """[rows], or [rows, length] of a series."""
    column = np.asarray(result)
    return column if field.series else column.reshape(-1)


def _shape_of(field: InputField | OutputField, series: bool) -> dict[str, Any]:
    shape = [-1, -1] if series else [-1]
    return {"name": field.name, "datatype": field.datatype, "shape": shape}


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
    """[rows] or [rows, length], in the field's type."""
    if not _fits(tensor.datatype, field.datatype):
        raise InputInvalid(
            f"{field.name!r} is {tensor.datatype}, but the model takes {field.datatype}.",
            param=field.name,
        )
    values = tensor.values
    if tensor.datatype != field.datatype:
        values = values.astype(NUMERIC[field.datatype])
    return values.reshape(_shape(field, tensor.shape))


def _fits(given: str, wanted: str) -> bool:
    """The same type, or one that NumPy holds safe to turn into it, as FP32 into FP64."""
    if given == wanted:
        return True
    if BYTES in (given, wanted) or "BOOL" in (given, wanted):
        return False
    return np.can_cast(NUMERIC[given], NUMERIC[wanted], "safe")


def _shape(field: InputField, shape: tuple[int, ...]) -> tuple[int, ...]:
    if field.length is not None:
        return shape
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise InputInvalid(
            f"{field.name!r} has the shape {list(shape)}; give [rows] or [rows, 1].",
            param=field.name,
        )
    return shape[:1]


def _require_room(columns: Columns) -> None:
    for column in columns.values():
        if len(column) > MAX_ROWS:
            raise InputInvalid(
                f"{len(column)} rows are more than the {MAX_ROWS} allowed.", param="inputs"
            )
