"""The embedding models as a Ray Serve deployment behind `/v1/embeddings`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from serving.embeddings.e5 import load_e5
from serving.embeddings.encoder import SentenceEncoder, TokenisedInput, Vectors
from serving.embeddings.openai import parse_model_id, parse_request, render_response
from serving.errors import ModelNotFound
from serving.health import DRAIN_POLL_S
from serving.http import JSON, read_body, require_method, run_handler

MAX_BODY_BYTES = 16 << 20
# A request with thousands of texts runs in slices, so that another request waits for one slice only
# and a closed connection ends the work at the next slice.
_MAX_SLICE_ROWS = 16
_MAX_SLICE_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """The packaged E5 encoder with its context length in tokens."""

    context_length: int

    def load(self) -> SentenceEncoder[Any]:
        """Load the encoder. Raises WeightsBroken."""
        return load_e5(self.context_length)


@dataclass(frozen=True, slots=True)
class _BatchItem:
    """A slice of tokenised inputs for one model."""

    model_id: str
    rows: Sequence[TokenisedInput]


class EmbeddingApp:
    """The `/v1/embeddings` route; parsing, tokenising and the model run in threads."""

    def __init__(self, sources: Mapping[str, EncoderSource]) -> None:
        self._encoders = {model_id: source.load() for model_id, source in sources.items()}

    async def __call__(self, request: Request) -> Response:
        return await run_handler(request, self._embed)

    async def _embed(self, request: Request) -> Response:
        """Embed the inputs of a request and return the OpenAI response."""
        require_method(request, "POST")
        body = await read_body(request, MAX_BODY_BYTES)
        model_id = await asyncio.to_thread(parse_model_id, body)
        encoder = self._encoders.get(model_id)
        if encoder is None:
            raise ModelNotFound(
                "This deployment does not serve this embedding model.", param="model"
            )
        parsed = await asyncio.to_thread(parse_request, body, model_id, encoder.dimensions)
        rows = await asyncio.to_thread(encoder.tokenise, parsed.inputs)
        encoded = [
            await self._encode_batched(_BatchItem(model_id, part)) for part in slice_rows(rows)
        ]
        content = await asyncio.to_thread(
            render_response, model_id, parsed, rows, np.vstack(encoded)
        )
        return Response(content, media_type=JSON)

    # No batch delay: the items that arrived during one batch form the next one.
    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.0)
    async def _encode_batched(self, items: list[_BatchItem]) -> list[Vectors]:
        """Return the vectors of each item; consecutive items of one model are encoded together."""
        encoded: list[Vectors] = []
        for model_id, group in groupby(items, key=lambda item: item.model_id):
            batch = list(group)
            rows = [row for item in batch for row in item.rows]
            vectors = await asyncio.to_thread(self._encoders[model_id].encode, rows)
            ends = np.cumsum([len(item.rows) for item in batch])
            encoded += np.split(vectors, ends[:-1])
        return encoded


def embedding_app(sources: Mapping[str, EncoderSource]) -> serve.Application:
    """Build the embeddings application for the encoders of `sources`, by model id."""
    deployment = serve.deployment(
        name=EmbeddingApp.__name__,
        num_replicas=1,
        max_ongoing_requests=64,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
    )(EmbeddingApp)
    return deployment.bind(sources)


def slice_rows(rows: Sequence[TokenisedInput]) -> list[list[TokenisedInput]]:
    """Split rows in order into slices of at most 16 rows and 2048 tokens; a longer row is alone."""
    result: list[list[TokenisedInput]] = []
    tokens = 0
    for row in rows:
        tokens += len(row)
        if not result or len(result[-1]) == _MAX_SLICE_ROWS or tokens > _MAX_SLICE_TOKENS:
            result.append([])
            tokens = len(row)
        result[-1].append(row)
    return result
