"""Errors of measurements: invalid readings or plans, and baselines that cannot be fitted."""

from infra.errors import AppError


class ReadingsInvalid(AppError):
    """Readings contradict each other, or have a unit, timestamp or meter that was not agreed."""

    status = 400
    type = "invalid_request_error"
    code = "readings_invalid"


class MeasurementPlanInvalid(AppError):
    """A measurement plan contradicts itself."""

    status = 400
    type = "invalid_request_error"
    code = "measure_invalid"


class BaselineFitFailed(AppError):
    """No baseline can be fitted: too few days, a constant column, or collinear variables."""

    status = 422
    type = "invalid_request_error"
    code = "baseline_unfit"
