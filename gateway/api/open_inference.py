"""Health and metadata endpoints of the Open Inference Protocol v2.

Responses come from the specialists' server. Only models of the catalog and the account's own
variants are reachable.
"""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.call.errors import ModelNotFound, UpstreamFailed, WrongEndpoint
from gateway.call.values import Principal, ResolvedModel
from gateway.inference.endpoints.infer import INFER
from gateway.inference.parsing import Parser
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router
from gateway.upstream.model_metadata import ModelMetadata
from models.catalog import SPECIALIST_TASKS, Catalog

_TIMEOUT_S = 10.0


@get("/v2/health/live", summary="Open Inference Protocol: server live")
async def server_live() -> Response[None]:
    """Return an empty 200 response."""
    return Response(None)


@get("/v2/health/ready", summary="Open Inference Protocol: server ready")
async def server_ready(
    catalog: NamedDependency[Catalog],
    upstream: NamedDependency[UpstreamClient],
    router: NamedDependency[Router],
) -> Response[Any]:
    """Return 200 if a server of the specialist models reports that it is ready."""
    model = next(model for model in catalog.models.values() if model.task in SPECIALIST_TASKS)
    status, _ = await upstream.get_from_any(
        router.server_urls(model.id), "/v2/health/ready", _TIMEOUT_S
    )
    return Response(None, status_code=200 if status == 200 else 503)


@get(
    ["/v2/models/{name:str}/ready", "/v2/models/{name:str}/versions/{version:str}/ready"],
    summary="Open Inference Protocol: model ready",
)
async def model_ready(
    principal: NamedDependency[Principal],
    parser: NamedDependency[Parser],
    model_metadata: NamedDependency[ModelMetadata],
    name: FromPath[str],
    version: FromPath[str | None] = None,
) -> Response[Any]:
    """Return 200 if the server reports the model, or its version, as ready, else 503."""
    served = _resolve_model(parser, principal, name, version)
    status, _ = await model_metadata.fetch(served, principal.account_id, "/ready")
    if status == 404 and version is not None:
        raise _version_not_found(name)
    return Response(None, status_code=200 if status == 200 else 503)


@get(
    ["/v2/models/{name:str}", "/v2/models/{name:str}/versions/{version:str}"],
    summary="Open Inference Protocol: model metadata",
)
async def model_metadata(
    principal: NamedDependency[Principal],
    parser: NamedDependency[Parser],
    model_metadata: NamedDependency[ModelMetadata],
    name: FromPath[str],
    version: FromPath[str | None] = None,
) -> Response[bytes]:
    """Return the metadata that the server reports of a model or its version."""
    served = _resolve_model(parser, principal, name, version)
    status, body = await model_metadata.fetch(served, principal.account_id, "")
    if status == 404:
        raise _version_not_found(name)
    if status != 200:
        raise UpstreamFailed("The model's metadata could not be read. Try again shortly.")
    return Response(body, media_type="application/json")


def _version_not_found(name: str) -> ModelNotFound:
    """Return the error for a version that the model does not have."""
    return ModelNotFound(
        f"The model {name[:100]!r} has no such version. GET /v1/models lists the versions.",
        param="version",
    )


def _resolve_model(
    parser: Parser, principal: Principal, name: str, version: str | None
) -> ResolvedModel:
    """Return the specialist model of a public name and version. Raises ModelNotFound."""
    try:
        return parser.resolve_model(name, version, INFER, principal)
    except WrongEndpoint:
        # Only specialist models are served under this protocol.
        raise ModelNotFound(
            f"The specialist model {name[:100]!r} does not exist. GET /v1/models lists the models.",
            param="model",
        ) from None
