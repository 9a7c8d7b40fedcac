"""Notifications of payment providers, below `/collectors/`: verified, recorded, acknowledged.

They are recorded at once, not queued: whoever pays waits for the page to change.
"""

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from billing.collection.collector import InvalidNotification
from billing.collection.payments.checkout import Checkout
from billing.collection.payments.notifications import receive_notification
from billing.collection.payments.providers import PROVIDERS, ProviderEntry
from infra.clock import Clock
from infra.database.database import Database
from infra.telemetry.metrics import Metrics

_MAX_BODY_BYTES = 256 << 10
_FORGED = "refused"


def notification_routes() -> list[HTTPRouteHandler]:
    """Return one route for each provider, also for those that are not configured."""
    return [_notification_route(entry) for entry in PROVIDERS.values()]


def notification_paths() -> tuple[str, ...]:
    """Return the path of each provider's notifications."""
    return tuple(entry.info.notification_path for entry in PROVIDERS.values())


def _notification_route(entry: ProviderEntry) -> HTTPRouteHandler:
    """Return the route that receives the notifications of one provider."""
    info = entry.info

    @post(
        info.notification_path,
        status_code=200,
        operation_id=f"{info.name.title().replace('_', '')}Notification",
        summary=f"Receive signed {info.label} notifications",
        request_max_body_size=_MAX_BODY_BYTES,
    )
    async def notification(
        request: Request[Any, Any, Any],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        checkout: NamedDependency[Checkout],
        metrics: NamedDependency[Metrics],
    ) -> Response[str]:
        """Record a notification, then answer what stops its repetition."""
        counter, body = metrics.payment_notifications, await request.body()
        try:
            recorded = await receive_notification(
                database, clock, checkout.providers, info.name, body, request.headers
            )
        except InvalidNotification:
            counter.labels(info.name, _FORGED).inc()
            raise
        counter.labels(info.name, recorded.value).inc()
        return Response(info.acknowledgement, media_type=info.acknowledgement_type)

    return notification
