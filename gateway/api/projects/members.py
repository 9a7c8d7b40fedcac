"""`/v1/organization/projects/{project}/users`: the people of a project."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.api.actors import key_actor
from gateway.api.projects.authorization import require_project_admin
from gateway.api.projects.projects import PROJECTS_PATH
from gateway.call.values import Principal
from gateway.identity.audit_log import PERSON_ID_PREFIX
from gateway.projects.errors import ProjectMemberNotFound
from gateway.projects.members import (
    add_member,
    change_member_role,
    find_person,
    get_member,
    list_members,
    remove_member,
)
from gateway.projects.projects import get_project, lock_active_project, parse_project_id
from gateway.projects.views import member_json
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

Role = Literal["owner", "member"]


class ProjectUserRequest(msgspec.Struct):
    """A person of the account (`person_…`, or the e-mail address) and the role."""

    role: Role
    user_id: str = ""
    email: str = ""


class ProjectUserChangeRequest(msgspec.Struct):
    """The new role."""

    role: Role


_NEW = msgspec.json.Decoder(ProjectUserRequest)
_CHANGE = msgspec.json.Decoder(ProjectUserChangeRequest)
_PATH = f"{PROJECTS_PATH}/{{project:str}}/users"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{PROJECTS_PATH}/{{project}}/users": ProjectUserRequest,
    f"{PROJECTS_PATH}/{{project}}/users/{{user}}": ProjectUserChangeRequest,
}


class ProjectUserRoutes(Controller):
    """The people of a project, in OpenAI's shape. Owners of the account are not listed."""

    path = _PATH

    @get("/", summary="List the people of a project")
    async def users(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        project: FromPath[str],
    ) -> dict[str, Any]:
        """Return all people of a project, the oldest membership first."""
        project_id = parse_project_id(project)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            row = await get_project(session, principal.account_id, project_id)
            members = await list_members(session, principal.account_id, row.id)
        data = [member_json(member) for member in members]
        first_id, last_id = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return {
            "object": "list",
            "data": data,
            "first_id": first_id,
            "last_id": last_id,
            "has_more": False,
        }

    @post("/", status_code=200, summary="Add a person of the account to a project")
    async def add(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        project: FromPath[str],
    ) -> dict[str, Any]:
        """Add a person and return the membership."""
        body = decode_body_strict(_NEW, await request.body())
        project_id, actor = parse_project_id(project), key_actor(principal, request)
        account_id = principal.account_id
        person = _parse_person_id(body.user_id) if body.user_id else None
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            row = await lock_active_project(session, account_id, project_id)
            person_id = await find_person(session, account_id, person=person, email=body.email)
            return member_json(await add_member(session, clock, actor, row, person_id, body.role))

    @get("/{user:str}", summary="Retrieve a person of a project")
    async def user(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        project: FromPath[str],
        user: FromPath[str],
    ) -> dict[str, Any]:
        """Return one person of a project."""
        project_id, person_id = parse_project_id(project), _parse_person_id(user)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            member = await get_member(session, principal.account_id, project_id, person_id)
        return member_json(member)

    @post("/{user:str}", status_code=200, summary="Change the role of a person in a project")
    async def change(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        project: FromPath[str],
        user: FromPath[str],
    ) -> dict[str, Any]:
        """Change the role and return the membership."""
        body = decode_body_strict(_CHANGE, await request.body())
        project_id, person_id = parse_project_id(project), _parse_person_id(user)
        actor = key_actor(principal, request)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            row = await lock_active_project(session, principal.account_id, project_id)
            member = await change_member_role(session, clock, actor, row, person_id, body.role)
        return member_json(member)

    @delete("/{user:str}", status_code=200, summary="Remove a person from a project")
    async def remove(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        project: FromPath[str],
        user: FromPath[str],
    ) -> dict[str, Any]:
        """Remove a person from a project."""
        project_id, person_id = parse_project_id(project), _parse_person_id(user)
        actor = key_actor(principal, request)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            row = await lock_active_project(session, principal.account_id, project_id)
            await remove_member(session, clock, actor, row, person_id)
        return {"object": "organization.project.user.deleted", "id": user, "deleted": True}


def _parse_person_id(text: str) -> UUID:
    """Parse the public id `person_…`. Raises ProjectMemberNotFound."""
    person_id = ids.parse_id(PERSON_ID_PREFIX, text)
    if person_id is None:
        raise ProjectMemberNotFound("The person is not a member.", param="user_id")
    return person_id
