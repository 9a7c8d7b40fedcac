"""Validate requests of `/v1/completions` and build their upstream requests."""

import msgspec

from gateway.call.errors import ParameterUnsupported
from gateway.call.values import ParsedRequest, ResolvedModel
from gateway.wire import body as bodies
from gateway.wire.generation import build_generation_request, output_bounds, require_stream
from gateway.wire.parameters import COMPLETION_PARAMETERS, select_upstream_fields
from gateway.wire.requests import CompletionRequest

# The default of `max_tokens`, of engines and of OpenAI.
_DEFAULT_TOKENS = 16
_REQUEST = msgspec.json.Decoder(CompletionRequest)


def parse_completion_request(body: bytes) -> CompletionRequest:
    """Parse and validate the body of a text completion request.

    Raises BodyNotJson, ParameterInvalid, ParameterUnknown, ParameterUnsupported.
    """
    request = bodies.decode_body(_REQUEST, body)
    require_stream(request)
    select_upstream_fields(COMPLETION_PARAMETERS, bodies.decode_fields(body))
    if request.echo and request.logprobs is not None:
        # The engine would keep logits of its whole vocabulary for each token of the prompt.
        raise ParameterUnsupported(
            "`logprobs` of an echoed prompt are not supported.", param="logprobs"
        )
    return request


def build_completion_request(
    request: CompletionRequest, resolved: ResolvedModel, path: str, body: bytes
) -> ParsedRequest:
    """Build the upstream request of a validated text completion, with an explicit `max_tokens`."""
    values = select_upstream_fields(COMPLETION_PARAMETERS, bodies.decode_fields(body))
    choices = _count_prompts(request) * (request.n or 1)
    bounds = output_bounds(resolved.model, request.max_tokens, choices, _DEFAULT_TOKENS)
    tokens = msgspec.Raw(msgspec.json.encode(bounds.max_tokens_per_choice))
    values.setdefault("max_tokens", tokens)
    return build_generation_request(request, resolved, path, values, bounds)


def prompt_text(request: CompletionRequest) -> str:
    """Return the prompt, empty if it is not one text."""
    return request.prompt if isinstance(request.prompt, str) else ""


def _count_prompts(request: CompletionRequest) -> int:
    """Return the number of prompts; a list of texts or token lists is several, of token ids one."""
    if isinstance(request.prompt, str):
        return 1
    several = bytes(request.prompt[0]).lstrip()[:1] in (b'"', b"[")
    return len(request.prompt) if several else 1
