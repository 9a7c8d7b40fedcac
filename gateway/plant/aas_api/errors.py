"""Errors of the AAS API, which have the shape of its specification."""

import msgspec

from infra.errors import AppError


class AasParameterInvalid(AppError):
    """A parameter of the AAS API is invalid."""

    status = 400
    type = "invalid_request_error"
    code = "aas_parameter_invalid"


class AasNotFound(AppError):
    """The shell, submodel or element does not exist in this account."""

    status = 404
    type = "invalid_request_error"
    code = "aas_not_found"


def aas_error(error: AppError) -> tuple[int, bytes]:
    """Return status and body of an error as the result object of the AAS API."""
    message = {
        "code": error.code or error.type,
        "messageType": "Exception" if error.status >= 500 else "Error",
        "text": str(error),
    }
    return error.status, msgspec.json.encode({"messages": [message]})
