"""The operations application, a Ray Serve deployment at `/v2` that always has one replica.

It serves `/v2/health/ready` and `/v2/metrics`, whose frequent polling must not start a specialist
that is scaled to zero; `/v2/adapters`, to which the gateway uploads customers' language model
adapters; and `/v2/adaptations`, fine-tuning that takes minutes and must neither count as load of
the specialists nor end when one of their replicas is stopped.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from importlib.metadata import version

from ray import serve
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from models.adaptation import AdaptFunction
from serving.errors import ModelNotFound, RouteNotFound
from serving.folders import Folders
from serving.health import DRAIN_POLL_S, HEALTH_PERIOD_S
from serving.http import json_response, path_segments, read_body, require_method, run_handler
from serving.readiness import ModelDeployment, ModelReadiness
from serving.specialists.loader import ModelSource
from serving.text.adapter_store import (
    AdapterSettings,
    AdapterStore,
    is_adapter_id,
)
from serving.text.ended_counters import EndedCounters
from serving.text.engine_counters import EngineCounters
from serving.text.prometheus import CONTENT_TYPE
from serving.training.fine_tune_task import (
    find_adapter,
    max_training_seconds,
    parse_max_seconds,
    split_schema,
    stream_fine_tuning,
    with_mixing,
    with_schema,
    with_sensitivity,
)
from serving.training.language_model import required_settings
from serving.training.ready_made import with_ready_made

MAX_TRAINING_FILE_BYTES = 64 << 20
# Room for an adapter of rank 16 on a large base model, base64-encoded (4/3 of its size).
MAX_ADAPTER_BYTES = 512 << 20
NDJSON = "application/x-ndjson"
# Query parameter: maximum training time in seconds, if lower than the server's limit.
MAX_SECONDS_PARAM = "most_s"
# Query parameter: interpolation between the parent adapter and the trained one, default 1.
MIXING_PARAM = "mixing"
# Query parameter: divisor of an anomaly detector's threshold, default 1.
SENSITIVITY_PARAM = "sensitivity"
SCHEMA_LENGTH_PARAM = "schema_length"
_SERVER = {"name": "maas-serving", "version": version("maas-gateway")}
_EXTENSIONS = ["binary_tensor_data"]


class OperationsApp:
    """The `/v2` routes; a single replica, so that one fine-tuning job runs at a time."""

    def __init__(
        self,
        sources: Mapping[str, ModelSource],
        models: Mapping[str, ModelDeployment],
        folders: Folders,
    ) -> None:
        self._sources = sources
        self._adapters = AdapterStore(folders.adapters)
        self._training_lock = asyncio.Semaphore(1)
        self._readiness = ModelReadiness(models)
        self._counters = EngineCounters(models, EndedCounters(folders.counts))

    async def __call__(self, request: Request) -> Response:
        return await run_handler(request, self._route)

    async def _route(self, request: Request) -> Response:
        """Dispatch a request by its path. Raises RouteNotFound."""
        match path_segments(request):
            case []:
                require_method(request, "GET")
                return json_response({**_SERVER, "extensions": _EXTENSIONS})
            case ["health", "live"]:
                return json_response({"live": True})
            case ["health", "ready"]:
                return await self._readiness_response()
            case ["metrics"]:
                require_method(request, "GET")
                text = await self._counters.render(await self._readiness.states())
                return Response(text, media_type=CONTENT_TYPE)
            case ["adapters", adapter_id] if is_adapter_id(adapter_id):
                return await self._update_adapter(request, adapter_id)
            case ["adaptations", name]:
                return await self._fine_tune(request, name)
        raise RouteNotFound("Unknown URL.")

    async def _readiness_response(self) -> Response:
        """Return the state of each model, with status 200 if all are ready, else 503."""
        states = await self._readiness.states()
        ready = all(states.values())
        return json_response({"ready": ready, "models": states}, 200 if ready else 503)

    async def _fine_tune(self, request: Request, name: str) -> Response:
        """Fine-tune the model `name` on the training file in the body; stream JSON lines."""
        require_method(request, "POST")
        source = self._find_source(name)
        query = request.query_params
        adapter = with_mixing(find_adapter(name, source), query.get(MIXING_PARAM))
        adapter = with_sensitivity(adapter, query.get(SENSITIVITY_PARAM))
        body = await read_body(request, MAX_TRAINING_FILE_BYTES)
        schema, training_file = split_schema(body, query.get(SCHEMA_LENGTH_PARAM))
        adapter = with_ready_made(with_schema(adapter, schema), self._sources)
        max_seconds = parse_max_seconds(query.get(MAX_SECONDS_PARAM), max_training_seconds(source))
        lines = self._stream_in_turn(adapter, training_file, max_seconds)
        return StreamingResponse(lines, media_type=NDJSON)

    async def _update_adapter(self, request: Request, adapter_id: str) -> Response:
        """Store (PUT) or delete (DELETE) a customer's language model adapter."""
        body = await read_body(request, MAX_ADAPTER_BYTES)
        if request.method == "DELETE":
            await asyncio.to_thread(self._adapters.remove, adapter_id)
            return Response(status_code=204)
        require_method(request, "PUT")
        name = await asyncio.to_thread(
            self._adapters.put, adapter_id, body, self._required_settings
        )
        return json_response({"name": name, "ready": True})

    async def _stream_in_turn(
        self, adapter: AdaptFunction, training_file: bytes, max_seconds: float
    ) -> AsyncIterator[bytes]:
        """Wait for the running job to end, then run this one and yield its events as JSON lines."""
        async with (
            self._training_lock,
            aclosing(stream_fine_tuning(adapter, training_file, max_seconds)) as lines,
        ):
            async for line in lines:
                yield line

    def _required_settings(self, name: str) -> AdapterSettings:
        """Return the LoRA settings that an adapter for the model `name` must have."""
        return required_settings(self._find_source(name))

    def _find_source(self, name: str) -> ModelSource:
        """Return where the fine-tunable model `name` is loaded from. Raises ModelNotFound."""
        try:
            return self._sources[name]
        except KeyError:
            raise ModelNotFound(
                "This deployment does not serve this specialist model.", param="model"
            ) from None


def operations_app(
    sources: Mapping[str, ModelSource], models: Mapping[str, ModelDeployment], folders: Folders
) -> serve.Application:
    """Build the operations application.

    `sources` are the catalog's models that can be fine-tuned, `models` all models of the catalog.
    """
    deployment = serve.deployment(
        name=OperationsApp.__name__,
        num_replicas=1,
        max_ongoing_requests=256,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
        health_check_period_s=HEALTH_PERIOD_S,
    )(OperationsApp)
    return deployment.bind(dict(sources), dict(models), folders)
