"""The shapes of errors: OpenAI's, and those of other formats and protocols."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.call.errors import render_error
from infra.errors import AppError


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """A shape of errors.

    `schema` is its schema in the OpenAPI document. `render` returns an error's status and body for
    the client; it gets the id of the request, None if there is none.
    """

    schema: str
    render: Callable[[AppError, str | None], tuple[int, bytes]]


def _openai_error(error: AppError, request_id: str | None) -> tuple[int, bytes]:
    """Return status and body of an error in OpenAI's shape."""
    return error.status, render_error(error)


def _open_inference_error(error: AppError, request_id: str | None) -> tuple[int, bytes]:
    """Return status and body of an error in the shape of the Open Inference Protocol."""
    return error.status, render_error(error, open_inference=True)


OPENAI_ERRORS = ErrorFormat("Error", _openai_error)
OPEN_INFERENCE_ERRORS = ErrorFormat("InferError", _open_inference_error)
