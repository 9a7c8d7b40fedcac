"""The errors of predictions by asset."""

from infra.errors import AppError


class AssetInputsInvalid(AppError):
    """The fields of the request that describe an asset's inputs are invalid."""

    status = 400
    type = "invalid_request_error"
    code = "asset_inputs_invalid"


class AssetInputsMissing(AppError):
    """The asset has no point, or no usable reading, for inputs that the model needs."""

    status = 422
    type = "invalid_request_error"
    code = "asset_inputs_missing"
