"""Reasons: the few contributions that moved an answer most, told by name."""

from collections.abc import Iterator, Sequence

import numpy as np
from onnx import NodeProto

from models.onnx_graph import Constants, make
from models.reason_fields import TOLD


def reason_nodes(contributions: str, unusable: str, reasons: str, told: str) -> Iterator[NodeProto]:
    """`reasons` STRING and `told` FLOAT, both [batch, TOLD], strongest first whatever the sign.

    contributions: FLOAT [batch, names]. unusable: BOOL [batch, 1], rows that are not judged; their
    reasons are empty and what is told of them is NaN. Wants `reason_constants`.
    """
    size, places, strongest, signed, named = (
        f"{reasons}_{part}" for part in ("size", "places", "strongest", "signed", "named")
    )
    yield make("Abs", [contributions], [size])
    yield make("TopK", [size, "reasons_told"], [strongest, places], axis=1)
    yield make("GatherElements", [contributions, places], [signed], axis=1)
    yield make("Gather", ["reason_names", places], [named], axis=0)
    yield make("Where", [unusable, "not_told", signed], [told])
    yield make("Where", [unusable, "no_reason", named], [reasons])


def reason_constants(names: Sequence[str]) -> Constants:
    """`names` in the order of the contributions."""
    return {
        "reason_names": np.array(names, dtype=object),
        "reasons_told": np.array([TOLD], dtype=np.int64),
        "not_told": np.array(np.nan, dtype=np.float32),
        "no_reason": np.array("", dtype=object),
    }
