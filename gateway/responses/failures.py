"""Why the call of a background response failed, and whether it is repeated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.call.errors import ANSWER_INTERRUPTED, UpstreamFailed
from gateway.inference.pipeline_client import PipelineResponse
from infra.errors import error_object

# Errors that end by waiting; so do errors of the platform.
_WAIT_CODES = frozenset({"rate_limit_exceeded", "credit_reserved", "idempotency_key_in_use"})
# The status of an error by the code of a failed response (wire/responses/output.py).
_STATUS_BY_CODE = {"rate_limit_exceeded": 429, "server_error": 500}
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class Failure:
    """The error object of a background call and its status.

    `retry_after_s` is None if it is final.
    """

    error: Mapping[str, Any]
    status: int
    retry_after_s: float | None = None


def failure_of(answer: PipelineResponse) -> Failure:
    """Return the error of a call, with the time to wait if it ends by waiting."""
    error = msgspec.json.decode(answer.body)["error"]
    seconds = answer.headers.get("retry-after", "")
    waits = float(seconds) if seconds.isdecimal() and len(seconds) < 6 else 0.0
    return _failure(error, answer.status, waits)


def failure_of_stream(final: Mapping[str, Any] | None) -> Failure:
    """Return the error that a stream ended with; `final` is its last event, None without one."""
    if final is None:
        broken = UpstreamFailed(ANSWER_INTERRUPTED)
        return _failure(error_object(broken), broken.status, 0.0)
    failed = final["response"]["error"]
    error = {name: failed[name] for name in ("message", "type", "param")}
    status = _STATUS_BY_CODE.get(failed["code"], _BAD_REQUEST)
    return _failure({**error, "code": failed["maas_code"]}, status, 0.0)


def _failure(error: Mapping[str, Any], status: int, wait_s: float) -> Failure:
    """Return a failure that is final unless it ends by waiting."""
    ends_by_waiting = status >= 500 or error["code"] in _WAIT_CODES
    return Failure(error, status, wait_s if ends_by_waiting else None)
