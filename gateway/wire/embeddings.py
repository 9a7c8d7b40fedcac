"""Validate requests of `/v1/embeddings` and build their upstream requests."""

import msgspec

from gateway.call.values import ParsedRequest, ResolvedModel
from gateway.wire import body as bodies
from gateway.wire.answer_fields import convert_embeddings
from gateway.wire.generation import JSON_HEADERS
from gateway.wire.parameters import EMBEDDING_PARAMETERS, select_upstream_fields
from gateway.wire.requests import EmbeddingRequest
from gateway.wire.usage import measure_response

_REQUEST = msgspec.json.Decoder(EmbeddingRequest)


def parse_embedding_request(body: bytes) -> EmbeddingRequest:
    """Parse and validate the body of an embedding request.

    Raises BodyNotJson, ParameterInvalid, ParameterUnknown, ParameterUnsupported.
    """
    request = bodies.decode_body(_REQUEST, body)
    select_upstream_fields(EMBEDDING_PARAMETERS, bodies.decode_fields(body))
    return request


def build_embedding_request(resolved: ResolvedModel, path: str, body: bytes) -> ParsedRequest:
    """Build the upstream request of a validated embedding request."""
    values = select_upstream_fields(EMBEDDING_PARAMETERS, bodies.decode_fields(body))
    # The client's `model` may be a public name that the engine does not know.
    values["model"] = msgspec.Raw(msgspec.json.encode(resolved.upstream_name))
    return ParsedRequest(
        model=resolved.model,
        path=path,
        body=bodies.encode_body(values),
        headers=JSON_HEADERS,
        measure=measure_response,
        convert_response=convert_embeddings,
        request_fields=values,
    )
