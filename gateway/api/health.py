"""Health checks and Prometheus metrics, for operators.

Liveness: the process responds. Readiness: a call would be served.
"""

import asyncio
import hmac
from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_404_NOT_FOUND, HTTP_503_SERVICE_UNAVAILABLE

from gateway.access.authenticator import Authenticator
from gateway.call.errors import MetricsTokenInvalid
from gateway.inference.call_metrics import CallMetrics
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router
from infra.errors import AppError
from infra.settings import Settings
from infra.telemetry.metrics import Metrics
from models.catalog import Catalog

_PROBE_TIMEOUT_S = 3.0


@get("/health/live", summary="Liveness: the gateway process runs")
async def live() -> dict[str, str]:
    """Return 200 with status `ok` as long as the process answers."""
    return {"status": "ok"}


@get("/health/ready", summary="Readiness: the gateway can serve calls")
async def ready(
    authenticator: NamedDependency[Authenticator],
    upstream: NamedDependency[UpstreamClient],
    router: NamedDependency[Router],
    catalog: NamedDependency[Catalog],
    models: Annotated[
        bool, QueryParameter(description="false: whether this gateway works, whatever they do")
    ] = True,
) -> Response[Any]:
    """Return 200 if calls can be served, else 503; `models=false` skips the model servers."""
    # With `models=false` no server is contacted: load balancers poll every few seconds.
    pools = _server_pools(router, catalog) if models else set()
    are_models_ready = all(
        await asyncio.gather(*(_is_pool_ready(upstream, servers) for servers in pools))
    )
    is_database_fresh = authenticator.is_fresh
    is_ready = is_database_fresh and are_models_ready
    model_status = {"models": are_models_ready} if models else {}
    return Response(
        {
            "status": "ok" if is_ready else "unavailable",
            "database": is_database_fresh,
            **model_status,
        },
        status_code=HTTP_200_OK if is_ready else HTTP_503_SERVICE_UNAVAILABLE,
    )


@get("/metrics", summary="Prometheus metrics", media_type="text/plain")
async def metrics(
    metrics: NamedDependency[Metrics],
    call_metrics: NamedDependency[CallMetrics],
    settings: NamedDependency[Settings],
    request: Request[Any, Any, Any],
) -> Response[bytes]:
    """Return the metrics as text. Raises MetricsTokenInvalid without the configured token."""
    _require_token(settings, request.headers.get("authorization", ""))
    call_metrics.flush()
    text, content_type = await asyncio.to_thread(metrics.exposition)
    return Response(text, media_type=content_type)


def _server_pools(router: Router, catalog: Catalog) -> set[tuple[str, ...]]:
    """Return the own servers of each model; models of upstreams alone have none to wait for."""
    return {
        router.server_urls(model_id)
        for model_id in catalog.models
        if router.server_urls(model_id) or not router.upstream_names(model_id)
    }


def _require_token(settings: Settings, authorization: str) -> None:
    """Raise MetricsTokenInvalid unless the header is the configured bearer token."""
    if settings.metrics_token is not None:
        expected = f"Bearer {settings.metrics_token.get_secret_value()}"
        if not hmac.compare_digest(expected.encode(), authorization.encode("latin-1", "replace")):
            raise MetricsTokenInvalid(
                "Send the token of MAAS_METRICS_TOKEN as `Authorization: Bearer <token>` to "
                "read the metrics."
            )


async def _is_pool_ready(upstream: UpstreamClient, servers: Sequence[str]) -> bool:
    """Return whether a server pool can serve calls.

    This platform's serving reports on all of its models; other servers list their models when
    ready.
    """
    try:
        status, _ = await upstream.get_from_any(servers, "/v2/health/ready", _PROBE_TIMEOUT_S)
        if status == HTTP_404_NOT_FOUND:
            status, _ = await upstream.get_from_any(servers, "/v1/models", _PROBE_TIMEOUT_S)
    except AppError:
        return False
    return status == HTTP_200_OK
