"""Errors of EPCIS events and queries."""

from infra.errors import AppError


class EventInvalid(AppError):
    """An EPCIS document or event does not follow the standard or exceeds a limit."""

    status = 400
    type = "invalid_request_error"
    code = "epcis_event_invalid"


class EventConflict(AppError):
    """Another event with the same eventID is stored."""

    status = 409
    type = "invalid_request_error"
    code = "epcis_event_conflict"


class EventNotFound(AppError):
    """The account has no such event, capture job or named query."""

    status = 404
    type = "invalid_request_error"
    code = "epcis_not_found"


class QueryTooLarge(AppError):
    """A query finds more events than its `maxEventCount`."""

    status = 413
    type = "invalid_request_error"
    code = "epcis_query_too_large"


class QueryNameTaken(AppError):
    """The account has a named query of this name."""

    status = 409
    type = "invalid_request_error"
    code = "epcis_query_exists"


class VersionUnsupported(AppError):
    """The client asks for a version of EPCIS or CBV other than 2.0."""

    status = 406
    type = "invalid_request_error"
    code = "epcis_version_unsupported"


class SubscriptionInvalid(AppError):
    """A subscription's address, schedule or number is not accepted."""

    status = 400
    type = "invalid_request_error"
    code = "epcis_subscription_invalid"


class QueryInvalid(AppError):
    """A query parameter is unknown, unsupported or has an invalid value."""

    status = 400
    type = "invalid_request_error"
    code = "epcis_query_invalid"
