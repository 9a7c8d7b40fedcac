"""Represent a fine-tuning job as a call, which is admitted, metered and billed like others."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from gateway.call.values import Call
from gateway.inference.endpoints.fine_tuning import FINE_TUNING
from infra.clock import Clock

JOBS_PATH = FINE_TUNING.path
_NO_HEADERS: Mapping[bytes, bytes] = MappingProxyType({})


def create_job_call(
    clock: Clock, request_id: UUID, headers: Mapping[bytes, bytes] = _NO_HEADERS
) -> Call:
    """Create the call of a fine-tuning job, started now."""
    return Call(
        request_id=request_id,
        operation=FINE_TUNING.operation,
        path=JOBS_PATH,
        credentials=None,
        headers=headers,
        model_in_path=None,
        started_at=clock.now(),
        started_monotonic=clock.monotonic(),
    )
