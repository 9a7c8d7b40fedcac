"""`/v1/moderations` in OpenAI's shape: texts, or the parts of one input, and the upstream request.

A moderation model answers `/v1/moderations` itself; a guard model is asked by a chat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from billing.rating.quantities import Quantities
from gateway.call.errors import ParameterInvalid, ParameterUnsupported, UpstreamFailed
from gateway.call.values import OutputBounds, ParsedRequest, ResolvedModel
from gateway.wire.body import decode_body_strict, encode_body
from gateway.wire.generation import JSON_HEADERS
from gateway.wire.moderation.verdicts import CATEGORIES, VERDICT_TOKENS, parse_verdict, result_of
from gateway.wire.parts import require_inline
from gateway.wire.usage import measure_response
from models.catalog import AUTO

_PATH, _CHAT_PATH = "/v1/moderations", "/v1/chat/completions"
_MAX_INPUTS = 100
ID_PREFIX = "modr-"
_Text = Annotated[str, Meta(min_length=1)]


class ModerationText(msgspec.Struct, tag="text"):
    """A part with text."""

    text: _Text


class ImageUrl(msgspec.Struct):
    """An image as `data:` URL."""

    url: str


class ModerationImage(msgspec.Struct, tag="image_url"):
    """A part with an image."""

    image_url: ImageUrl


_Part = ModerationText | ModerationImage
_Inputs = Annotated[list[_Text | _Part], Meta(min_length=1, max_length=_MAX_INPUTS)]


class ModerationRequest(msgspec.Struct):
    """`POST /v1/moderations`: one text, several texts, or the parts of one input."""

    input: _Text | _Inputs
    model: str = AUTO


@dataclass(frozen=True, slots=True)
class ModeratedInput:
    """What is checked: texts, each with a result, or the parts of one input.

    `answer_to` is the text that the first one answers, None if it is a user's.
    """

    texts: tuple[str, ...] = ()
    parts: tuple[_Part, ...] = ()
    answer_to: str | None = None

    @property
    def count(self) -> int:
        """How many results there will be."""
        return 1 if self.parts else len(self.texts)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the input: `text`, `image` or both."""
        if not self.parts:
            return ("text",)
        kinds = ("text", ModerationText), ("image", ModerationImage)
        return tuple(
            name for name, kind in kinds if any(isinstance(one, kind) for one in self.parts)
        )


class _ModerationResponse(msgspec.Struct):
    results: list[dict[str, Any]]


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: Annotated[list[_Choice], Meta(min_length=1)]


_REQUEST = msgspec.json.Decoder(ModerationRequest)
_ANSWER = msgspec.json.Decoder(_ModerationResponse)
_COMPLETION = msgspec.json.Decoder(_Completion)
_UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError)


def parse_moderation_request(body: bytes) -> tuple[str, ModeratedInput]:
    """Return the model and the input of a validated request.

    Raises BodyNotJson, ParameterInvalid.
    """
    request = decode_body_strict(_REQUEST, body)
    if not request.model:
        raise ParameterInvalid("`model` must not be empty.", param="model")
    if isinstance(request.input, str):
        return request.model, ModeratedInput((request.input,))
    texts = tuple(one for one in request.input if isinstance(one, str))
    parts = tuple(one for one in request.input if not isinstance(one, str))
    if texts and parts:
        raise ParameterInvalid("`input` must have texts only, or parts only.", param="input")
    require_inline([msgspec.Raw(msgspec.json.encode(part)) for part in parts], "input")
    return request.model, ModeratedInput(texts, parts)


