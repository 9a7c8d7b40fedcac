"""Responses of a text engine to HTTP requests: validation, errors and event streams."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from ray.llm._internal.serve.core.configs.openai_api_models import (
    ChatCompletionRequest,
    CompletionRequest,
    ErrorResponse,
)
from ray.llm._internal.serve.core.ingress.utils import (
    NON_STREAMING_RESPONSE_TYPES,
    _openai_json_wrapper,
    _sanitize_chat_completion_request,
)
from ray.llm._internal.serve.core.protocol import RawRequestInfo
from ray.llm._internal.serve.utils.server_utils import (
    get_response_for_error,
    get_serve_request_id,
)

from serving.http import JSON
from serving.text.engine_server import EngineServer
from serving.text.messages import EVENT_STREAM, Operation, ResponseStart, TextRequest


async def respond(
    engine: EngineServer, request: TextRequest
) -> AsyncGenerator[ResponseStart | str, None]:
    """Yield the start of the response, then the further events of a stream.

    Closing this generator aborts the generation.
    """
    try:
        parts = await _run(engine, _parse(request), request.headers)
    except _RequestInvalid as error:
        yield ResponseStart(HTTPStatus.BAD_REQUEST, JSON, _render_invalid(str(error)))
        return
    except Exception as error:
        yield _error(get_response_for_error(error, get_serve_request_id()))
        return
    async with aclosing(parts):
        try:
            first = await anext(parts)
        except Exception as error:
            yield _error(get_response_for_error(error, get_serve_request_id()))
            return
        start = _complete_response(first)
        if start is not None:
            yield start
            return
        async with aclosing(_openai_json_wrapper(_prepend(first, parts))) as events:
            yield ResponseStart(HTTPStatus.OK, EVENT_STREAM, await anext(events))
            async for event in events:
                yield event


async def _run(
    engine: EngineServer,
    request: ChatCompletionRequest | CompletionRequest,
    headers: Mapping[str, str],
) -> AsyncGenerator[Any, None]:
    """Start the engine's method for a parsed request."""
    info = RawRequestInfo(headers=dict(headers))
    if isinstance(request, ChatCompletionRequest):
        # Lists that pydantic left as iterators are read.
        request = _sanitize_chat_completion_request(request)
        chat: AsyncGenerator[Any, None] = await engine.chat(request, info)
        return chat
    completion: AsyncGenerator[Any, None] = await engine.completions(request, info)
    return completion


class _RequestInvalid(ValueError):
    """A body that is no valid request; the text names the field."""


def _parse(request: TextRequest) -> ChatCompletionRequest | CompletionRequest:
    """Parse the body. Raises _RequestInvalid with the field, which the gateway reads."""
    kind = ChatCompletionRequest if request.operation is Operation.CHAT else CompletionRequest
    try:
        return kind.model_validate(json.loads(request.body))
    except ValidationError as error:
        problem = error.errors()[0]
        location = ("body", *problem["loc"])
        raise _RequestInvalid(f"{problem['msg']} at {location}") from None
    except (ValueError, RecursionError):
        raise _RequestInvalid("The body is not valid JSON.") from None


def _complete_response(first: Any) -> ResponseStart | None:
    """Return the response of an engine that sends it whole, or an error; None for a stream."""
    part = first[0] if isinstance(first, list) else first
    if isinstance(part, ErrorResponse):
        return _error(part)
    if isinstance(part, NON_STREAMING_RESPONSE_TYPES):
        return ResponseStart(HTTPStatus.OK, JSON, part.model_dump_json())
    return None


def _render_invalid(message: str) -> str:
    """Return the error object of an invalid request; the gateway reads the field from its text."""
    error = {"message": message, "type": "BadRequestError", "param": None, "code": 400}
    return json.dumps({"error": error})


def _error(response: ErrorResponse) -> ResponseStart:
    """Return an error with the engine's text, which the gateway maps and does not pass on."""
    return ResponseStart(int(response.error.code), JSON, response.model_dump_json())


async def _prepend(first: Any, parts: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Yield the first part, then the others."""
    yield first
    async for part in parts:
        yield part
