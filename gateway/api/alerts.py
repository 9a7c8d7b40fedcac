"""`/v1/alerts`: the account's alert webhook and thresholds (percentages of a limit)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from msgspec import UNSET, UnsetType

from billing.notifications.alert_target_changes import change_alert_target
from billing.notifications.alert_targets import alert_target_json
from billing.notifications.sample_alert import send_sample_alert
from gateway.call.values import Principal
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.webhook_post import SignedPoster


class AlertSettingsRequest(msgspec.Struct):
    """Alert settings to change; omitted fields are unchanged.

    `url` is the webhook, null to remove it. `percentages` are the shares of a limit at which an
    alert is sent.
    """

    url: str | UnsetType | None = UNSET
    percentages: list[int] | UnsetType = UNSET


_CHANGE_DESCRIPTION = (
    "The host name of a new URL is resolved: it must exist and have an address "
    "that deliveries may go to; otherwise the response is 400 "
    "`alert_target_invalid` with `param` `url`. If DNS does not answer within "
    "two seconds, the URL is accepted and the response has a `warning`."
)
_DECODER = msgspec.json.Decoder(AlertSettingsRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/alerts": AlertSettingsRequest}


class AlertRoutes(Controller):
    """The account's own alert settings. Limits themselves are set by the operator."""

    path = "/v1/alerts"

    @get("/", summary="Retrieve the alert settings and failed deliveries")
    async def target(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return the account's alert settings and undelivered alerts, without the secret."""
        async with database.transaction() as session:
            return await alert_target_json(session, principal.account_id)

    @post(
        "/",
        status_code=200,
        summary="Update the alert settings; a new webhook URL gets a signing secret, shown once",
        description=_CHANGE_DESCRIPTION,
    )
    async def change(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        webhook_poster: NamedDependency[SignedPoster],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Update the webhook URL or the thresholds; absent fields keep their value."""
        settings = decode_body_strict(_DECODER, await request.body())
        url = None if settings.url is UNSET else settings.url or ""
        percentages = None if settings.percentages is UNSET else settings.percentages
        account_id, reach = principal.account_id, webhook_poster.allowed_addresses
        return await change_alert_target(database, reach, account_id, url, percentages)

    @post("/test", status_code=200, summary="Send a test event and return the delivery result")
    async def test(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        webhook_poster: NamedDependency[SignedPoster],
    ) -> dict[str, Any]:
        """Send a test event to the account's alert target and return the delivery result."""
        return (
            await send_sample_alert(database, clock, webhook_poster, principal.account_id)
        ).to_json()
