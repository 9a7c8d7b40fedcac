"""The specialists as a Ray Serve deployment at `/v2/models`, in the Open Inference Protocol.

Customers' variants are put beside the models, each under the id of its version, and then are models
like others. Replicas come and go by load, none may be left: so what has to answer meanwhile is
elsewhere (serving/cluster/operations_app.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from models.signature import Columns
from serving.errors import InputInvalid, MethodWrong, ModelUnknown, RouteUnknown, VariantUnknown
from serving.health import DRAIN_POLL_S, HEALTH_PERIOD_S
from serving.http import JSON, guarded, json_response, parts_of, read_body, require_method
from serving.scaling import Scaling
from serving.specialists.inference import Asked, render, run_all, understand
from serving.specialists.loader import Source, load
from serving.specialists.open_inference import HEADER_LENGTH, Rendered
from serving.specialists.specialist import Specialist, metadata_of
from serving.specialists.variant_store import VariantShelf
from serving.variant_folder import VariantFolder, is_variant_id

MAX_BODY = 8 << 20
MAX_VARIANT = 64 << 20

Run = Callable[[Asked], Awaitable[Columns]]


def batching() -> Run:
    """Where requests wait for one specialist: a long batch of another does not hold them up."""

    # No waiting for company: what has queued up while the last batch ran is the next batch.
    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0)
    async def run(asked: list[Asked]) -> list[Columns]:
        return await asyncio.to_thread(run_all, asked)

    together: Run = run
    return together


class SpecialistApp:
    """A replica holds all specialists: each is a few megabytes and answers in microseconds.

    `queue` makes a queue for each of them. The default works only in a replica of Ray Serve.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        variants: Path,
        queue: Callable[[], Run] = batching,
    ) -> None:
        self._specialists = {name: load(name, source) for name, source in sources.items()}
        self._queues: dict[str, Run] = {name: queue() for name in sources}
        self._variants = VariantShelf(self._base, VariantFolder(variants))

    async def __call__(self, request: Request) -> Response:
        return await guarded(request, self._route)

    async def _route(self, request: Request) -> Response:
        match parts_of(request):
            case [name] if request.method in ("PUT", "DELETE"):
                return await self._keep(request, name)
            case [name, *rest]:
                return await self._model(request, name, rest)
        raise RouteUnknown("There is nothing at this address.")

    async def _model(self, request: Request, name: str, rest: list[str]) -> Response:
        # Read also where it is refused: an answer that overtakes its body breaks the connection.
        body = await read_body(request, MAX_BODY)
        model, run = await self._find(name)
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

    async def _infer(self, request: Request, body: bytes, model: Specialist, run: Run) -> Response:
        length = _header_length(request)
        asked, columns = await asyncio.to_thread(understand, model, body, length)
        rows = len(next(iter(columns.values())))
        results = await run((model, columns, rows))
        return _answer(await asyncio.to_thread(render, model, asked, results))

    async def _keep(self, request: Request, variant_id: str) -> Response:
        body = await read_body(request, MAX_VARIANT)
        if not is_variant_id(variant_id):
            raise MethodWrong("Only customers' variants are put and deleted.")
        if request.method == "DELETE":
            await self._variants.drop(variant_id)
            return Response(status_code=204)
        name = await self._variants.put(variant_id, body)
        return json_response({"name": name, "ready": True})

    async def _find(self, name: str) -> tuple[Specialist, Run]:
        """A model and the queue that its requests wait in, which a base shares with its variants.
        A queue for each variant would hold it for good."""
        if is_variant_id(name):
            variant = await self._variants.find(name)
            if variant is None:
                raise VariantUnknown("The variant is not loaded.", param="model")
            return variant.specialist, self._queues[variant.base]
        return self._base(name), self._queues[name]

    def _base(self, name: str) -> Specialist:
        try:
            return self._specialists[name]
        except KeyError:
            raise ModelUnknown("There is no such specialist here.", param="model") from None


def specialist_app(
    sources: Mapping[str, Source], variants: Path, scaling: Scaling
) -> serve.Application:
    """`sources` are the specialists of the catalog; `variants` is where customers' own are kept."""
    deployment = serve.deployment(
        name=SpecialistApp.__name__,
        autoscaling_config=scaling.settings(),
        max_ongoing_requests=256,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
        health_check_period_s=HEALTH_PERIOD_S,
    )(SpecialistApp)
    return deployment.bind(dict(sources), variants)


def _answer(rendered: Rendered) -> Response:
    if rendered.header_length is None:
        return Response(rendered.body, media_type=JSON)
    headers = {HEADER_LENGTH: str(rendered.header_length)}
    return Response(rendered.body, headers=headers, media_type="application/octet-stream")


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
