"""The results in a response of a specialist, by row: what a comparison of two versions needs."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

# The results of models of own columns (models/tabular/answers.py) and of images.
_RESULTS = ("class", "label", "probability", "value", "lower", "upper")


class _Tensor(msgspec.Struct):
    """An output tensor of the Open Inference Protocol."""

    name: str
    data: list[Any]


class _Response(msgspec.Struct):
    """The fields of a response of `/v1/predictions`, or of the Open Inference Protocol."""

    predictions: list[dict[str, Any]] = []
    outputs: list[_Tensor] = []


_DECODER = msgspec.json.Decoder(_Response)


def read_results(body: bytes) -> Sequence[Mapping[str, Any]]:
    """Return the results of each row; empty if the response is binary or has none."""
    try:
        response = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    rows = response.predictions
    if response.outputs:
        scalars = [one for one in response.outputs if one.name in _RESULTS]
        columns = [one.data for one in scalars]
        names = [one.name for one in scalars]
        rows = [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=False)]
    kept = [{name: row[name] for name in _RESULTS if name in row} for row in rows]
    is_known = all(row.keys() & {"class", "label", "value"} for row in kept)
    return kept if is_known else ()
