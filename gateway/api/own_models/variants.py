"""`/v1/models/{variant}`: versions of a fine-tuned model, changes and rollback, deletions."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.key_epoch import read_epoch
from gateway.access.propagation import Propagation
from gateway.api.actors import key_actor
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.fine_tuning import deletion, versions
from gateway.identity.audit_log import Actor
from gateway.registry.activations import ACTIVATION_ID_PREFIX, VersionChange, list_activations
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database

_MAX_BODY_BYTES = 64 << 10


class CurrentVersionRequest(msgspec.Struct):
    """The version that serves calls without a version."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]


_DECODER = msgspec.json.Decoder(CurrentVersionRequest)


class VariantRoutes(Controller):
    """Fine-tuned models of the account; those of another account are reported as not found."""

    path = "/v1/models"
    request_max_body_size = _MAX_BODY_BYTES

    @get("/{name:str}/deletions", summary="List the deletions of a variant, newest first")
    async def deletions(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        name: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return what was erased: versions and files with hashes, when, by whom, which servers."""
        cursor, account_id = parse_cursor(deletion.DELETION_ID_PREFIX, after), principal.account_id
        async with database.transaction() as session:
            rows = await deletion.list_deletions(session, account_id, name, limit + 1, cursor)
        return page_json(rows, limit, deletion.render_deletion)

    @get("/{name:str}/versions", summary="List the versions of a variant, newest first")
    async def list_versions(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Return the callable versions with their scores at training, ten at most."""
        async with database.transaction() as session:
            rows = await versions.list_versions_with_jobs(session, principal.account_id, name)
        data = [versions.render_version(name, version, job) for version, job in rows]
        return {"object": "list", "data": data, "has_more": False}

    @get("/{name:str}/activations", summary="List which version answered calls since when")
    async def activations(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        name: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the changes of a variant's current version, newest first."""
        cursor, account_id = parse_cursor(ACTIVATION_ID_PREFIX, after), principal.account_id
        async with database.transaction() as session:
            rows = await list_activations(session, account_id, name, limit + 1, cursor)
        return page_json(rows, limit, versions.render_activation)

    @put("/{name:str}/current", summary="Set the version of a fine-tuned model that serves calls")
    async def current(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        propagation: NamedDependency[Propagation],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Set which version of a fine-tuned variant answers calls, and wait for all gateways."""
        number = decode_body_strict(_DECODER, await request.body()).version
        actor, account_id = key_actor(principal, request), principal.account_id
        async with database.transaction() as session:
            change = await versions.activate(session, clock, actor, account_id, name, number)
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        return _change_json(name, change)

    @post("/{name:str}/rollback", status_code=200, summary="Return to the version before")
    async def rollback(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        propagation: NamedDependency[Propagation],
        request: Request[Any, Any, Any],
        name: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Let the version answer calls that did before the current one; wait for all gateways."""
        actor = key_actor(principal, request)
        change = partial(_roll_back, clock, actor, principal.account_id, name)
        answer = await idempotent_response(database, principal, request, idempotency_key, change)
        async with database.transaction() as session:
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        return answer


async def _roll_back(
    clock: Clock, actor: Actor, account_id: UUID, name: str, session: AsyncSession
) -> dict[str, Any]:
    """Roll a variant back and return which version answers now."""
    return _change_json(name, await versions.roll_back(session, clock, actor, account_id, name))


def _change_json(name: str, change: VersionChange) -> dict[str, Any]:
    """Return the version of a variant that answers calls, and the one before."""
    return {
        "id": name,
        "object": "model",
        "version": change.version,
        "previous_version": change.previous,
    }
