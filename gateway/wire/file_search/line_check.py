"""The chat that asks a model whether a line answers a question, and its reply."""

from collections.abc import Sequence

from gateway.call.values import OutputBounds, ParsedRequest
from gateway.wire import body as bodies
from gateway.wire.generation import JSON_HEADERS
from gateway.wire.usage import measure_response
from models.catalog import Model
from models.decision_calibration.logprobs import decode_first_token, first_token_request
from models.decision_calibration.prompts import Message
from models.line_reader.model_check.prompts import yes_margin

_PATH = "/v1/chat/completions"


def check_request(model: Model, messages: Sequence[Message]) -> ParsedRequest:
    """Return the chat for the log-probabilities of the answer's first token."""
    return ParsedRequest(
        model=model,
        path=_PATH,
        body=bodies.encode_body(first_token_request(model.id, list(messages))),
        headers=JSON_HEADERS,
        measure=measure_response,
        output_bounds=OutputBounds(1, is_client_limited=True),
    )


def read_margin(body: bytes) -> float | None:
    """Return the log-odds of Yes against No; None if the response has no log-probabilities."""
    tokens = decode_first_token(body)
    return None if tokens is None else yes_margin(tokens)
