"""The rest of the Open Inference Protocol v2: what a client asks before it infers.

Owns the addresses; the specialists' server gives the answers. Only models of the catalog and the
account's own variants are reachable, and only these addresses.
"""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.call.errors import ModelNotFound, UpstreamFailed, WrongEndpoint
from gateway.call.values import Operation, Principal, Served
from gateway.inference.parsing import Parser
from gateway.upstream.client import Upstream
from gateway.upstream.load_balancer import Router
from gateway.upstream.model_metadata import Describing
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


@get(
    ["/v2/models/{name:str}/ready", "/v2/models/{name:str}/versions/{version:str}/ready"],
    summary="Open Inference Protocol: the model answers",
)
async def model_ready(
    principal: NamedDependency[Principal],
    parser: NamedDependency[Parser],
    describing: NamedDependency[Describing],
    name: FromPath[str],
    version: FromPath[str | None] = None,
) -> Response[Any]:
    served = _served(parser, principal, name, version)
    status, _ = await describing.ask(served, principal.account_id, "/ready")
    if status == 404 and version is not None:
        raise _no_such_version(name)
    return Response(None, status_code=200 if status == 200 else 503)


@get(
    ["/v2/models/{name:str}", "/v2/models/{name:str}/versions/{version:str}"],
    summary="Open Inference Protocol: inputs and outputs of a model",
)
async def model_metadata(
    principal: NamedDependency[Principal],
    parser: NamedDependency[Parser],
    describing: NamedDependency[Describing],
    name: FromPath[str],
    version: FromPath[str | None] = None,
) -> Response[bytes]:
    served = _served(parser, principal, name, version)
    status, body = await describing.ask(served, principal.account_id, "")
    if status == 404:
        raise _no_such_version(name)
    if status != 200:
        raise UpstreamFailed("The model could not describe itself.")
    return Response(body, media_type="application/json")


def _no_such_version(name: str) -> ModelNotFound:
    return ModelNotFound(f"The model {name[:100]!r} has no such version.", param="version")


def _served(parser: Parser, principal: Principal, name: str, version: str | None) -> Served:
    try:
        return parser.served(name, version, Operation.INFER, principal)
    except WrongEndpoint:
        # Under this protocol there are specialists only.
        raise ModelNotFound(
            f"The specialist {name[:100]!r} does not exist.", param="model"
        ) from None
