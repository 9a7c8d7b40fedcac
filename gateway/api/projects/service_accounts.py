"""`/v1/organization/projects/{project}/service_accounts`: members that are not persons."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.api.actors import key_actor
from gateway.api.pagination import PageLimit, bidirectional_page_json
from gateway.api.projects.authorization import require_project_admin
from gateway.api.projects.projects import PROJECTS_PATH
from gateway.call.values import Principal
from gateway.projects.projects import get_project, parse_project_id
from gateway.projects.service_accounts import (
    create_service_account,
    delete_service_account,
    get_service_account,
    list_service_accounts,
    require_service_account_id,
)
from gateway.projects.views import service_account_json, unix
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class ServiceAccountRequest(msgspec.Struct):
    """The name of a new service account."""

    name: str


_NEW = msgspec.json.Decoder(ServiceAccountRequest)
_PATH = f"{PROJECTS_PATH}/{{project:str}}/service_accounts"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{PROJECTS_PATH}/{{project}}/service_accounts": ServiceAccountRequest
}


class ServiceAccountRoutes(Controller):
    """The service accounts of a project, in OpenAI's shape."""

    path = _PATH

    @get("/", summary="List the service accounts of a project")
    async def service_accounts(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        project: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the service accounts of a project, the oldest first."""
        project_id, account_id = parse_project_id(project), principal.account_id
        cursor = None if after is None else require_service_account_id(after)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            row = await get_project(session, account_id, project_id)
            rows = await list_service_accounts(session, account_id, row.id, limit + 1, cursor)
        return bidirectional_page_json(rows, limit, service_account_json, backwards=False)

    @post("/", status_code=200, summary="Create a service account; its key is shown once")
    async def create(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        request: Request[Any, Any, Any],
        project: FromPath[str],
    ) -> dict[str, Any]:
        """Create a service account and return it with the secret of its first key."""
        body = decode_body_strict(_NEW, await request.body())
        project_id, actor = parse_project_id(project), key_actor(principal, request)
        account_id = principal.account_id
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            issued = await create_service_account(
                session, clock, pepper, actor, account_id, project_id, body.name
            )
        key = issued.key.row
        return {
            **service_account_json(issued.row),
            "api_key": {
                "object": "organization.project.service_account.api_key",
                "id": ids.format_id(KEY_PREFIX, key.id),
                "name": key.name,
                "value": issued.key.secret,
                "created_at": unix(key.created_at),
            },
        }

    @get("/{service_account:str}", summary="Retrieve a service account")
    async def service_account(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        project: FromPath[str],
        service_account: FromPath[str],
    ) -> dict[str, Any]:
        """Return one service account of a project."""
        project_id = parse_project_id(project)
        found_id = require_service_account_id(service_account)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            row = await get_service_account(session, principal.account_id, project_id, found_id)
            return service_account_json(row)

    @delete(
        "/{service_account:str}",
        status_code=200,
        summary="Delete a service account and revoke its keys",
    )
    async def remove(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        project: FromPath[str],
        service_account: FromPath[str],
    ) -> dict[str, Any]:
        """Delete a service account; its keys stop working at once."""
        project_id, actor = parse_project_id(project), key_actor(principal, request)
        found_id = require_service_account_id(service_account)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            row = await get_project(session, principal.account_id, project_id)
            await delete_service_account(session, clock, actor, row, found_id)
        return {
            "object": "organization.project.service_account.deleted",
            "id": service_account,
            "deleted": True,
        }
