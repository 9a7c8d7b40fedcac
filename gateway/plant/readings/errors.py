"""Errors of requests that write or read readings."""

from infra.errors import AppError


class _InvalidRequest(AppError):
    """The request is invalid; a retry of the same request fails again."""

    status = 400
    type = "invalid_request_error"


class ReadingsInvalid(_InvalidRequest):
    """The body is not valid in its format, so that no reading was stored."""

    code = "plant_readings_invalid"


class ReadingsFormatUnsupported(_InvalidRequest):
    """The content type or encoding of the body is not supported."""

    status = 415
    code = "readings_format_unsupported"


class TooManyReadings(_InvalidRequest):
    """The request has more readings than one request may have. None was stored."""

    code = "too_many_readings"


class ReadingsBusy(AppError):
    """This gateway process stores other readings. None of the request was stored."""

    status = 503
    code = "readings_busy"

    def __init__(self) -> None:
        super().__init__(
            "Other readings are being stored. Retry in a second.", headers={"retry-after": "1"}
        )


class ReadingsBodyTooLarge(_InvalidRequest):
    """The body is too large when it is decompressed. No reading was stored."""

    status = 413
    code = "request_too_large"


class ReadingsPartiallyRefused(_InvalidRequest):
    """Some readings of a line protocol request were refused; the others were stored."""

    code = "readings_partially_refused"


class ReadingsRangeTooLarge(_InvalidRequest):
    """The range has more readings or intervals than one request may read."""

    code = "readings_range_too_large"


class PlantPointNotFound(_InvalidRequest):
    """The account has no such active point."""

    status = 404
    code = "plant_point_not_found"
