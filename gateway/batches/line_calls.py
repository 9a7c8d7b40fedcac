"""Send the lines of a batch as billed calls, and say what each response means for the batch.

    send through the pipeline, paid from the hold -> result, or a pause, or the end of the batch

The usage row, its charge to the hold and the stored response are written in one transaction
(gateway/inference/idempotency.py). If this process is lost before the result is stored, the next
one sends the same request again and gets the stored response, which is not billed again.
"""

from dataclasses import dataclass

from gateway.batches.batches import BATCH_ID_PREFIX
from gateway.batches.line_text import idempotency_key, read_error, read_usage, result_text
from gateway.batches.lines import LineResult, PendingLine
from gateway.batches.offers import line_headers
from gateway.batches.requests import BATCH_ENDPOINTS
from gateway.call.values import HeldMoney, ServiceTier, SignedInCaller
from gateway.inference.pipeline_client import PipelineClient, PipelineResponse
from gateway.tables import Batch, LineOutcome
from infra import ids

# A line that the platform failed to answer so often gets its error.
MAX_ATTEMPTS = 3
# Errors that every line of the batch would get, for good.
_STOP_CODES = frozenset(
    {"invalid_api_key", "api_key_revoked", "api_key_expired", "project_archived"}
)
# Errors that end by waiting, if they end before the batch expires.
_WAIT_CODES = frozenset(
    {
        *("rate_limit_exceeded", "credit_reserved", "idempotency_key_in_use"),
        *("model_unavailable", "model_overloaded", "model_not_served", "service_unavailable"),
        *("metering_unavailable", "database_unavailable", "account_suspended"),
    }
)


@dataclass(frozen=True, slots=True)
class Stop:
    """The batch ends before all lines were sent."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The batch goes on later, after at least `seconds`."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Retry:
    """The platform failed on this line: it is sent again later, after other lines."""


SentLine = LineResult | Stop | Pause | Retry


class LineCalls:
    """Sends the lines of one batch."""

    def __init__(self, client: PipelineClient, batch: Batch, hold: HeldMoney) -> None:
        self._client = client
        self._batch = batch
        self._hold = hold
        self._endpoint = BATCH_ENDPOINTS[batch.endpoint]
        self._caller = SignedInCaller(batch.account_id, batch.key_id, may_be_cached=True)
        tags = None if batch.tags is None else batch.tags.encode("latin-1")
        self._headers = line_headers(tags, ids.format_id(BATCH_ID_PREFIX, batch.id))

    async def send(self, line: PendingLine) -> SentLine:
        """Send one line; return its result, or what its response means for the batch."""
        key = idempotency_key(self._batch, line).encode()
        response = await self._client.post(
            self._endpoint,
            self._caller,
            {**self._headers, b"idempotency-key": key},
            line.body,
            self._hold,
            ServiceTier.BATCH,
        )
        if response.status == 200:
            text = result_text(self._batch, line, response)
            usage = read_usage(response.body)
            return LineResult(line.position, LineOutcome.COMPLETED, text, usage)
        return classify_error(response, line.attempts) or LineResult(
            line.position, LineOutcome.FAILED, result_text(self._batch, line, response)
        )


def classify_error(response: PipelineResponse, attempts: int) -> Stop | Pause | Retry | None:
    """Return what an error response means for the batch; None if it is the line's result.

    `attempts` is how often the platform failed on the line before.
    """
    code, message = read_error(response)
    if code in _STOP_CODES:
        return Stop(code, message)
    if code in _WAIT_CODES:
        return Pause(_retry_after(response))
    if response.status >= 500 and attempts + 1 < MAX_ATTEMPTS:
        return Retry()
    return None


def _retry_after(response: PipelineResponse) -> float:
    """Return the seconds of the `retry-after` header, 0 without one."""
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() and len(seconds) < 6 else 0.0
