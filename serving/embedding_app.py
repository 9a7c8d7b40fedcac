"""The embedding model as a Ray Serve deployment behind `/v1/embeddings`.

Owns sharing the processor between requests. Does not own the wire (embeddings.py) nor the model
(encoder.py).
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from serving.embeddings import parse_request, render_response
from serving.encoder import Encoder, Tokens, Vectors, load_encoder
from serving.engine import DRAIN_POLL_S
from serving.http import JSON, guarded, read_body, require_method

MAX_BODY = 16 << 20
# A request with thousands of texts goes in slices, one after the other, so that another request
# waits for a slice and not for all of them; and a closed connection ends it at the next slice.
_SLICE = 16


class EmbeddingApp:
    """One replica: parsing, tokenising and the model run in threads, never in the event loop."""

    def __init__(self, model_id: str, model: str, tokenizer: str, context_length: int) -> None:
        self._model_id = model_id
        self._encoder: Encoder = load_encoder(Path(model), Path(tokenizer), context_length)

    async def __call__(self, request: Request) -> Response:
        return await guarded(request, self._embed)

    async def _embed(self, request: Request) -> Response:
        require_method(request, "POST")
        body = await read_body(request, MAX_BODY)
        dimensions = self._encoder.dimensions
        asked = await asyncio.to_thread(parse_request, body, self._model_id, dimensions)
        rows = await asyncio.to_thread(self._encoder.tokenise, asked.inputs)
        vectors = np.vstack([await self._encode(part) for part in _slices(rows)])
        written = await asyncio.to_thread(render_response, self._model_id, asked, rows, vectors)
        return Response(written, media_type=JSON)

    # No waiting for company: what has queued up while the last batch ran is the next batch.
    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.0)
    async def _encode(self, parts: list[Sequence[Tokens]]) -> list[Vectors]:
        rows = [tokens for part in parts for tokens in part]
        vectors = await asyncio.to_thread(self._encoder.encode, rows)
        ends = np.cumsum([len(part) for part in parts])
        return np.split(vectors, ends[:-1])


def embedding_app(
    model_id: str, model: str, tokenizer: str, context_length: int
) -> serve.Application:
    deployment = serve.deployment(
        name=EmbeddingApp.__name__,
        num_replicas=1,
        max_ongoing_requests=64,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
    )(EmbeddingApp)
    return deployment.bind(model_id, model, tokenizer, context_length)


def _slices(rows: Sequence[Tokens]) -> list[Sequence[Tokens]]:
    return [rows[start : start + _SLICE] for start in range(0, len(rows), _SLICE)]
