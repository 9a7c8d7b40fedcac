"""`/v1/organization/invites`: invitations to the account, in OpenAI's shape."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.admin.context import AdminRequest
from gateway.api.organization.parameters import parse_role
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.call.errors import ParameterUnsupported
from gateway.identity.invitation_list import (
    INVITATION_ID_PREFIX,
    get_invitation,
    list_invitations,
)
from gateway.identity.services import IdentityServices
from gateway.operations.organization_views import invite_json
from infra import ids


class NewInvite(msgspec.Struct):
    """Whom to invite: `role` is `owner`, `reader`, or a role of ours. `projects` must be empty."""

    email: str
    role: str
    projects: list[dict[str, Any]] = []


_PATH = "/v1/organization/invites"
BODIES: Mapping[str, type[msgspec.Struct]] = {_PATH: NewInvite}
_NEW = msgspec.json.Decoder(NewInvite)


class OrganizationInviteRoutes(Controller):
    """Invitations to the account; the link is sent by e-mail."""

    path = "/invites"

    @get("/", summary="List invitations to the account, newest first")
    async def invites(
        self,
        organization: NamedDependency[AdminRequest],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of invitations, accepted and expired ones included."""
        account_id, cursor = organization.account_id, parse_cursor(INVITATION_ID_PREFIX, after)
        rows = await organization.read(
            lambda session: list_invitations(session, account_id, limit + 1, cursor)
        )
        clock = organization.clock
        return bidirectional_page_json(rows, limit, lambda row: invite_json(row, clock), False)

    @post("/", status_code=200, summary="Invite an address to the account")
    async def create(
        self,
        organization: NamedDependency[AdminRequest],
        identity: NamedDependency[IdentityServices],
    ) -> Response[bytes]:
        """Invite an address; an open invitation with the same role is an error."""
        body = organization.decode(_NEW)
        if body.projects:
            raise ParameterUnsupported("`projects` must be empty.", param="projects")
        role, account_id = parse_role(body.role), organization.account_id

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Send the invitation and return it."""
            place = (session, organization.actor, account_id)
            issued = await identity.invitations.invite_unless_pending(*place, body.email, role)
            public_id = ids.format_id(INVITATION_ID_PREFIX, issued.id)
            found = await get_invitation(session, account_id, public_id)
            return invite_json(found, organization.clock)

        return await organization.change(apply)

    @get("/{invite_id:str}", summary="Retrieve an invitation to the account")
    async def invite(
        self, organization: NamedDependency[AdminRequest], invite_id: FromPath[str]
    ) -> dict[str, Any]:
        """Return an invitation."""
        account_id = organization.account_id
        found = await organization.read(
            lambda session: get_invitation(session, account_id, invite_id)
        )
        return invite_json(found, organization.clock)

    @delete("/{invite_id:str}", status_code=200, summary="Withdraw an open invitation")
    async def remove(
        self,
        organization: NamedDependency[AdminRequest],
        identity: NamedDependency[IdentityServices],
        invite_id: FromPath[str],
    ) -> Response[bytes]:
        """Withdraw an invitation that was not accepted; its link becomes invalid."""
        account_id = organization.account_id

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Withdraw the invitation."""
            found = await get_invitation(session, account_id, invite_id)
            place = (session, organization.actor, account_id, found.id)
            await identity.invitations.withdraw(*place)
            return {"object": "organization.invite.deleted", "id": invite_id, "deleted": True}

        return await organization.change(apply)
