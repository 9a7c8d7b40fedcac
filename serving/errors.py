"""Errors of model requests, weights and start-up, and OpenAI's error object."""

from typing import Any

from infra.errors import AppError, error_object
from models.signature import InputInvalid as InputInvalid


class WeightsBroken(AppError):
    """Weights that are missing, unreadable or do not match the catalog's digest."""

    code = "weights_broken"


class ServingFailed(AppError):
    """The Ray cluster or a model's deployment failed to start."""

    code = "serving_failed"


class ContextLengthExceeded(InputInvalid):
    """An input with more tokens than the model's context; inputs are rejected, never truncated."""

    code = "context_length_exceeded"


class BodyTooLarge(InputInvalid):
    """A request body over the size limit (HTTP 413)."""

    status = 413
    code = "request_too_large"


class ModelNotFound(InputInvalid):
    """A model that this deployment does not serve (HTTP 404)."""

    status = 404
    code = "model_not_found"


class ModelNotFitted(InputInvalid):
    """A request to a base model that only serves variants fitted on a customer's examples."""

    code = "model_not_fitted"


class VariantNotLoaded(ModelNotFound):
    """A customer's variant that is not loaded here; the gateway uploads it and retries."""

    code = "variant_not_loaded"


class RouteNotFound(InputInvalid):
    """A path that no route matches (HTTP 404)."""

    status = 404
    code = "not_found"


class MethodNotAllowed(InputInvalid):
    """A method that the path does not support (HTTP 405)."""

    status = 405
    code = "method_not_allowed"


class ModelFailed(AppError):
    """An internal failure while a valid request was processed (HTTP 500)."""

    code = "internal_error"


def error_body(error: AppError) -> dict[str, Any]:
    """Return the error as an OpenAI error body; all four keys are always present."""
    return {"error": error_object(error)}
