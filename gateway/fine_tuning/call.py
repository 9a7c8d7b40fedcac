"""A job as a call, to be admitted, metered and billed like any other."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from gateway.call.values import Call, Operation
from infra.clock import Clock

PATH = "/v1/fine_tuning/jobs"
_NONE: Mapping[bytes, bytes] = MappingProxyType({})


def call_of(clock: Clock, request_id: UUID, headers: Mapping[bytes, bytes] = _NONE) -> Call:
    """Begun now."""
    return Call(
        request_id=request_id,
        operation=Operation.ADAPTATION,
        path=PATH,
        credentials=None,
        headers=headers,
        model_in_path=None,
        started_at=clock.now(),
        started=clock.monotonic(),
    )
