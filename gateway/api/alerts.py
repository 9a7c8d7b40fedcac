"""`/v1/alerts`: where the account's alerts go, and from which percentages on."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from msgspec import UNSET, UnsetType

from billing.notifications.alert_target_changes import change_target
from billing.notifications.alert_targets import target_json
from billing.notifications.sample_alert import try_out
from gateway.call.values import Principal
from gateway.wire.body import read_strictly
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.webhook_post import SignedPoster


class AlertWish(msgspec.Struct):
    """What is to change: the webhook's address, null for none; percentages of a limit."""

    url: str | UnsetType | None = UNSET
    percentages: list[int] | UnsetType = UNSET


_CHANGE = (
    "The host name of a new URL is looked up: it must exist and have an address that deliveries "
    "may go to, else the answer is 400 `alert_target_invalid` with `param` `url`. If DNS does not "
    "answer within two seconds, the URL is accepted, and the answer has a `warning`."
)
_WISH = msgspec.json.Decoder(AlertWish)
BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/alerts": AlertWish}


class AlertRoutes(Controller):
    """The account's own. Limits themselves are the operator's to set."""

    path = "/v1/alerts"

    @get("/", summary="Where alerts go, and those that could not be delivered")
    async def target(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            return await target_json(session, principal.account_id)

    @post(
        "/",
        status_code=200,
        summary="Change it; a new address has a secret, shown once",
        description=_CHANGE,
    )
    async def change(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        poster: NamedDependency[SignedPoster],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        wish = read_strictly(_WISH, await request.body())
        url = None if wish.url is UNSET else wish.url or ""
        percentages = None if wish.percentages is UNSET else wish.percentages
        account_id, reach = principal.account_id, poster.reach
        return await change_target(database, reach, account_id, url, percentages)

    @post("/test", status_code=200, summary="Send a test event, and show how the delivery went")
    async def test(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        poster: NamedDependency[SignedPoster],
    ) -> dict[str, Any]:
        return (await try_out(database, clock, poster, principal.account_id)).to_json()
