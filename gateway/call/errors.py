"""Errors of the public API and the functions that render them as response bodies.

AppError
├── BadRequest            400 invalid_request_error
│   ├── BodyNotJson, ParameterInvalid, ContextLengthExceeded, WrongEndpoint, ...
├── Unauthorised          401 KeyMissing, KeyInvalid, KeyRevoked, KeyExpired
├── KeyNetworkNotAllowed, ModelNotAllowed 403 permission_error
├── ModelNotFound, EndpointUnsupported 404, MethodNotAllowed 405, BodyTooLarge 413, ...
├── InsufficientQuota     429 insufficient_quota CreditExhausted, BudgetExhausted, ...
├── RateLimited           429 rate_limit_error
└── Unavailable           5xx UpstreamUnreachable, UpstreamFailed, UpstreamTimeout, ...
"""

import msgspec

from infra.errors import AppError, error_object

ANSWER_INTERRUPTED = "The model stopped in the middle of its response. The call is not billed."


class BadRequest(AppError):
    """The request is invalid; a retry of the same request fails again."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class BodyNotJson(BadRequest):
    """The request body is not a JSON object."""

    code = "invalid_json"


class ParameterInvalid(BadRequest):
    """A request field is missing, has the wrong type or is out of range."""

    code = "invalid_value"


class ParameterUnknown(BadRequest):
    """The request has a field that this endpoint does not define."""

    code = "unknown_parameter"

    @classmethod
    def for_name(cls, name: str) -> "ParameterUnknown":
        """Return the error for an unknown field, named by its path such as `messages[0].x`."""
        return cls(f"Unknown parameter: `{name[:120]}`.", param=name[:120])


class ParameterUnsupported(BadRequest):
    """The request has a field of OpenAI's API that this endpoint does not support."""

    code = "unsupported_parameter"


class ContentFiltered(BadRequest):
    """The account's guard refuses the request; nothing was sent and nothing is billed."""

    code = "content_filter"


class ContextLengthExceeded(BadRequest):
    """The prompt and the requested output exceed the model's context length."""

    code = "context_length_exceeded"


class WrongEndpoint(BadRequest):
    """The model exists, but does not support this endpoint."""

    code = "model_not_supported"


class ModelNotPriced(BadRequest):
    """The model has no price in the account's currency, so the account cannot call it."""

    code = "model_not_priced"


class BodyIncomplete(BadRequest):
    """The request body was shorter than its Content-Length or arrived too late."""

    status = 408
    code = "request_timeout"


class BodyTooLarge(BadRequest):
    """The request body exceeds the size limit."""

    status = 413
    code = "request_too_large"


class RequestMalformed(BadRequest):
    """The bytes received are not a valid HTTP/1.1 request; the connection is closed."""

    code = "malformed_request"


class HeadTooLarge(BadRequest):
    """The request line and headers exceed the size limit; the connection is closed."""

    status = 431
    code = "headers_too_large"


class EncodingUnsupported(BadRequest):
    """The request body is compressed. Rejected to prevent decompression bombs."""

    status = 415
    code = "unsupported_encoding"


class Unauthorised(AppError):
    """The request has no valid credentials."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class MetricsTokenInvalid(Unauthorised):
    """The request for /metrics does not have the metrics token."""

    code = "metrics_refused"


class KeyMissing(Unauthorised):
    """The request has no `Authorization: Bearer` header."""

    code = "missing_api_key"


class KeyInvalid(Unauthorised):
    """The API key is malformed, has a wrong checksum or is unknown."""


class KeyRevoked(Unauthorised):
    """The API key was revoked."""

    code = "api_key_revoked"


class KeyExpired(Unauthorised):
    """The API key has expired, for example after a rotation."""

    code = "api_key_expired"


class KeyNetworkNotAllowed(AppError):
    """The API key may not be used from this network address."""

    status = 403
    type = "permission_error"
    code = "api_key_network"


class OriginNotAllowed(AppError):
    """The request comes from a web page of another host."""

    status = 403
    type = "permission_error"
    code = "origin_not_allowed"


class ModelNotAllowed(AppError):
    """The API key may not call this model."""

    status = 403
    type = "permission_error"
    code = "model_not_allowed"


class ServiceTierNotAvailable(AppError):
    """The account's plan or the API key does not include this service tier."""

    status = 403
    type = "permission_error"
    code = "service_tier_not_available"


class ModelNotFound(AppError):
    """The catalog has no model of this name."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_found"


class EndpointUnsupported(AppError):
    """The URL path does not exist."""

    status = 404
    type = "invalid_request_error"
    code = "unsupported_endpoint"


class MethodNotAllowed(AppError):
    """The URL path exists, but not for this HTTP method."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


