"""`/v1/plant/commands`: connectors fetch the commands of agents and report their outcomes."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.commands.delivery import Exchange, exchange
from gateway.call.values import Principal
from gateway.plant.commands.exchange import EXCHANGE_PATH, PATH, ExchangeRequest
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from infra.telemetry.metrics import Metrics

_DECODER = msgspec.json.Decoder(ExchangeRequest)
_MAX_BODY_BYTES = 1 << 20
BODIES = {EXCHANGE_PATH: ExchangeRequest}


class PlantCommandRoutes(Controller):
    """Commands for the account's connectors; the API key needs the permission `commands`."""

    path = PATH
    request_max_body_size = _MAX_BODY_BYTES

    @post("/exchange", status_code=200, summary="Report outcomes of commands and fetch new ones")
    async def exchange_commands(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        metrics: NamedDependency[Metrics],
        request: Request[Any, Any, Any],
    ) -> Response[bytes]:
        """Store reports; return the limits in force, commands without an outcome, and renewals."""
        body = decode_body_strict(_DECODER, await request.body())
        async with database.transaction() as session:
            done = await _exchange(session, clock, principal, body)
        for status in done.ended:
            metrics.agents.commands.labels(status).inc()
        content = msgspec.json.encode(done.response)
        return Response(content, media_type="application/json")


async def _exchange(
    session: AsyncSession, clock: Clock, principal: Principal, body: ExchangeRequest
) -> Exchange:
    """Exchange with a connector of the key's account."""
    return await exchange(session, clock, principal.account_id, body)
