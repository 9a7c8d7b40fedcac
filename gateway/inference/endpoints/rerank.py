"""`POST /v1/rerank`, where the catalog has a model with the task `rerank`."""

from functools import partial

from gateway.call.values import Call, Operation, Principal
from gateway.inference.endpoints.endpoint import DecodedRequest, Endpoint
from gateway.inference.token_count import PromptFormat
from gateway.wire.ranking.rerank import build_rerank_request, parse_rerank_request
from models.catalog import Task


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate a rerank request, which must name its model."""
    request = parse_rerank_request(body)
    return DecodedRequest(
        request.model, partial(build_rerank_request, request=request, path=call.path)
    )


# Not in the OpenAPI document: the built-in catalog has no reranker to show examples of.
RERANK = Endpoint(
    operation=Operation.RERANK,
    path="/v1/rerank",
    label="Reranking",
    tasks=frozenset({Task.RERANK}),
    decode=_decode,
    prompt=PromptFormat("documents", is_pairs=True),
    quote_field="documents",
    in_batches=True,
    guarded_fields=("query", "documents"),
)
