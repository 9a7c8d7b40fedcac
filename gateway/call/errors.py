"""What a call can be refused for, and the one renderer of it.

AppError
├── BadRequest            400 invalid_request_error
│   ├── BodyNotJson, ParameterInvalid, ContextLengthExceeded, WrongEndpoint, ...
├── Unauthorised          401 KeyMissing, KeyInvalid, KeyRevoked, KeyExpired
├── KeyElsewhere, ModelNotAllowed 403 permission_error
├── ModelNotFound, EndpointUnsupported 404, MethodNotAllowed 405, BodyTooLarge 413, ...
├── Exhausted             429 insufficient_quota CreditExhausted, BudgetExhausted, ...
├── RateLimited           429 rate_limit_error
└── Unavailable           5xx UpstreamUnreachable, UpstreamFailed, UpstreamTimeout, ...
"""

import msgspec

from infra.errors import AppError, error_object

BROKEN_OFF = "The model broke off its answer. The call is not billed."


class BadRequest(AppError):
    """The request cannot be served as it is; sending it again changes nothing."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class BodyNotJson(BadRequest):
    """The body is no JSON object."""

    code = "invalid_json"


class ParameterInvalid(BadRequest):
    """A field is missing, of the wrong type or out of range."""

    code = "invalid_value"


class ParameterUnknown(BadRequest):
    """A field that this endpoint does not have."""

    code = "unknown_parameter"

    @classmethod
    def named(cls, name: str) -> "ParameterUnknown":
        """By its path, as `messages[0].x`."""
        return cls(f"Unknown parameter: `{name[:120]}`.", param=name[:120])


class ParameterUnsupported(BadRequest):
    """A field of OpenAI's that this endpoint cannot honour."""

    code = "unsupported_parameter"


class ContextLengthExceeded(BadRequest):
    """Prompt and answer do not fit into the model's context."""

    code = "context_length_exceeded"


class WrongEndpoint(BadRequest):
    """The model is there, but does something else than this endpoint."""

    code = "model_not_supported"


class ModelNotPriced(BadRequest):
    """The model has no price in the account's currency, so it cannot be sold to it."""

    code = "model_not_priced"


class BodyIncomplete(BadRequest):
    """The client sent less than it announced, or not in time."""

    status = 408
    code = "request_timeout"


class BodyTooLarge(BadRequest):
    """The body is over the limit."""

    status = 413
    code = "request_too_large"


class RequestMalformed(BadRequest):
    """What came is no request of HTTP/1.1; the connection ends."""

    code = "malformed_request"


class HeadTooLarge(BadRequest):
    """The request's line and headers are over the limit; the connection ends."""

    status = 431
    code = "headers_too_large"


class EncodingUnsupported(BadRequest):
    """A compressed body; none is accepted, so that no small body grows large here."""

    status = 415
    code = "unsupported_encoding"


class Unauthorised(AppError):
    """Nobody whom we know."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class MetricsRefused(Unauthorised):
    """The metrics were asked for without the token that they want."""

    code = "metrics_refused"


class KeyMissing(Unauthorised):
    """No `Authorization: Bearer` header."""

    code = "missing_api_key"


class KeyInvalid(Unauthorised):
    """Not a key of ours: wrong shape, wrong checksum or unknown."""


class KeyRevoked(Unauthorised):
    """The key was revoked."""

    code = "api_key_revoked"


class KeyExpired(Unauthorised):
    """The key's time is over, as after a rotation."""

    code = "api_key_expired"


class KeyElsewhere(AppError):
    """The key may not be used from this network address."""

    status = 403
    type = "permission_error"
    code = "api_key_network"


class ModelNotAllowed(AppError):
    """The key may call other models only."""

    status = 403
    type = "permission_error"
    code = "model_not_allowed"


class ServiceTierNotAvailable(AppError):
    """The account's plan, or the key, does not have this service tier."""

    status = 403
    type = "permission_error"
    code = "service_tier_not_available"


