"""Errors of stored responses."""

from gateway.call.errors import BadRequest
from infra.errors import AppError


class ResponseNotFound(AppError):
    """The account has no such stored response."""

    status = 404
    type = "invalid_request_error"
    code = "response_not_found"


class TooManyResponses(BadRequest):
    """The account has the maximum number of stored responses."""

    code = "too_many_responses"


class PreviousResponseNotFound(BadRequest):
    """The response, or the item, that a request continues is not stored."""

    code = "previous_response_not_found"
