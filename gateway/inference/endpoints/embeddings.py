"""`POST /v1/embeddings`."""

from functools import partial

from gateway.call.values import Call, Operation, Principal
from gateway.inference.endpoints.endpoint import (
    DecodedRequest,
    Endpoint,
    UsageGroup,
)
from gateway.inference.token_count import PromptFormat
from gateway.wire import answers, embeddings
from gateway.wire.documentation import Documentation, Examples
from gateway.wire.parameters import EMBEDDING_PARAMETERS
from gateway.wire.requests import EmbeddingRequest
from models.catalog import Task


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate an embedding request, which must name its model."""
    request = embeddings.parse_embedding_request(body)
    for_model = partial(embeddings.build_embedding_request, path=call.path, body=body)
    return DecodedRequest(request.model, for_model)


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of an embedding of two texts with this model id."""
    vectors = [[0.0123, -0.0456, 0.0789], [0.0321, 0.0654, -0.0987]]
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    texts = ["pump seal leaks", "bearing overheats at full load"]
    return Examples(
        {"Two texts": {"model": model, "input": texts}},
        {"object": "list", "model": model, "data": data, "usage": usage},
    )


EMBEDDINGS = Endpoint(
    operation=Operation.EMBEDDINGS,
    path="/v1/embeddings",
    label="Embeddings",
    tasks=frozenset({Task.EMBEDDING}),
    decode=_decode,
    # Serving's encoder adds special tokens to prompts of token ids, vLLM does not.
    prompt=PromptFormat("input", is_embedding=True),
    parameters=EMBEDDING_PARAMETERS,
    quote_field="input",
    usage_group=UsageGroup.EMBEDDINGS,
    in_batches=True,
    guarded_fields=("input",),
    documentation=Documentation(
        request=EmbeddingRequest,
        answer=answers.EmbeddingList,
        summary="Create embeddings",
        examples=_examples,
        example_task=Task.EMBEDDING,
    ),
)
