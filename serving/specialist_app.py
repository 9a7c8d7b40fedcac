"""The specialists as a Ray Serve deployment that speaks the Open Inference Protocol below `/v2`.

Owns its addresses, batching across requests, and two that speak for every model of the catalog:
`/v2/health/ready`, and `/v2/metrics` with what the engines have counted. Customers' variants are
put below `/v2/variants`, each by the id of its version, and then are models like others; learning
one is `/v2/adaptations`. Does not own what happens between a body and its answer (inference.py),
nor learning (adapting.py).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from importlib.metadata import version

import msgspec
from ray import serve
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from models.adaptation import Adapter
from models.signature import Columns
from serving.adapting import adapter_of, adapting
from serving.counters import Counters
from serving.engine import DRAIN_POLL_S
from serving.errors import InputInvalid, ModelUnknown, RouteUnknown, VariantUnknown
from serving.exposition import CONTENT_TYPE
from serving.http import JSON, guarded, json_response, read_body, require_method
from serving.inference import Asked, render, run_all, understand
from serving.loading import Source, load
from serving.protocol import HEADER_LENGTH, Rendered
from serving.readiness import Readiness, Where
from serving.specialists import Specialist, metadata_of
from serving.variants import Variant, Variants

MAX_BODY = 8 << 20
MAX_TRAINING_FILE = 64 << 20
_SERVER = {"name": "maas-serving", "version": version("maas-gateway")}
_EXTENSIONS = ["binary_tensor_data"]
LINES = "application/x-ndjson"
# Ids of variants; no model of the catalog is called like that.
VARIANT_PREFIX = "var_"

Run = Callable[[Asked], Awaitable[Columns]]


class VariantBody(msgspec.Struct):
    """`PUT /v2/variants/{id}`: what to call it, and what it is made from."""

    base: str
    name: str
    version: str
    artefact: bytes


class SpecialistApp:
    """One replica holds all specialists: each is a few megabytes and answers in microseconds."""

    def __init__(self, sources: Mapping[str, Source], models: Mapping[str, Where]) -> None:
        self._sources = sources
        self._specialists = {name: load(name, source) for name, source in sources.items()}
        self._queues: dict[str, Run] = {name: _queue() for name in sources}
        self._variants = Variants()
        self._adapting = asyncio.Semaphore(1)
        self._readiness = Readiness(models)
        self._counters = Counters(models)

    async def __call__(self, request: Request) -> Response:
        return await guarded(request, self._route)

    async def _route(self, request: Request) -> Response:
        match _parts(request):
            case []:
                require_method(request, "GET")
                return json_response({**_SERVER, "extensions": _EXTENSIONS})
            case ["health", "live"]:
                return json_response({"live": True})
            case ["health", "ready"]:
                return await self._ready()
            case ["metrics"]:
                require_method(request, "GET")
                text = await self._counters.text(await self._readiness.states())
                return Response(text, media_type=CONTENT_TYPE)
            case ["models", name, *rest]:
                return await self._model(request, name, rest)
            case ["variants", variant_id]:
                return await self._variant(request, variant_id)
            case ["adaptations", name]:
                return await self._adapt(request, name)
        raise RouteUnknown("There is nothing at this address.")

    async def _model(self, request: Request, name: str, rest: list[str]) -> Response:
        # Read also where it is refused: an answer that overtakes its body breaks the connection.
        body = await read_body(request, MAX_BODY)
        model, run = self._find(name)
        if rest[:1] == ["versions"]:
            _require_version(model, rest[1:2])
            rest = rest[2:]
        match rest:
            case []:
                require_method(request, "GET")
                return json_response(metadata_of(model))
            case ["ready"]:
                require_method(request, "GET")
                return json_response({"name": model.name, "ready": True})
            case ["infer"]:
                require_method(request, "POST")
                return await self._infer(request, body, model, run)
        raise RouteUnknown("There is nothing at this address.")

    async def _ready(self) -> Response:
        """Ready is when every model of the catalog is, the text models too."""
        states = await self._readiness.states()
        ready = all(states.values())
        return json_response({"ready": ready, "models": states}, 200 if ready else 503)

    async def _infer(self, request: Request, body: bytes, model: Specialist, run: Run) -> Response:
        length = _header_length(request)
        asked, columns = await asyncio.to_thread(understand, model, body, length)
        rows = len(next(iter(columns.values())))
        results = await run((model, columns, rows))
        return _answer(await asyncio.to_thread(render, model, asked, results))

    async def _variant(self, request: Request, variant_id: str) -> Response:
        if request.method == "DELETE":
            self._variants.drop(variant_id)
            return Response(status_code=204)
        require_method(request, "PUT")
        if not variant_id.startswith(VARIANT_PREFIX):
            raise RouteUnknown(f"A variant's id begins with {VARIANT_PREFIX}.")
        given = _read_variant(await read_body(request, MAX_TRAINING_FILE))
        base = self._base(given.base)
        made = await asyncio.to_thread(base.adapted, given.name, given.version, given.artefact)
        self._variants.put(variant_id, Variant(made, given.base, len(given.artefact)))
        return json_response({"name": given.name, "ready": True})

    async def _adapt(self, request: Request, name: str) -> Response:
        require_method(request, "POST")
        self._base(name)
        adapter = adapter_of(name, self._sources[name])
        training_file = await read_body(request, MAX_TRAINING_FILE)
        return StreamingResponse(self._in_turn(adapter, training_file), media_type=LINES)

    async def _in_turn(self, adapter: Adapter, training_file: bytes) -> AsyncIterator[bytes]:
        """One adaptation at a time learns; the others have a place in the queue."""
        async with self._adapting, aclosing(adapting(adapter, training_file)) as lines:
            async for line in lines:
                yield line

    def _find(self, name: str) -> tuple[Specialist, Run]:
        """A model and the queue that its requests wait in, which a base shares with its variants.
        A queue for each variant would hold it for good."""
        if name.startswith(VARIANT_PREFIX):
            variant = self._variants.find(name)
            if variant is None:
                raise VariantUnknown("The variant is not loaded.", param="model")
            return variant.specialist, self._queues[variant.base]
        return self._base(name), self._queues[name]

    def _base(self, name: str) -> Specialist:
        try:
            return self._specialists[name]
        except KeyError:
            raise ModelUnknown("There is no such specialist here.", param="model") from None


def specialist_app(sources: Mapping[str, Source], models: Mapping[str, Where]) -> serve.Application:
    """`sources` are the specialists of the catalog; `models` are all models there are."""
    deployment = serve.deployment(
        name=SpecialistApp.__name__,
        num_replicas=1,
        max_ongoing_requests=256,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
    )(SpecialistApp)
    return deployment.bind(dict(sources), dict(models))


def _queue() -> Run:
    """Where requests wait for one specialist: a long batch of another does not hold them up."""

    # No waiting for company: what has queued up while the last batch ran is the next batch.
    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0)
    async def run(asked: list[Asked]) -> list[Columns]:
        return await asyncio.to_thread(run_all, asked)

    together: Run = run
    return together


def _read_variant(body: bytes) -> VariantBody:
    try:
        return msgspec.json.decode(body, type=VariantBody)
    except msgspec.DecodeError as error:
        raise InputInvalid(f"This is no variant: {error}.") from error


def _answer(rendered: Rendered) -> Response:
    if rendered.header_length is None:
        return Response(rendered.body, media_type=JSON)
    headers = {HEADER_LENGTH: str(rendered.header_length)}
    return Response(rendered.body, headers=headers, media_type="application/octet-stream")


def _parts(request: Request) -> list[str]:
    """The address below the application's prefix, in pieces."""
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return [part for part in path.split("/") if part]


def _header_length(request: Request) -> int | None:
    text = request.headers.get(HEADER_LENGTH)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise InputInvalid(f"{HEADER_LENGTH} is a number of bytes.")
    return int(text)


def _require_version(model: Specialist, given: list[str]) -> None:
    if given != [model.signature.version]:
        raise ModelUnknown(f"{model.name!r} has only version {model.signature.version}.")
