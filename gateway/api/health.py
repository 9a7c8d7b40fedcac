"""What operators and their tools read: health and metrics.

Liveness says that the process answers; readiness that a call would.
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
from gateway.call.errors import MetricsRefused
from gateway.inference.call_metrics import Figures
from gateway.upstream.client import Upstream
from gateway.upstream.load_balancer import Router
from infra.errors import AppError
from infra.settings import Settings
from infra.telemetry.metrics import Metrics
from models.catalog import Catalog

_PROBE_S = 3.0


@get("/health/live", summary="Whether the gateway runs")
async def live() -> dict[str, str]:
    return {"status": "ok"}


@get("/health/ready", summary="Whether a call would be answered")
async def ready(
    authenticator: NamedDependency[Authenticator],
    upstream: NamedDependency[Upstream],
    router: NamedDependency[Router],
    catalog: NamedDependency[Catalog],
    models: Annotated[
        bool, QueryParameter(description="false: whether this gateway works, whatever they do")
    ] = True,
) -> Response[Any]:
    # Not asked for, they are not looked at: a balancer asks every gateway every few seconds.
    pools = {router.servers(model_id) for model_id in catalog.models} if models else set()
    served = all(await asyncio.gather(*(_models(upstream, servers) for servers in pools)))
    records = authenticator.fresh
    good = records and served
    told = {"models": served} if models else {}
    return Response(
        {"status": "ok" if good else "unavailable", "database": records, **told},
        status_code=HTTP_200_OK if good else HTTP_503_SERVICE_UNAVAILABLE,
    )


@get("/metrics", summary="Prometheus metrics", media_type="text/plain")
async def metrics(
    metrics: NamedDependency[Metrics],
    figures: NamedDependency[Figures],
    settings: NamedDependency[Settings],
    request: Request[Any, Any, Any],
) -> Response[bytes]:
    """Where a token is set, whoever reads them shows it as a bearer token."""
    _require_token(settings, request.headers.get("authorization", ""))
    figures.tell()
    text, content_type = await asyncio.to_thread(metrics.exposition)
    return Response(text, media_type=content_type)


def _require_token(settings: Settings, shown: str) -> None:
    """Raises MetricsRefused."""
    if settings.metrics_token is not None:
        expected = f"Bearer {settings.metrics_token.get_secret_value()}"
        if not hmac.compare_digest(expected.encode(), shown.encode("latin-1", "replace")):
            raise MetricsRefused("These figures are for those who know MAAS_METRICS_TOKEN.")


async def _models(upstream: Upstream, servers: Sequence[str]) -> bool:
    """Our own serving says whether all its models answer; other servers list theirs when ready."""
    try:
        status, _ = await upstream.ask(servers, "/v2/health/ready", _PROBE_S)
        if status == HTTP_404_NOT_FOUND:
            status, _ = await upstream.ask(servers, "/v1/models", _PROBE_S)
    except AppError:
        return False
    return status == HTTP_200_OK
