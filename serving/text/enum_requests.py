"""Chat requests whose answer is one value of a list, as the engine gets and answers them.

Owns changing such a request, and its answers back (enum_answers.py has the forms).
"""

from collections.abc import AsyncGenerator
from typing import Any

from vllm.sampling_params import StructuredOutputsParams

from serving.text.enum_answers import EnumAnswer, EnumStream, enum_answer


def held_to_values(request: Any) -> EnumAnswer | None:
    """Hold a request's answer to the values of its schema; None, and nothing is changed, where the
    schema asks for anything else or the answer does not begin a turn."""
    asked = request.response_format
    if asked is None or asked.type != "json_schema" or request.structured_outputs is not None:
        return None
    if request.tools or not request.add_generation_prompt or request.continue_final_message:
        return None
    found = enum_answer(asked.json_schema.json_schema)
    if found is not None:
        request.structured_outputs = StructuredOutputsParams(choice=found.choices)
        request.response_format = None
    return found


async def as_json(
    answers: AsyncGenerator[Any, None], enum: EnumAnswer
) -> AsyncGenerator[Any, None]:
    """The answers with the JSON that the client asked for; errors stay as they are."""
    stream = EnumStream(enum)
    async for answer in answers:
        if isinstance(answer, list):
            yield [stream.event(one) if isinstance(one, str) else one for one in answer]
        elif isinstance(answer, str):
            yield stream.event(answer)
        else:
            _put_json(answer, enum)
            yield answer


def _put_json(answer: Any, enum: EnumAnswer) -> None:
    for choice in getattr(answer, "choices", ()):
        if choice.message.content is not None:
            ended = choice.finish_reason == "stop"
            choice.message.content = enum.whole(choice.message.content, ended=ended)
