"""The rest of the Open Inference Protocol v2: what a client asks before it infers.

Owns the addresses; the specialists' server gives the answers. Only models of the catalog are
reachable, and only these addresses.
"""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.errors import ModelNotFound, UpstreamFailed
from gateway.flow import Principal
from gateway.routing import Router
from gateway.upstream import Upstream
from models.catalog import SPECIALIST_TASKS, Catalog

_SECONDS = 10.0


@get("/v2/health/live", summary="Open Inference Protocol: the server runs")
async def server_live() -> Response[None]:
    return Response(None)


@get("/v2/health/ready", summary="Open Inference Protocol: the specialists answer")
async def server_ready(
    catalog: NamedDependency[Catalog],
    upstream: NamedDependency[Upstream],
    router: NamedDependency[Router],
) -> Response[Any]:
    model = next(one for one in catalog.models.values() if one.task in SPECIALIST_TASKS)
    status, _ = await upstream.ask(router.servers(model.id), "/v2/health/ready", _SECONDS)
    return Response(None, status_code=200 if status == 200 else 503)


@get("/v2/models/{name:str}/ready", summary="Open Inference Protocol: the model answers")
async def model_ready(
    principal: NamedDependency[Principal],
    catalog: NamedDependency[Catalog],
    upstream: NamedDependency[Upstream],
    router: NamedDependency[Router],
    name: FromPath[str],
) -> Response[Any]:
    _require_specialist(catalog, name)
    path = f"/v2/models/{name}/ready"
    status, _ = await upstream.ask(router.servers(name), path, _SECONDS)
    return Response(None, status_code=200 if status == 200 else 503)


@get("/v2/models/{name:str}", summary="Open Inference Protocol: inputs and outputs of a model")
async def model_metadata(
    principal: NamedDependency[Principal],
    catalog: NamedDependency[Catalog],
    upstream: NamedDependency[Upstream],
    router: NamedDependency[Router],
    name: FromPath[str],
) -> Response[bytes]:
    _require_specialist(catalog, name)
    path = f"/v2/models/{name}"
    status, body = await upstream.ask(router.servers(name), path, _SECONDS)
    if status != 200:
        raise UpstreamFailed("The model could not describe itself.")
    return Response(body, media_type="application/json")


def _require_specialist(catalog: Catalog, name: str) -> None:
    model = catalog.find(name)
    if model is None or model.task not in SPECIALIST_TASKS:
        raise ModelNotFound(f"The specialist {name[:100]!r} does not exist.", param="model")
