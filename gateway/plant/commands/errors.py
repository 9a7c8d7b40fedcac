"""Errors of limits for commands, as HTTP error types."""

from infra.errors import AppError


class CommandLimitsInvalid(AppError):
    """The document of limits cannot be used; `param` names the field."""

    status = 400
    type = "invalid_request_error"
    code = "command_limits_invalid"


class CommandLimitsUntrusted(AppError):
    """The signature of a document of limits is missing, damaged or not the owner's."""

    status = 400
    type = "invalid_request_error"
    code = "command_limits_untrusted"
