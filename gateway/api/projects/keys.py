"""`/v1/organization/projects/{project}/api_keys`: the keys of a project."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import ApiKey, Project
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import KeyNotFound, require_key, revoke_key
from gateway.api.actors import key_actor
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.api.projects.authorization import require_project_admin
from gateway.api.projects.projects import PROJECTS_PATH
from gateway.call.values import Principal
from gateway.projects.keys import create_project_key, list_project_keys, move_key
from gateway.projects.projects import get_project, parse_project_id
from gateway.projects.views import load_key_views
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class ProjectKeyRequest(msgspec.Struct):
    """The name of a new key; or `id`, a key (`key_…`) of the account to move to the project."""

    name: str = "key"
    id: str | None = None


_NEW = msgspec.json.Decoder(ProjectKeyRequest)
_PATH = f"{PROJECTS_PATH}/{{project:str}}/api_keys"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{PROJECTS_PATH}/{{project}}/api_keys": ProjectKeyRequest
}


class ProjectKeyRoutes(Controller):
    """The keys of a project, in OpenAI's shape. Creating and moving keys are extensions."""

    path = _PATH

    @get("/", summary="List the keys of a project")
    async def keys(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the keys that are in a project now, the oldest first."""
        project_id, cursor = parse_project_id(project), parse_cursor(KEY_PREFIX, after)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            row = await get_project(session, principal.account_id, project_id)
            keys = await list_project_keys(session, principal.account_id, row.id)
            rows = [key for key in keys if cursor is None or key.id > cursor][: limit + 1]
            views = await load_key_views(session, row, rows, clock.now())
        return bidirectional_page_json(views, limit, dict, backwards=False)

    @post("/", status_code=200, summary="Create a key in a project, or move a key to it")
    async def create(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        request: Request[Any, Any, Any],
        project: FromPath[str],
    ) -> dict[str, Any]:
        """Create a key and return it with its secret, shown once; or move a key and return it."""
        body = decode_body_strict(_NEW, await request.body())
        project_id, actor = parse_project_id(project), key_actor(principal, request)
        account_id = principal.account_id
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            if body.id is not None:
                key_id = await require_key(session, account_id, body.id)
                moved = await move_key(session, clock, actor, account_id, key_id, project_id)
                return await _render(session, clock, account_id, project_id, moved)
            issued = await create_project_key(
                session, clock, pepper, account_id, project_id, body.name, actor=actor
            )
            shown = await _render(session, clock, account_id, project_id, issued.row)
        return {**shown, "value": issued.secret}

    @get("/{key:str}", summary="Retrieve a key of a project")
    async def key(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
        key: FromPath[str],
    ) -> dict[str, Any]:
        """Return one key of a project, without its secret."""
        project_id, account_id = parse_project_id(project), principal.account_id
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            project_row, row = await _find(session, account_id, project_id, key)
            return await _render(session, clock, account_id, project_row.id, row)

    @delete("/{key:str}", status_code=200, summary="Revoke a key of a project")
    async def revoke(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        project: FromPath[str],
        key: FromPath[str],
    ) -> dict[str, Any]:
        """Revoke a key of a project at once."""
        project_id, actor = parse_project_id(project), key_actor(principal, request)
        account_id = principal.account_id
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            _, row = await _find(session, account_id, project_id, key)
            await revoke_key(session, clock, account_id, row.id, actor)
        return {"object": "organization.project.api_key.deleted", "id": key, "deleted": True}


async def _find(
    session: AsyncSession, account_id: UUID, project_id: UUID, text: str
) -> tuple[Project, ApiKey]:
    """Return a project and one of its keys. Raises ProjectNotFound, KeyNotFound."""
    project, key_id = (
        await get_project(session, account_id, project_id),
        ids.parse_id(KEY_PREFIX, text),
    )
    for row in await list_project_keys(session, account_id, project.id):
        if row.id == key_id:
            return project, row
    raise KeyNotFound("The project has no such API key.")


async def _render(
    session: AsyncSession, clock: Clock, account_id: UUID, project_id: UUID, row: ApiKey
) -> dict[str, Any]:
    """Return a key of a project as JSON."""
    project = await get_project(session, account_id, project_id)
    (view,) = await load_key_views(session, project, [row], clock.now())
    return view