def build_moderation_request(
    resolved: ResolvedModel, checked: ModeratedInput, public_id: str
) -> ParsedRequest:
    """Build the upstream request for a moderation or guard model.

    Raises ParameterUnsupported for several texts if the model is a guard model.
    """
    if resolved.model.guard_format.is_chat:
        return _guard_request(resolved, checked, public_id)
    inputs: Any = checked.parts or checked.texts
    fields = {"model": resolved.upstream_name, "input": inputs}
    count = checked.count

    def convert(body: bytes) -> bytes:
        """Return the response with public fields only. Raises UpstreamFailed."""
        results = [_public_result(one, checked.types) for one in _decode_results(body, count)]
        return _response(public_id, resolved.public_name, results)

    return ParsedRequest(
        model=resolved.model,
        path=_PATH,
        body=encode_body(fields),
        headers=JSON_HEADERS,
        measure=lambda _: Quantities(rows=count),
        convert_response=convert,
        output_bounds=OutputBounds(rows=count),
    )


def _guard_request(
    resolved: ResolvedModel, checked: ModeratedInput, public_id: str
) -> ParsedRequest:
    """Build the chat that asks a guard model about one input. Raises ParameterUnsupported."""
    if checked.count != 1:
        raise ParameterUnsupported(
            f"`input`: the model {resolved.public_name!r} checks one text in a call.",
            param="input",
        )
    guard_format = resolved.model.guard_format
    max_tokens = VERDICT_TOKENS[guard_format]
    content: Any = checked.parts or checked.texts[0]
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if checked.answer_to is not None:
        # The role tells the guard whose text it judges; the question is its context.
        messages = [
            {"role": "user", "content": checked.answer_to},
            {"role": "assistant", "content": content},
        ]
    fields = {
        "model": resolved.upstream_name,
        "messages": messages,
        "max_tokens": max_tokens,
        "temperature": 0,
    }

    def convert(body: bytes) -> bytes:
        """Return the verdict as a moderation. Raises UpstreamFailed."""
        result = result_of(parse_verdict(_content_of(body), guard_format), checked.types)
        return _response(public_id, resolved.public_name, [result])

    return ParsedRequest(
        model=resolved.model,
        path=_CHAT_PATH,
        body=encode_body(fields),
        headers=JSON_HEADERS,
        measure=measure_response,
        convert_response=convert,
        output_bounds=OutputBounds(max_tokens_per_choice=max_tokens, is_client_limited=True),
        request_fields={
            name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()
        },
    )


def _response(public_id: str, model: str, results: Sequence[dict[str, Any]]) -> bytes:
    """Return a response in OpenAI's shape."""
    head = {"id": ID_PREFIX + public_id.partition("_")[2], "model": model}
    return msgspec.json.encode({**head, "results": results})


def _public_result(result: dict[str, Any], input_types: Sequence[str]) -> dict[str, Any]:
    """Return a result of a moderation model with OpenAI's fields. Raises UpstreamFailed.

    Categories that the model does not have are not flagged; its own further ones stay.
    """
    try:
        categories = {str(name): value is True for name, value in result["categories"].items()}
        scores = {str(name): float(value) for name, value in result["category_scores"].items()}
        types = dict(result.get("category_applied_input_types") or {})
        flagged = result["flagged"] is True
    except (LookupError, TypeError, AttributeError, ValueError):
        raise _unreadable_response() from None
    names = tuple(dict.fromkeys((*CATEGORIES, *categories)))
    return {
        "flagged": flagged,
        "categories": {name: categories.get(name, False) for name in names},
        "category_scores": {name: scores.get(name, 0.0) for name in names},
        "category_applied_input_types": {
            name: types.get(name, list(input_types)) for name in names
        },
    }


def _decode_results(body: bytes, count: int) -> list[dict[str, Any]]:
    """Return the results of a moderation model, one per input. Raises UpstreamFailed."""
    try:
        results = _ANSWER.decode(body).results
    except _UNREADABLE:
        raise _unreadable_response() from None
    if len(results) != count:
        raise _unreadable_response()
    return results


def _content_of(body: bytes) -> str:
    """Return the text of a guard model's answer. Raises UpstreamFailed."""
    try:
        return _COMPLETION.decode(body).choices[0].message.content or ""
    except _UNREADABLE:
        raise _unreadable_response() from None


def _unreadable_response() -> UpstreamFailed:
    """Return the error for a model response that cannot be read."""
    return UpstreamFailed("The model's response could not be parsed.")
