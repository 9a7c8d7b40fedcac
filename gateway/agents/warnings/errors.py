"""Errors of learned warning rules, as HTTP error types."""

from infra.errors import AppError


class LearnedWarningNotFound(AppError):
    """The warning rule or its version does not exist, or is another account's."""

    status = 404
    type = "invalid_request_error"
    code = "learned_warning_not_found"


class LearnedWarningInvalid(AppError):
    """The settings of a warning rule or of a training cannot be used; `param` names the field."""

    status = 400
    type = "invalid_request_error"
    code = "learned_warning_invalid"


class LearnedWarningLimit(AppError):
    """The account has as many warning rules as it may, or trained this one too often today."""

    status = 409
    type = "invalid_request_error"
    code = "learned_warning_limit"


class LearnedWarningTraining(AppError):
    """A version of the warning rule is being trained."""

    status = 409
    type = "invalid_request_error"
    code = "learned_warning_training"


class LearnedWarningNotShown(AppError):
    """The version is not shown to cost less than a fixed limit; the message has the figures."""

    status = 409
    type = "invalid_request_error"
    code = "learned_warning_not_shown"


class LearnedWarningNotReady(AppError):
    """The version was not trained, or there is none to go back to."""

    status = 409
    type = "invalid_request_error"
    code = "learned_warning_not_ready"
