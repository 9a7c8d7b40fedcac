"""The embedding models as a Ray Serve deployment behind `/v1/embeddings`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from serving.embeddings.e5 import load_e5
from serving.embeddings.encoder import SentenceEncoder, Sized, Vectors, load_encoder
from serving.embeddings.openai import model_of, parse_request, render_response
from serving.errors import ModelUnknown
from serving.health import DRAIN_POLL_S
from serving.http import JSON, guarded, read_body, require_method

MAX_BODY = 16 << 20
# A request with thousands of texts goes in slices, one after the other, so that another request
# waits for a slice and not for all of them; and a closed connection ends it at the next slice.
_SLICE = 16
_SLICE_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """Where an encoder comes from; without a tokenizer's file from a package that has one."""

    model: str
    tokenizer: str | None
    context_length: int

    def load(self) -> SentenceEncoder[Any]:
        """Raises WeightsBroken."""
        if self.tokenizer is None:
            return load_e5(self.context_length)
        return load_encoder(Path(self.model), Path(self.tokenizer), self.context_length)


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows for one model."""

    model_id: str
    rows: Sequence[Sized]


class EmbeddingApp:
    """One replica: parsing, tokenising and the model run in threads, never in the event loop."""

    def __init__(self, sources: Mapping[str, EncoderSource]) -> None:
        self._encoders = {model_id: source.load() for model_id, source in sources.items()}

    async def __call__(self, request: Request) -> Response:
        return await guarded(request, self._embed)

    async def _embed(self, request: Request) -> Response:
        require_method(request, "POST")
        body = await read_body(request, MAX_BODY)
        model_id = await asyncio.to_thread(model_of, body)
        encoder = self._encoders.get(model_id)
        if encoder is None:
            raise ModelUnknown("There is no such embedding model here.", param="model")
        asked = await asyncio.to_thread(parse_request, body, model_id, encoder.dimensions)
        rows = await asyncio.to_thread(encoder.tokenise, asked.inputs)
        vectors = np.vstack([await self._encode(_Part(model_id, part)) for part in slices(rows)])
        written = await asyncio.to_thread(render_response, model_id, asked, rows, vectors)
        return Response(written, media_type=JSON)

    # No waiting for company: what has queued up while the last batch ran is the next batch.
    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.0)
    async def _encode(self, parts: list[_Part]) -> list[Vectors]:
        """The vectors of each part; those for one model that came one after the other together."""
        encoded: list[Vectors] = []
        for model_id, group in groupby(parts, key=lambda part: part.model_id):
            together = list(group)
            rows = [row for part in together for row in part.rows]
            vectors = await asyncio.to_thread(self._encoders[model_id].encode, rows)
            ends = np.cumsum([len(part.rows) for part in together])
            encoded += np.split(vectors, ends[:-1])
        return encoded


def embedding_app(sources: Mapping[str, EncoderSource]) -> serve.Application:
    deployment = serve.deployment(
        name=EmbeddingApp.__name__,
        num_replicas=1,
        max_ongoing_requests=64,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
    )(EmbeddingApp)
    return deployment.bind(sources)


def slices(rows: Sequence[Sized]) -> list[list[Sized]]:
    """In order, each of few rows and few tokens; a row of more tokens than that is alone."""
    made: list[list[Sized]] = []
    tokens = 0
    for row in rows:
        tokens += len(row)
        if not made or len(made[-1]) == _SLICE or tokens > _SLICE_TOKENS:
            made.append([])
            tokens = len(row)
        made[-1].append(row)
    return made
