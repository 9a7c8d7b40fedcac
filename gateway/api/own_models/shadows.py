"""`/v1/models/{model}/shadow`: a candidate version answers calls of the current one, unseen."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.metering.key_epoch import read_epoch
from gateway.access.propagation import Propagation
from gateway.api.actors import key_actor
from gateway.call.values import Principal
from gateway.fine_tuning import shadow_changes
from gateway.observations.shadow_report import load_shadow_report, shadow_json
from gateway.wire.own_models.shadows import ShadowRequest, parse_shadow_request
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

PATH = "/v1/models/{name:str}/shadow"
BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/models/{name}/shadow": ShadowRequest}
_MAX_BODY_BYTES = 64 << 10


class ShadowRoutes(Controller):
    """The shadow deployment of an own model; one of another account is reported as not found."""

    path = PATH
    request_max_body_size = _MAX_BODY_BYTES

    @post("/", status_code=200, summary="Start a shadow deployment of a version")
    async def start(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        propagation: NamedDependency[Propagation],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Let a version answer a share of the calls, unseen, not billed; wait for all gateways."""
        parsed = parse_shadow_request(await request.body())
        actor, account_id = key_actor(principal, request), principal.account_id
        async with database.transaction() as session:
            await shadow_changes.start(session, clock, catalog, actor, account_id, name, parsed)
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        return await _report(database, clock, principal, name)

    @get("/", summary="Retrieve the newest shadow deployment of a model with its report")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Return agreement, differences, and both scores on observed results."""
        return await _report(database, clock, principal, name)

    @delete("/", status_code=200, summary="Stop a shadow deployment")
    async def stop(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Stop the newest shadow deployment of a model; its report is kept."""
        actor, account_id = key_actor(principal, request), principal.account_id
        async with database.transaction() as session:
            await shadow_changes.stop(session, clock, actor, account_id, name)
        return await _report(database, clock, principal, name)

    @post("/promote", status_code=200, summary="Let the candidate of a shadow deployment answer")
    async def promote(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        propagation: NamedDependency[Propagation],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Set the candidate as the version that answers calls, and wait for all gateways."""
        actor, account_id = key_actor(principal, request), principal.account_id
        async with database.transaction() as session:
            await shadow_changes.promote(session, clock, actor, account_id, name)
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        return await _report(database, clock, principal, name)


async def _report(
    database: Database, clock: Clock, principal: Principal, name: str
) -> dict[str, Any]:
    """Return the newest shadow deployment of a model with its report as JSON."""
    row, report = await load_shadow_report(database, principal.account_id, name)
    return shadow_json(clock, row, report)
