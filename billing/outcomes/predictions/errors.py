"""Errors of the prediction ledger."""

from infra.errors import AppError


class PredictionInvalid(AppError):
    """A field of a prediction is missing, wrong or contradicts another one."""

    status = 400
    type = "invalid_request_error"
    code = "prediction_invalid"


class PredictionLate(AppError):
    """The horizon of the prediction is over when it arrives."""

    status = 400
    type = "invalid_request_error"
    code = "prediction_late"


class PredictionConflict(AppError):
    """The idempotency key or business key was used with other content."""

    status = 409
    type = "invalid_request_error"
    code = "prediction_conflict"


class PredictionNotFound(AppError):
    """The account has no such prediction record."""

    status = 404
    type = "invalid_request_error"
    code = "prediction_not_found"


class PredictionRecordRejected(AppError):
    """The ledger record that a claim cites is missing or does not support it."""

    status = 400
    type = "invalid_request_error"
    code = "prediction_record_rejected"


class ModelKeyNotFound(AppError):
    """No key with this id signs or signed prediction records."""

    status = 404
    type = "invalid_request_error"
    code = "model_key_not_found"


class ModelKeyRevoked(AppError):
    """The key was revoked already, from another time on."""

    status = 409
    type = "invalid_request_error"
    code = "model_key_revoked"


class LedgerFileInvalid(AppError):
    """The file is not an export of the prediction ledger."""

    status = 400
    type = "invalid_request_error"
    code = "prediction_file_invalid"
