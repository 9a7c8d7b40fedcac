"""`POST /v1/responses`: OpenAI's Responses API, served as a chat.

gateway/responses/ prepares requests, stores responses and runs those in the background.
"""

from dataclasses import replace
from typing import Any

import msgspec

from gateway.call.errors import BadRequest, ParameterUnsupported
from gateway.call.values import Call, Operation, ParsedRequest, Principal, ResolvedModel
from gateway.inference.endpoints import text_generation
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.endpoint import (
    DecodedRequest,
    Documentation,
    Endpoint,
    Examples,
    UsageGroup,
)
from gateway.inference.model_selection import ModelSelector
from gateway.inference.translation import RequestTranslator, TranslatedCall
from gateway.wire import body as bodies
from gateway.wire.reasoning import EFFORT_FIELD
from gateway.wire.responses.chat_form import chat_form
from gateway.wire.responses.documentation import ResponseObject, example_response, example_stream
from gateway.wire.responses.items import REFERENCE, decode_items
from gateway.wire.responses.parameters import RESPONSES_PARAMETERS
from gateway.wire.responses.request import ResponseRequest, parse_response_request
from models.catalog import Task

# Names of a chat's fields in errors, and those of this endpoint.
_FIELD_NAMES = {
    EFFORT_FIELD: "reasoning.effort",
    "response_format": "text.format",
    "max_tokens": "max_output_tokens",
    "messages": "input",
}


async def _prepare(
    translator: RequestTranslator, call: Call, principal: Principal, body: bytes
) -> TranslatedCall:
    """Convert a request into a chat, with the items of the response that it continues."""
    return await translator.open(call, principal, body)


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Decode a request as a chat; `_prepare` has converted it, other callers send it as it is."""
    if "messages" not in bodies.decode_fields(body):
        body = _chat_alone(body)
    try:
        decoded = CHAT.decode(replace(call, path=CHAT.path), body, principal)
    except BadRequest as error:
        raise _renamed(error) from None

    def for_model(resolved: ResolvedModel) -> ParsedRequest:
        """Return the parsed chat for the resolved model."""
        try:
            return decoded.for_model(resolved)
        except BadRequest as error:
            raise _renamed(error) from None

    return replace(decoded, for_model=for_model)


def _chat_alone(body: bytes) -> bytes:
    """Return the chat of a request that is known from its body alone, as a line of a batch.

    Raises ParameterUnsupported if it needs what is stored, or is answered later.
    """
    request = parse_response_request(body)
    items = decode_items(request.input)
    for name in ("previous_response_id", "background"):
        if getattr(request, name):
            raise ParameterUnsupported(f"`{name}` is not supported here.", param=name)
    if any(item["type"] == REFERENCE for item in items):
        raise ParameterUnsupported("References to items are not supported here.", param="input")
    return chat_form(request, items).body


def _renamed(error: BadRequest) -> BadRequest:
    """Return an error about a chat's field with the name of this endpoint's field."""
    name = _FIELD_NAMES.get(error.param or "")
    if name is None:
        return error
    message = error.message.replace(f"`{error.param}`", f"`{name}`")
    return type(error)(message, param=name, headers=error.headers)


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of a response, plain and streamed, with this model id."""
    plain: dict[str, Any] = {
        "model": model,
        "instructions": "Write this work order in plain text.",
        "input": "rplce lh eng oil fltr",
        "max_output_tokens": 40,
    }
    request = msgspec.convert(plain, ResponseRequest)
    head = chat_form(request, decode_items(request.input)).options.head
    response = example_response(model, head, "replace left hand engine oil filter")
    return Examples(
        {"Whole answer": plain, "Streamed answer": {**plain, "stream": True}},
        response,
        example_stream(response),
    )


RESPONSES = Endpoint(
    operation=Operation.RESPONSES,
    path="/v1/responses",
    label="Responses",
    tasks=text_generation.TASKS,
    decode=_decode,
    select_model=ModelSelector.select_for_text,
    prepare=_prepare,
    prompt=CHAT.prompt,
    parameters=RESPONSES_PARAMETERS,
    usage_group=UsageGroup.COMPLETIONS,
    in_batches=True,
    guarded_fields=("messages",),
    documentation=Documentation(
        request=ResponseRequest,
        answer=ResponseObject,
        summary="Create a response",
        description=(
            "OpenAI's Responses API, with functions, `file_search`, specialists, structured output "
            "and conversations (`previous_response_id`). Responses are stored with `store: true` "
            "only. With `stream: true` the answer is a stream of numbered events; the last one "
            "has the response with its usage, and `x_maas_cost`, `x_maas_currency` and "
            "`x_maas_balance`."
        ),
        examples=_examples,
        example_task=Task.TEXT_GENERATION,
    ),
)
