"""`/v1/organization/users`: members of the account, in OpenAI's shape."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.admin.context import AdminRequest
from gateway.api.organization.parameters import array_parameter, parse_role
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.identity.audit_log import PERSON_ID_PREFIX
from gateway.identity.team import Member, MemberNotFound, change_role, list_members, remove_member
from gateway.operations.organization_views import READER, openai_role, user_json
from infra import ids


class UserChanges(msgspec.Struct):
    """The new role: `owner`, `reader`, or a role of ours (`developer`, `finance`, `viewer`)."""

    role: str


_PATH = "/v1/organization/users"
BODIES: Mapping[str, type[msgspec.Struct]] = {f"{_PATH}/{{user_id}}": UserChanges}
_CHANGES = msgspec.json.Decoder(UserChanges)


class OrganizationUserRoutes(Controller):
    """Members of the account. `reader` stands for all roles but `owner`."""

    path = "/users"

    @get("/", summary="List members of the account, the oldest membership first")
    async def users(
        self,
        organization: NamedDependency[AdminRequest],
        request: Request[Any, Any, Any],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of members, of these `emails[]` if given."""
        cursor, emails = parse_cursor(PERSON_ID_PREFIX, after), array_parameter(request, "emails")

        async def load(session: AsyncSession) -> list[Member]:
            """Return the members behind the cursor."""
            members = await list_members(session, organization.account_id)
            found = [one for one in members if not emails or one.email in emails]
            places = [index for index, one in enumerate(found) if one.person_id == cursor]
            return found[places[0] + 1 :] if places else found

        rows = await organization.read(load)
        return bidirectional_page_json(rows[: limit + 1], limit, user_json, False)

    @get("/{user_id:str}", summary="Retrieve a member of the account")
    async def user(
        self, organization: NamedDependency[AdminRequest], user_id: FromPath[str]
    ) -> dict[str, Any]:
        """Return a member."""
        person_id = _parse_user_id(user_id)
        return await organization.read(
            lambda session: _load(session, organization.account_id, person_id)
        )

    @post("/{user_id:str}", status_code=200, summary="Change the role of a member")
    async def update(
        self, organization: NamedDependency[AdminRequest], user_id: FromPath[str]
    ) -> Response[bytes]:
        """Change a member's role and end the member's sessions in the account."""
        person_id, name = _parse_user_id(user_id), organization.decode(_CHANGES).role
        account_id, role = organization.account_id, parse_role(name)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Change the role and return the member."""
            member = await _find(session, account_id, person_id)
            # A developer is a reader already: the role would be lost otherwise.
            if name != READER or openai_role(member.role) != READER:
                place = (session, organization.clock, organization.actor, account_id, person_id)
                await change_role(*place, role)
            return await _load(session, account_id, person_id)

        return await organization.change(apply)

    @delete("/{user_id:str}", status_code=200, summary="Remove a member from the account")
    async def remove(
        self, organization: NamedDependency[AdminRequest], user_id: FromPath[str]
    ) -> Response[bytes]:
        """Remove a member; the last owner cannot be removed."""
        person_id, account_id = _parse_user_id(user_id), organization.account_id

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Remove the member."""
            place = (session, organization.clock, organization.actor, account_id, person_id)
            await remove_member(*place)
            return {"object": "organization.user.deleted", "id": user_id, "deleted": True}

        return await organization.change(apply)


async def _load(session: AsyncSession, account_id: UUID, person_id: UUID) -> dict[str, Any]:
    """Return a member as JSON. Raises MemberNotFound."""
    return user_json(await _find(session, account_id, person_id))


async def _find(session: AsyncSession, account_id: UUID, person_id: UUID) -> Member:
    """Return a member of the account. Raises MemberNotFound."""
    members = await list_members(session, account_id)
    found = next((one for one in members if one.person_id == person_id), None)
    if found is None:
        raise MemberNotFound("Member not found in this account.", param="user_id")
    return found


def _parse_user_id(text: str) -> UUID:
    """Parse the public id of a person. Raises MemberNotFound."""
    person_id = ids.parse_id(PERSON_ID_PREFIX, text)
    if person_id is None:
        raise MemberNotFound("Member not found in this account.", param="user_id")
    return person_id
