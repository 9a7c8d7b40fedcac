"""What answers also while no replica of the specialists runs, as a Ray Serve deployment at `/v2`.

Owns `/v2/health/ready` and `/v2/metrics`, which are asked all the time and must wake nobody;
`/v2/adapters`, where customers' adapters of language models are brought; and `/v2/adaptations`,
minutes of learning that are no reason for another replica of the specialists, nor may end with one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from importlib.metadata import version
from pathlib import Path

from ray import serve
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from models.adaptation import Adapter
from serving.errors import ModelUnknown, RouteUnknown
from serving.folders import Folders
from serving.health import DRAIN_POLL_S, HEALTH_PERIOD_S
from serving.http import guarded, json_response, parts_of, read_body, require_method
from serving.readiness import Readiness, Where
from serving.specialists.loader import Source
from serving.text.adapter_store import AdapterFolder, Fit, fit_of, is_adapter_id
from serving.text.ended_counters import EndedCounts
from serving.text.engine_counters import Counters
from serving.text.prometheus import CONTENT_TYPE
from serving.training.fine_tune_task import (
    adapter_of,
    adapting,
    asked_seconds,
    going,
    most_seconds,
    tuned,
)

MAX_TRAINING_FILE = 64 << 20
# A large base's adapter of rank 16, in a form that makes four bytes of three.
MAX_ADAPTER = 512 << 20
LINES = "application/x-ndjson"
# For how long learning may take, where less is paid for.
MOST_S = "most_s"
# How far from its parent an adapter goes; all the way where nobody says.
MIXING = "mixing"
# What an anomaly detector's limit is divided by; 1 where nobody says.
SENSITIVITY = "sensitivity"
_SERVER = {"name": "maas-serving", "version": version("maas-gateway")}
_EXTENSIONS = ["binary_tensor_data"]


class OperationsApp:
    """One replica for all, so that one adaptation at a time learns."""

    def __init__(
        self, sources: Mapping[str, Source], models: Mapping[str, Where], folders: Folders
    ) -> None:
        self._sources = sources
        self._adapters = AdapterFolder(folders.adapters)
        self._adapting = asyncio.Semaphore(1)
        self._readiness = Readiness(models)
        self._counters = Counters(models, EndedCounts(folders.counts))

    async def __call__(self, request: Request) -> Response:
        return await guarded(request, self._route)

    async def _route(self, request: Request) -> Response:
        match parts_of(request):
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
            case ["adapters", adapter_id] if is_adapter_id(adapter_id):
                return await self._keep(request, adapter_id)
            case ["adaptations", name]:
                return await self._adapt(request, name)
        raise RouteUnknown("There is nothing at this address.")

    async def _ready(self) -> Response:
        """Ready is when every model of the catalog is, the text models too."""
        states = await self._readiness.states()
        ready = all(states.values())
        return json_response({"ready": ready, "models": states}, 200 if ready else 503)

    async def _adapt(self, request: Request, name: str) -> Response:
        require_method(request, "POST")
        source = self._source(name)
        asked = request.query_params
        adapter = tuned(going(adapter_of(name, source), asked.get(MIXING)), asked.get(SENSITIVITY))
        training_file = await read_body(request, MAX_TRAINING_FILE)
        most_s = asked_seconds(request.query_params.get(MOST_S), most_seconds(source))
        lines = self._in_turn(adapter, training_file, most_s)
        return StreamingResponse(lines, media_type=LINES)

    async def _keep(self, request: Request, adapter_id: str) -> Response:
        body = await read_body(request, MAX_ADAPTER)
        if request.method == "DELETE":
            await asyncio.to_thread(self._adapters.drop, adapter_id)
            return Response(status_code=204)
        require_method(request, "PUT")
        name = await asyncio.to_thread(self._adapters.put, adapter_id, body, self._fit)
        return json_response({"name": name, "ready": True})

    async def _in_turn(
        self, adapter: Adapter, training_file: bytes, most_s: float
    ) -> AsyncIterator[bytes]:
        """One adaptation at a time learns; the others have a place in the queue."""
        async with self._adapting, aclosing(adapting(adapter, training_file, most_s)) as lines:
            async for line in lines:
                yield line

    def _fit(self, name: str) -> Fit:
        return fit_of(Path(self._source(name).place))

    def _source(self, name: str) -> Source:
        try:
            return self._sources[name]
        except KeyError:
            raise ModelUnknown("There is no such specialist here.", param="model") from None


def operations_app(
    sources: Mapping[str, Source], models: Mapping[str, Where], folders: Folders
) -> serve.Application:
    """`sources` are the models of the catalog that may be adapted; `models` are all that there
    are."""
    deployment = serve.deployment(
        name=OperationsApp.__name__,
        num_replicas=1,
        max_ongoing_requests=256,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
        health_check_period_s=HEALTH_PERIOD_S,
    )(OperationsApp)
    return deployment.bind(dict(sources), dict(models), folders)
