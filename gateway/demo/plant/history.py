"""EPCIS events of a spindle: bar, shaft, inspection, assembly and shipment.

The prefixes of the codes are examples; real ones are allocated.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing.metering.usage import REQUEST_ID_PREFIX
from infra import ids

BAR, BEARING = "hdl:88.100.5001/BAR-2211", "hdl:88.100.5002/BRG-7014-031"
SHAFTS = tuple(f"hdl:88.100.5001/SHAFT-31-{number:03d}" for number in range(1, 6))
SPINDLE = "hdl:88.100.5001/SPINDLE-31-001"
CONTEXT = (
    "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
    {"maas": "urn:maas:epcis:"},
)


def item_events(now: datetime, inspected_by: UUID | None) -> Sequence[Mapping[str, Any]]:
    """Return the events; the inspection names the call `inspected_by` if there is one."""
    call = {}
    if inspected_by is not None:
        call = {"maas:requestId": ids.format_id(REQUEST_ID_PREFIX, inspected_by)}
    return (
        _event("ObjectEvent", now, 12, "receiving", action="ADD", epcList=[BAR]),
        _event("ObjectEvent", now, 11, "receiving", action="ADD", epcList=[BEARING]),
        _event(
            "TransformationEvent", now, 8, "transforming",
            inputEPCList=[BAR], outputEPCList=list(SHAFTS),
        ),
        _event("ObjectEvent", now, 7, "inspecting", action="OBSERVE", epcList=[SHAFTS[0]], **call),
        _event(
            "TransformationEvent", now, 5, "assembling",
            inputEPCList=[SHAFTS[0], BEARING], outputEPCList=[SPINDLE],
        ),
        _event("ObjectEvent", now, 2, "shipping", action="OBSERVE", epcList=[SPINDLE]),
    )  # fmt: skip


def _event(kind: str, now: datetime, days: int, step: str, **fields: Any) -> Mapping[str, Any]:
    """Return an event some days ago."""
    at = (now - timedelta(days=days)).isoformat(timespec="milliseconds")
    times = {"eventTime": at, "eventTimeZoneOffset": "+08:00"}
    return {"type": kind, **times, "bizStep": step, **fields}
