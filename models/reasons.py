"""ONNX nodes that select a prediction's reasons: the largest feature contributions, by name."""

from collections.abc import Iterator, Sequence

import numpy as np
from onnx import NodeProto

from models.onnx_graph import Constants, make
from models.reason_fields import REASON_COUNT


def reason_nodes(
    contributions: str, unusable: str, reasons: str, amounts: str
) -> Iterator[NodeProto]:
    """Yield nodes for outputs `reasons` STRING and `amounts` FLOAT, both [batch, REASON_COUNT].

    Reasons are sorted by absolute contribution. `contributions` is FLOAT [batch, names]. `unusable`
    is BOOL [batch, 1]: rows without a prediction get empty reasons and NaN amounts. Needs
    `reason_constants`.
    """
    size, places, strongest, signed, named = (
        f"{reasons}_{part}" for part in ("size", "places", "strongest", "signed", "named")
    )
    yield make("Abs", [contributions], [size])
    yield make("TopK", [size, "reasons_told"], [strongest, places], axis=1)
    yield make("GatherElements", [contributions, places], [signed], axis=1)
    yield make("Gather", ["reason_names", places], [named], axis=0)
    yield make("Where", [unusable, "not_told", signed], [amounts])
    yield make("Where", [unusable, "no_reason", named], [reasons])


def reason_constants(names: Sequence[str]) -> Constants:
    """Return the constants for `reason_nodes`; `names` in the order of the contributions."""
    return {
        "reason_names": np.array(names, dtype=object),
        "reasons_told": np.array([REASON_COUNT], dtype=np.int64),
        "not_told": np.array(np.nan, dtype=np.float32),
        "no_reason": np.array("", dtype=object),
    }
