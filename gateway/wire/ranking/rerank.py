"""`/v1/rerank` in the shape of Jina and Cohere: request, upstream request and response."""

from typing import Annotated

import msgspec
from msgspec import Meta

from billing.rating.quantities import Quantities
from gateway.call.errors import ParameterInvalid, UpstreamFailed
from gateway.call.values import ParsedRequest, ResolvedModel
from gateway.wire.body import decode_body_strict, encode_body
from gateway.wire.generation import JSON_HEADERS
from gateway.wire.usage import Tokens

_MAX_DOCUMENTS = 1_000
_Text = Annotated[str, Meta(min_length=1)]


class RerankText(msgspec.Struct, forbid_unknown_fields=True):
    """A document as an object."""

    text: _Text


class RerankRequest(msgspec.Struct):
    """`POST /v1/rerank`: documents to order by their relevance to a query.

    `top_n` is the number of results; the default is all. `return_documents` repeats the texts.
    """

    model: str
    query: _Text
    documents: Annotated[list[_Text | RerankText], Meta(min_length=1, max_length=_MAX_DOCUMENTS)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None

    @property
    def texts(self) -> list[str]:
        """The documents as texts."""
        return [one if isinstance(one, str) else one.text for one in self.documents]


class _Result(msgspec.Struct):
    """A result of the model: the document's position and its relevance."""

    index: int
    relevance_score: float


class _Usage(msgspec.Struct):
    """`usage`; the tokens of all pairs of query and document."""

    total_tokens: Tokens
    prompt_tokens: Tokens | None = None


class _Response(msgspec.Struct):
    """The fields of a response that are read."""

    results: list[_Result]
    usage: _Usage


_REQUEST = msgspec.json.Decoder(RerankRequest)
_RESPONSE = msgspec.json.Decoder(_Response)


def parse_rerank_request(body: bytes) -> RerankRequest:
    """Parse and validate the body of a rerank request. Raises BodyNotJson, ParameterInvalid."""
    request = decode_body_strict(_REQUEST, body)
    if not request.model:
        raise ParameterInvalid("`model` must not be empty.", param="model")
    return request


def build_rerank_request(
    resolved: ResolvedModel, request: RerankRequest, path: str
) -> ParsedRequest:
    """Build the upstream request of a validated rerank request."""
    texts = request.texts
    fields = {
        "model": resolved.upstream_name,
        "query": request.query,
        "documents": texts,
        **({} if request.top_n is None else {"top_n": min(request.top_n, len(texts))}),
    }
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}

    def convert(body: bytes) -> bytes:
        """Return the response with public fields only, the most relevant document first."""
        return _convert_response(body, resolved.public_name, request)

    return ParsedRequest(
        model=resolved.model,
        path=path,
        body=encode_body(raw),
        headers=JSON_HEADERS,
        measure=_measure,
        convert_response=convert,
        request_fields=raw,
    )


def _measure(body: bytes) -> Quantities:
    """Return the tokens that a response reports. Raises UpstreamFailed if none."""
    usage = _decode(body).usage
    tokens = usage.total_tokens if usage.prompt_tokens is None else usage.prompt_tokens
    return Quantities(input_tokens=tokens)


def _convert_response(body: bytes, model: str, request: RerankRequest) -> bytes:
    """Return the response in the client's format. Raises UpstreamFailed."""
    response, texts = _decode(body), request.texts
    results = sorted(response.results, key=lambda result: -result.relevance_score)
    if any(not 0 <= result.index < len(texts) for result in results):
        raise _unreadable_response()
    return msgspec.json.encode(
        {
            "object": "list",
            "model": model,
            "results": [
                {
                    "index": result.index,
                    "relevance_score": result.relevance_score,
                    **(
                        {"document": {"text": texts[result.index]}}
                        if request.return_documents
                        else {}
                    ),
                }
                for result in results[: request.top_n]
            ],
            "usage": {
                "prompt_tokens": _measure(body).input_tokens,
                "total_tokens": response.usage.total_tokens,
            },
        }
    )


def _decode(body: bytes) -> _Response:
    """Decode a model's response. Raises UpstreamFailed."""
    try:
        return _RESPONSE.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise _unreadable_response() from None


def _unreadable_response() -> UpstreamFailed:
    """Return the error for a model response that cannot be read."""
    return UpstreamFailed("The model's response could not be parsed.")
