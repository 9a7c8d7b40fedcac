"""The page of models: availability, health, calls and revenue.

Health comes from the circuit breakers of this process, so from its own calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from litestar import Response, get
from litestar.di import NamedDependency

from billing.reports.model_usage import (
    NO_MODEL_USAGE,
    PlatformModelUsage,
    count_open_calls,
    load_usage_by_model,
)
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from gateway.process.catalog_reloader import CatalogReloader
from gateway.upstream.availability import Availability
from gateway.upstream.circuit_breaker import CircuitState
from gateway.upstream.load_balancer import Router
from gateway.upstream.upstream_monitor import UpstreamMonitor
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Model
from models.extras import required_extra

_DAY, _MONTH = timedelta(days=1), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A row of the model list.

    `health` is `good`, `partly`, `bad`, `unserved`, or `unknown` if this process has not called the
    model. `extra` is the package extra to install before the model can be served.
    """

    model: Model
    health: str
    extra: str | None
    servers: int
    open: int
    day: PlatformModelUsage
    month: PlatformModelUsage


@get("/platform/models", name="platform:models", permission=Permission.WATCH)
async def list_models(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    catalog: NamedDependency[Catalog],
    availability: NamedDependency[Availability],
    router: NamedDependency[Router],
    upstream_monitor: NamedDependency[UpstreamMonitor],
    catalog_reloader: NamedDependency[CatalogReloader],
) -> Response[str]:
    """Show all models with their servers, load and usage."""
    now, circuits = clock.now(), _circuits_by_server(router)
    async with database.transaction() as session:
        day = await load_usage_by_model(session, now - _DAY)
        month = await load_usage_by_model(session, now - _MONTH)
        running = await count_open_calls(session)
    rows = [
        ModelRow(
            model=model,
            health=(
                model_health([circuits[id].get(model.id) for id in router.server_ids(model.id)])
                if availability.is_served(model)
                else "unserved"
            ),
            extra=None if availability.is_served(model) else required_extra(model),
            servers=len(router.server_ids(model.id)),
            open=running.get(model.id, 0),
            day=day.get(model.id, NO_MODEL_USAGE),
            month=month.get(model.id, NO_MODEL_USAGE),
        )
        for model in catalog.models.values()
    ]
    return page.render(
        "platform/models.html",
        rows=rows,
        upstreams=upstream_monitor.statuses,
        catalog_status=catalog_reloader.status,
        aliases=catalog.aliases,
        zone=platform_zone(),
    )


def model_health(circuits: Sequence[CircuitState | None]) -> str:
    """Combine the circuit states of a model's servers; None is a server not called yet."""
    if not circuits:
        return "unserved"
    if CircuitState.OPEN not in circuits:
        return "good" if CircuitState.CLOSED in circuits else "unknown"
    return "partly" if set(circuits) - {CircuitState.OPEN} else "bad"


def _circuits_by_server(router: Router) -> Mapping[str, Mapping[str, CircuitState]]:
    """Return the circuit states by server id and model."""
    return {server.id: server.circuits for server in router.snapshot()}
