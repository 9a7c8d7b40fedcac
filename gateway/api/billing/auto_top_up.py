"""`/v1/wallet/auto_top_up`: automatic top-up from a saved payment method."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency

from gateway.api.actors import key_actor
from gateway.call.values import Principal
from gateway.operations.auto_top_up import (
    AutoTopUpChange,
    auto_top_up_json,
    turn_off_auto_top_up,
    turn_on_auto_top_up,
)
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings


class AutoTopUpRequest(msgspec.Struct):
    """Automatic top-up: amounts in the account's currency, such as `100.00`.

    When the balance less usage that is not invoiced falls below `threshold`, the saved payment
    method pays `amount`, at most `monthly_ceiling` in a calendar month. `consent` must be true: it
    gives the authorization in `consent_text`.
    """

    threshold: str
    amount: str
    monthly_ceiling: str
    consent: bool


_DECODER = msgspec.json.Decoder(AutoTopUpRequest)
_PATH = "/v1/wallet/auto_top_up"
BODIES: Mapping[str, type[msgspec.Struct]] = {_PATH: AutoTopUpRequest}


class AutoTopUpRoutes(Controller):
    """The account's automatic top-up."""

    path = _PATH

    @get("/", summary="Retrieve the automatic top-up")
    async def auto_top_up(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        """Return whether automatic top-up is on, and what it has paid in this month."""
        async with database.transaction() as session:
            return await auto_top_up_json(session, clock, principal.account_id)

    @post("/", status_code=200, summary="Turn automatic top-up on, or change it")
    async def turn_on(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Store the account's consent."""
        wanted = decode_body_strict(_DECODER, await request.body())
        change = AutoTopUpChange(
            wanted.threshold, wanted.amount, wanted.monthly_ceiling, wanted.consent
        )
        account_id = principal.account_id
        by = ids.format_id("key", principal.key_id)
        async with database.transaction() as session:
            actor = key_actor(principal, request)
            await turn_on_auto_top_up(session, clock, settings, actor, account_id, change, by)
            return await auto_top_up_json(session, clock, account_id)

    @delete("/", status_code=200, summary="Turn automatic top-up off")
    async def turn_off(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Withdraw the consent. A payment that is pending is still credited."""
        account_id = principal.account_id
        async with database.transaction() as session:
            actor = key_actor(principal, request)
            await turn_off_auto_top_up(session, clock, actor, account_id)
            return await auto_top_up_json(session, clock, account_id)
