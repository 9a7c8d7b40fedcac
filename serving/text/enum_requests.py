"""Chat requests whose answer must be one of given strings, and the engine's responses."""

from collections.abc import AsyncGenerator
from typing import Any

from vllm.sampling_params import StructuredOutputsParams

from serving.text.enum_answers import EnumAnswer, EnumStream, parse_enum_schema


def restrict_to_enum(request: Any, prefix: str) -> EnumAnswer | None:
    """Restrict a chat request's answer to the enum values of its JSON schema.

    `prefix` precedes the value as the model writes it. Changes the request and returns the enum.
    Returns None without a change if the schema is no
    single enum, if tools are offered or if the answer continues a message.
    """
    response_format = request.response_format
    if (
        response_format is None
        or response_format.type != "json_schema"
        or request.structured_outputs is not None
    ):
        return None
    if request.tools or not request.add_generation_prompt or request.continue_final_message:
        return None
    enum = parse_enum_schema(response_format.json_schema.json_schema, prefix)
    if enum is not None:
        request.structured_outputs = StructuredOutputsParams(choice=enum.choices)
        request.response_format = None
    return enum


async def wrap_enum_answers(
    responses: AsyncGenerator[Any, None], enum: EnumAnswer
) -> AsyncGenerator[Any, None]:
    """Yield the engine's responses with the JSON around the enum value; errors are unchanged."""
    stream = EnumStream(enum)
    async for response in responses:
        if isinstance(response, list):
            yield [stream.wrap_event(part) if isinstance(part, str) else part for part in response]
        elif isinstance(response, str):
            yield stream.wrap_event(response)
        else:
            _wrap_response(response, enum)
            yield response


def _wrap_response(response: Any, enum: EnumAnswer) -> None:
    """Put the JSON around the enum value in a non-streamed response, in place."""
    for choice in getattr(response, "choices", ()):
        if choice.message.content is not None:
            ended = choice.finish_reason == "stop"
            choice.message.content = enum.render(choice.message.content, is_complete=ended)