class IdempotencyKeyInvalid(BadRequest):
    """The Idempotency-Key is empty, too long or not printable ASCII."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReused(BadRequest):
    """The Idempotency-Key was used for a different request of this account."""

    status = 422
    code = "idempotency_key_reused"


class IdempotencyKeyBusy(BadRequest):
    """The first call with this Idempotency-Key is still running."""

    status = 409
    code = "idempotency_key_in_use"


class ReplayAnswerNotStored(BadRequest):
    """The first call was answered and billed, but its answer was too large to store."""

    status = 409
    code = "idempotent_answer_not_kept"


class MaxCostExceeded(BadRequest):
    """The worst-case cost of the call exceeds its X-Max-Cost."""

    code = "max_cost_exceeded"


class CollectorNotConfigured(AppError):
    """No collector is configured; invoices are paid by bank transfer."""

    status = 409
    type = "invalid_request_error"
    code = "stripe_not_used"


class CollectorUnavailable(AppError):
    """The collector is temporarily unreachable."""

    status = 503
    code = "stripe_unavailable"


# Tells OpenAI's client libraries not to retry: the limit does not reset by waiting.
NO_RETRY_HEADERS = {"x-should-retry": "false"}


class InsufficientQuota(AppError):
    """A money limit is reached: retries fail until the customer or the operator acts."""

    status = 429
    type = "insufficient_quota"


class AccountSuspended(InsufficientQuota):
    """The account is suspended until its overdue invoices are paid."""

    code = "account_suspended"


class CreditExhausted(InsufficientQuota):
    """The account's available credit does not cover this call."""

    code = "credit_exhausted"


class BudgetExhausted(InsufficientQuota):
    """The API key's remaining monthly budget does not cover this call."""

    code = "budget_exhausted"


class CreditReserved(InsufficientQuota):
    """Running calls have reserved the remaining credit; some of it will be released."""

    code = "credit_reserved"


class RateLimited(AppError):
    """The limit of requests or tokens per minute is reached."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class TooManyStreams(RateLimited):
    """The limit of concurrent streams is reached."""

    code = "concurrent_streams_exceeded"


class CallTooLarge(RateLimited):
    """The call alone exceeds the limit per minute, so it can never be admitted."""

    code = "call_exceeds_rate_limit"


class Unavailable(AppError):
    """A failure of the platform; the call is not billed."""

    status = 503
    code = "service_unavailable"


class UpstreamUnreachable(Unavailable):
    """The model's server accepts no connection."""

    code = "model_unavailable"


# Statuses by which a provider refuses the operator's credentials, or an unpaid balance.
REJECTION_STATUSES = frozenset({401, 402, 403})


class UpstreamCredentialsRejected(UpstreamUnreachable):
    """An upstream of the catalog refused the operator's credentials.

    Customers see the error of an unreachable model; `upstream_status` is for operators.
    """

    def __init__(self, upstream_status: int) -> None:
        super().__init__("The model cannot be reached at the moment. The call is not billed.")
        self.upstream_status = upstream_status


class ModelNotInstalled(AppError):
    """The catalog has the model, but this deployment does not serve it."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_served"


class ModelServerNotFound(Unavailable):
    """No server is registered for the model, or its server does not have the model."""


class UpstreamFailed(Unavailable):
    """The model's server closed the connection early or sent an invalid response."""

    status = 502
    code = "model_failed"


class UpstreamTimeout(Unavailable):
    """The model's server did not respond in time."""

    status = 504
    code = "model_timeout"


class UpstreamBusy(Unavailable):
    """The model's server is at capacity."""

    code = "model_overloaded"


class MeteringUnavailable(Unavailable):
    """The usage row could not be committed, so the answer is withheld and not billed."""

    code = "metering_unavailable"


class InternalError(AppError):
    """An unexpected failure of the platform."""

    code = "internal_error"


def render_error(error: AppError, open_inference: bool = False) -> bytes:
    """Return an error's JSON body in OpenAI's shape, or flat if `open_inference`.

    Clients of the Open Inference Protocol require a string as `error`; with `open_inference` the
    four keys are siblings of `error` instead (docs/decisions/0003).
    """
    fields = error_object(error)
    return msgspec.json.encode(
        {"error": error.message, **fields} if open_inference else {"error": fields}
    )


def render_error_event(error: AppError) -> bytes:
    """Return the server-sent event for an error in a started stream; no `[DONE]` follows it."""
    return b"data: " + render_error(error) + b"\n\n"
