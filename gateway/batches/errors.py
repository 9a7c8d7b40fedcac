"""Errors of batches."""

from gateway.call.errors import BadRequest, InsufficientQuota
from infra.errors import AppError


class BatchNotFound(AppError):
    """The account has no such batch."""

    status = 404
    type = "invalid_request_error"
    code = "batch_not_found"


class BatchAlreadyEnded(BadRequest):
    """The batch has ended, so it cannot be cancelled."""

    status = 409
    code = "batch_over"


class TooManyBatches(BadRequest):
    """The account has reached the maximum number of open batches or of lines that wait in them."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_batches"


class CompletionWindowTooShort(BadRequest):
    """At the measured speed of the model, the batch would take longer than its window."""

    code = "completion_window_too_short"


class BatchHoldExhausted(InsufficientQuota):
    """What is left of the batch's hold does not cover the line: prices have risen meanwhile."""

    code = "batch_hold_exhausted"
