"""The specialists as a Ray Serve deployment that speaks the Open Inference Protocol below `/v2`.

Owns its addresses, batching across requests, and two that speak for every model of the catalog:
`/v2/health/ready`, and `/v2/metrics` with what the engines have counted. Does not own what
happens between a body and its answer (inference.py).
"""

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from models.signature import Columns
from serving.counters import Counters
from serving.engine import DRAIN_POLL_S
from serving.errors import InputInvalid, ModelUnknown, RouteUnknown
from serving.exposition import CONTENT_TYPE
from serving.http import JSON, guarded, json_response, read_body, require_method
from serving.inference import Asked, render, run_all, understand
from serving.mechanisms import load_mechanism
from serving.protocol import HEADER_LENGTH, Rendered
from serving.readiness import Readiness, Where
from serving.specialists import Specialist, load_specialist, metadata_of

MAX_BODY = 8 << 20
_SERVER = {"name": "maas-serving", "version": version("maas-gateway")}
_EXTENSIONS = ["binary_tensor_data"]


class SpecialistApp:
    """One replica holds all specialists: each is a few megabytes and answers in microseconds."""

    def __init__(
        self,
        artefacts: Mapping[str, str],
        mechanisms: Mapping[str, str],
        models: Mapping[str, Where],
    ) -> None:
        self._specialists: dict[str, Specialist] = {
            **{name: load_specialist(name, Path(path)) for name, path in artefacts.items()},
            **{name: load_mechanism(name, source) for name, source in mechanisms.items()},
        }
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
                return await self._model(request, self._find(name), rest)
        raise RouteUnknown("There is nothing at this address.")

    async def _model(self, request: Request, model: Specialist, rest: list[str]) -> Response:
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
                return await self._infer(request, model)
        raise RouteUnknown("There is nothing at this address.")

    async def _ready(self) -> Response:
        """Ready is when every model of the catalog is, the text models too."""
        states = await self._readiness.states()
        ready = all(states.values())
        return json_response({"ready": ready, "models": states}, 200 if ready else 503)

    async def _infer(self, request: Request, model: Specialist) -> Response:
        body = await read_body(request, MAX_BODY)
        length = _header_length(request)
        asked, columns = await asyncio.to_thread(understand, model, body, length)
        rows = len(next(iter(columns.values())))
        results = await self._run((model.name, columns, rows))
        return _answer(await asyncio.to_thread(render, model, asked, results))

    # No waiting for company: what has queued up while the last batch ran is the next batch.
    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0)
    async def _run(self, asked: list[Asked]) -> list[Columns]:
        return await asyncio.to_thread(run_all, self._specialists, asked)

    def _find(self, name: str) -> Specialist:
        try:
            return self._specialists[name]
        except KeyError:
            raise ModelUnknown("There is no such specialist here.", param="model") from None


def specialist_app(
    artefacts: Mapping[str, str], mechanisms: Mapping[str, str], models: Mapping[str, Where]
) -> serve.Application:
    """`artefacts` maps each learned specialist to its file, `mechanisms` each other one to its
    name among models/mechanisms/; `models` are all models there are."""
    deployment = serve.deployment(
        name=SpecialistApp.__name__,
        num_replicas=1,
        max_ongoing_requests=256,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
    )(SpecialistApp)
    return deployment.bind(dict(artefacts), dict(mechanisms), dict(models))


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