class ModelNotFound(AppError):
    """No such model is served here."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_found"


class EndpointUnsupported(AppError):
    """An address that this service does not have."""

    status = 404
    type = "invalid_request_error"
    code = "unsupported_endpoint"


class MethodNotAllowed(AppError):
    """The address is there, but not for this method."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


class IdempotencyKeyInvalid(BadRequest):
    """An Idempotency-Key that is empty, too long or not printable."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReused(BadRequest):
    """The Idempotency-Key belongs to another request of this account."""

    status = 422
    code = "idempotency_key_reused"


class IdempotencyKeyBusy(BadRequest):
    """The first call with this Idempotency-Key is still running."""

    status = 409
    code = "idempotency_key_in_use"


class AnswerNotKept(BadRequest):
    """The call was answered and billed, but its answer was too large to keep."""

    status = 409
    code = "idempotent_answer_not_kept"


class MaxCostExceeded(BadRequest):
    """The call could cost more than its X-Max-Cost allows."""

    code = "max_cost_exceeded"


class StripeNotUsed(AppError):
    """This service does not collect by Stripe; invoices are paid by bank transfer."""

    status = 409
    type = "invalid_request_error"
    code = "stripe_not_used"


class StripeUnavailable(AppError):
    """Stripe does not answer just now."""

    status = 503
    code = "stripe_unavailable"


# Waiting does not help, so a client's own retries would only be refused again.
NO_RETRY = {"x-should-retry": "false"}


class Exhausted(AppError):
    """Money is at its limit: sending it again does not help until somebody acts."""

    status = 429
    type = "insufficient_quota"


class AccountSuspended(Exhausted):
    """The account's keys are stopped until nothing overdue is owed any more."""

    code = "account_suspended"


class CreditExhausted(Exhausted):
    """The account has no credit left for this call."""

    code = "credit_exhausted"


class BudgetExhausted(Exhausted):
    """The key has no budget left for this call in this month."""

    code = "budget_exhausted"


class CreditReserved(Exhausted):
    """What is left is held by calls that are running; some of it will be free again."""

    code = "credit_reserved"


class RateLimited(AppError):
    """Too many requests or tokens within a minute."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class TooManyStreams(RateLimited):
    """As many streams as are allowed are running."""

    code = "concurrent_streams_exceeded"


class CallTooLarge(RateLimited):
    """The call alone is more than a minute allows, so it can never be served."""

    code = "call_exceeds_rate_limit"


class Unavailable(AppError):
    """Our side is at fault; the call is not billed."""

    status = 503
    code = "service_unavailable"


class UpstreamUnreachable(Unavailable):
    """The model's server takes no connection."""

    code = "model_unavailable"


class ModelNotInstalled(AppError):
    """The catalog knows the model, but this deployment does not serve it."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_served"


class ModelNotServed(Unavailable):
    """No server is there for the model, or its server does not know it."""


class UpstreamFailed(Unavailable):
    """The model's server broke off, or answered what makes no sense."""

    status = 502
    code = "model_failed"


class UpstreamTimeout(Unavailable):
    """The model's server was silent for too long."""

    status = 504
    code = "model_timeout"


class UpstreamBusy(Unavailable):
    """The model's server has no room for the call."""

    code = "model_overloaded"


class MeteringUnavailable(Unavailable):
    """The usage row did not become durable, so the answer is withheld and not billed."""

    code = "metering_unavailable"


class InternalError(AppError):
    """A fault of ours that nobody foresaw."""

    code = "internal_error"


def envelope(error: AppError, open_inference: bool = False) -> bytes:
    """The body of an error: OpenAI's object, always with its four keys.

    Under the Open Inference Protocol `error` is a text, or its clients fail on reading it; the
    four keys then stand beside it (docs/decisions/0003).
    """
    four = error_object(error)
    return msgspec.json.encode(
        {"error": error.message, **four} if open_inference else {"error": four}
    )


def event(error: AppError) -> bytes:
    """The same inside a stream that has begun: one event, and no `[DONE]` after it."""
    return b"data: " + envelope(error) + b"\n\n"
