"""What can be wrong with a request to a model of ours, or with the models themselves."""

from typing import Any

from infra.errors import AppError, error_object
from models.signature import InputInvalid as InputInvalid


class WeightsBroken(AppError):
    """Weights that cannot be obtained, or that are not what the catalog says."""

    code = "weights_broken"


class ServingFailed(AppError):
    """The cluster does not start, or a model does not come up."""

    code = "serving_failed"


class ContextLengthExceeded(InputInvalid):
    """More tokens than the model reads: refused, never cut, or the answer is for another input."""

    code = "context_length_exceeded"


class BodyTooLarge(InputInvalid):
    status = 413
    code = "request_too_large"


class ModelUnknown(InputInvalid):
    status = 404
    code = "model_not_found"


class ModelUnfitted(InputInvalid):
    """The model answers only as a customer's variant, fitted on the customer's own examples."""

    code = "model_not_fitted"


class VariantUnknown(ModelUnknown):
    """A customer's variant that is not in memory: whoever has it may put it there."""

    code = "variant_not_loaded"


class RouteUnknown(InputInvalid):
    status = 404
    code = "not_found"


class MethodWrong(InputInvalid):
    status = 405
    code = "method_not_allowed"


class ModelFailed(AppError):
    """The model could not answer although the request was in order."""

    code = "internal_error"


def envelope(error: AppError) -> dict[str, Any]:
    """OpenAI's error object: all four keys, always."""
    return {"error": error_object(error)}
