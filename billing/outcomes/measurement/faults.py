"""What a measurement can be refused for. Owns the facts and their codes; no rule is here."""

from infra.errors import AppError


class ReadingsInvalid(AppError):
    """Readings contradict each other, or are of a unit, time or meter that was not agreed."""

    status = 400
    type = "invalid_request_error"
    code = "readings_invalid"


class MeasureInvalid(AppError):
    """What was agreed to be measured contradicts itself."""

    status = 400
    type = "invalid_request_error"
    code = "measure_invalid"


class BaselineUnfit(AppError):
    """No baseline can be fitted: too few days, nothing varies, or variables tell the same."""

    status = 422
    type = "invalid_request_error"
    code = "baseline_unfit"
