"""Models: what is sold, whether it answers, how much it is called and what it earned.

Health is what this process knows of the servers from its own calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from litestar import Response, get
from litestar.di import NamedDependency

from billing.reports.model_usage import NOTHING, ModelUse, open_calls, use_by_model
from gateway.dashboard.page_request import Viewing
from gateway.identity.roles import Permission
from gateway.upstream.availability import Availability
from gateway.upstream.load_balancer import CircuitState, Router
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Model
from models.extras import extra_of

_DAY, _LONG = timedelta(days=1), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Shown:
    """A model in the list. `health` is `good`, `partly`, `bad`, `unserved` or, where this process
    has not called it yet, `unknown`. `extra` is what has to be installed for it to be served."""

    model: Model
    health: str
    extra: str | None
    servers: int
    open: int
    day: ModelUse
    month: ModelUse


@get("/platform/models", name="platform:models", permission=Permission.WATCH)
async def models(
    viewing: NamedDependency[Viewing],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    catalog: NamedDependency[Catalog],
    availability: NamedDependency[Availability],
    router: NamedDependency[Router],
) -> Response[str]:
    now, circuits = clock.now(), _circuits(router)
    async with database.transaction() as session:
        day = await use_by_model(session, now - _DAY)
        month = await use_by_model(session, now - _LONG)
        running = await open_calls(session)
    shown = [
        Shown(
            model=model,
            health=(
                health_of([circuits[url].get(model.id) for url in router.servers(model.id)])
                if availability.serves(model)
                else "unserved"
            ),
            extra=None if availability.serves(model) else extra_of(model),
            servers=len(router.servers(model.id)),
            open=running.get(model.id, 0),
            day=day.get(model.id, NOTHING),
            month=month.get(model.id, NOTHING),
        )
        for model in catalog.models.values()
    ]
    return viewing.page("platform/models.html", rows=shown)


def health_of(circuits: Sequence[CircuitState | None]) -> str:
    """What the servers of a model are like together; None is one that was not called yet."""
    if not circuits:
        return "unserved"
    if CircuitState.OPEN not in circuits:
        return "good" if CircuitState.CLOSED in circuits else "unknown"
    return "partly" if set(circuits) - {CircuitState.OPEN} else "bad"


def _circuits(router: Router) -> Mapping[str, Mapping[str, CircuitState]]:
    return {server.url: server.circuits for server in router.state()}
