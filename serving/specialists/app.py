"""The specialists as a Ray Serve deployment at `/v2/models`, in the Open Inference Protocol.

Customers' variants are uploaded under their version ids and are then served like other models.
The deployment may scale to zero, so readiness, metrics and fine-tuning are in another application
(serving/cluster/operations_app.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from models.drift.counts_text import HEADER as BINS_HEADER
from models.signature import Columns
from serving.errors import (
    InputInvalid,
    MethodNotAllowed,
    ModelNotFound,
    RouteNotFound,
    VariantNotLoaded,
)
from serving.health import DRAIN_POLL_S, HEALTH_PERIOD_S
from serving.http import JSON, json_response, path_segments, read_body, require_method, run_handler
from serving.scaling import Scaling
from serving.specialists.inference import (
    QueuedRequest,
    parse_inference,
    render_inference,
    run_batch,
)
from serving.specialists.input_bins import describe_bins
from serving.specialists.loader import ModelSource, load_specialist
from serving.specialists.open_inference import HEADER_LENGTH, InferRequest
from serving.specialists.specialist import Specialist, model_metadata
from serving.specialists.variant_store import VariantStore
from serving.variant_folder import VariantFolder, is_variant_id

MAX_BODY_BYTES = 8 << 20
MAX_VARIANT_BYTES = 64 << 20

RunBatched = Callable[[QueuedRequest], Awaitable[Columns]]
"""Enqueues one request for the next batch and returns its outputs."""


def create_batch_queue() -> RunBatched:
    """Create the batch queue of one specialist, so that batches of others do not delay it."""

    # No batch delay: the requests that arrived during one batch form the next one.
    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0)
    async def run(requests: list[QueuedRequest]) -> list[Columns]:
        return await asyncio.to_thread(run_batch, requests)

    run_batched: RunBatched = run
    return run_batched


class SpecialistApp:
    """The `/v2/models` routes; each replica holds all specialists of a few megabytes each.

    `create_queue` creates the batch queue of one specialist. The default works only inside a Ray
    Serve replica.
    """

    def __init__(
        self,
        sources: Mapping[str, ModelSource],
        variants: Path,
        create_queue: Callable[[], RunBatched] = create_batch_queue,
    ) -> None:
        self._specialists = {
            name: load_specialist(name, source) for name, source in sources.items()
        }
        self._queues: dict[str, RunBatched] = {name: create_queue() for name in sources}
        self._variants = VariantStore(self._find_base, VariantFolder(variants))

    async def __call__(self, request: Request) -> Response:
        return await run_handler(request, self._route)

    async def check_health(self) -> None:
        """Drop deleted variants; Ray calls this on every replica every HEALTH_PERIOD_S seconds."""
        await self._variants.drop_deleted()

    async def _route(self, request: Request) -> Response:
        """Dispatch a request by its path. Raises RouteNotFound."""
        match path_segments(request):
            case [name] if request.method in ("PUT", "DELETE"):
                return await self._update_variant(request, name)
            case [name, *rest]:
                return await self._handle_model(request, name, rest)
        raise RouteNotFound("Unknown URL.")

    async def _handle_model(self, request: Request, name: str, rest: list[str]) -> Response:
        """Return a model's metadata or readiness, or run an inference, by the rest of the path."""
        # Read the body before any error response: a response sent before the body was read breaks
        # the connection.
        body = await read_body(request, MAX_BODY_BYTES)
        model, run = await self._find_model(name)
        if rest[:1] == ["versions"]:
            _require_version(model, rest[1:2])
            rest = rest[2:]
        match rest:
            case []:
                require_method(request, "GET")
                return json_response(model_metadata(model))
            case ["ready"]:
                require_method(request, "GET")
                return json_response({"name": model.name, "ready": True})
            case ["infer"]:
                require_method(request, "POST")
                return await self._infer(request, body, model, run)
        raise RouteNotFound("Unknown URL.")

    async def _infer(
        self, request: Request, body: bytes, model: Specialist, run: RunBatched
    ) -> Response:
        """Parse an inference request, run it in a batch and return the response."""
        length = _parse_header_length(request)
        infer_request, columns = await asyncio.to_thread(parse_inference, model, body, length)
        rows = len(next(iter(columns.values())))
        results = await run((model, columns, rows))
        return await asyncio.to_thread(_respond, model, infer_request, columns, results)

    async def _update_variant(self, request: Request, variant_id: str) -> Response:
        """Load (PUT) or delete (DELETE) a customer's variant."""
        body = await read_body(request, MAX_VARIANT_BYTES)
        if not is_variant_id(variant_id):
            raise MethodNotAllowed("Only fine-tuned models can be loaded and deleted.")
        if request.method == "DELETE":
            await self._variants.remove(variant_id)
            return Response(status_code=204)
        name = await self._variants.put(variant_id, body)
        return json_response({"name": name, "ready": True})

    async def _find_model(self, name: str) -> tuple[Specialist, RunBatched]:
        """Return a model or variant and its batch queue, which a base shares with its variants.

        A queue per variant would keep the variant in memory for ever. Raises ModelNotFound.
        """
        if is_variant_id(name):
            variant = await self._variants.find(name)
            if variant is None:
                raise VariantNotLoaded("The fine-tuned model is not loaded.", param="model")
            return variant.specialist, self._queues[variant.base]
        return self._find_base(name), self._queues[name]

    def _find_base(self, name: str) -> Specialist:
        """Return the base model `name`. Raises ModelNotFound."""
        try:
            return self._specialists[name]
        except KeyError:
            raise ModelNotFound(
                "This deployment does not serve this specialist model.", param="model"
            ) from None


def specialist_app(
    sources: Mapping[str, ModelSource], variants: Path, scaling: Scaling
) -> serve.Application:
    """Build the specialists' application.

    `sources` are the catalog's specialists, `variants` is the folder of customers' variants.
    """
    deployment = serve.deployment(
        name=SpecialistApp.__name__,
        autoscaling_config=scaling.autoscaling_config(),
        max_ongoing_requests=256,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
        health_check_period_s=HEALTH_PERIOD_S,
    )(SpecialistApp)
    return deployment.bind(dict(sources), variants)


def _respond(
    model: Specialist, request: InferRequest, columns: Columns, results: Columns
) -> Response:
    """Return the HTTP response of an inference, with the counts of its inputs in a header.

    The length header is set for binary tensors.
    """
    rendered = render_inference(model, request, results)
    bins = describe_bins(model, columns, results)
    headers = {} if bins is None else {BINS_HEADER: bins}
    if rendered.header_length is None:
        return Response(rendered.body, headers=headers, media_type=JSON)
    headers[HEADER_LENGTH] = str(rendered.header_length)
    return Response(rendered.body, headers=headers, media_type="application/octet-stream")


def _parse_header_length(request: Request) -> int | None:
    """Return the JSON length from Inference-Header-Content-Length; None without the header."""
    text = request.headers.get(HEADER_LENGTH)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise InputInvalid(f"{HEADER_LENGTH} must be a number of bytes.")
    return int(text)


def _require_version(model: Specialist, versions: list[str]) -> None:
    """Raise ModelNotFound unless `versions` is the model's only version."""
    if versions != [model.signature.version]:
        raise ModelNotFound(f"{model.name!r} only has version {model.signature.version}.")
