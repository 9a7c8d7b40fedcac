"""The team pages: members and invitations, and one member with an owner's actions."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.dashboard.forms import (
    EMPTY_FORM,
    FormState,
    read_form_fields,
    restored_form,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.email_address import EmailInvalid, normalize_email
from gateway.identity.invitations import (
    AlreadyInvited,
    AlreadyMember,
    InvitationNotFound,
    TooManyInvitations,
)
from gateway.identity.roles import Permission, Role
from gateway.identity.services import IdentityServices
from gateway.identity.team import (
    LastOwner,
    MemberNotFound,
    RoleInvalid,
    change_role,
    end_member_sessions,
    list_members,
    remove_member,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, collect

_PRESERVED_FIELDS = PreservedFields("/dashboard/team", ("email", "role"))
_PERSON_PREFIX, _INVITATION_PREFIX = "person", "invitation"
_FORM_ERRORS = (
    EmailInvalid,
    RoleInvalid,
    AlreadyMember,
    AlreadyInvited,
    TooManyInvitations,
    SeveralErrors,
)


class TeamPages(Controller):
    """Handlers of `/dashboard/team`."""

    path = "/team"

    @get("/", name="dashboard:team")
    async def list_team(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show members and open invitations."""
        return await _render_team(page, identity, database, clock)

    @post("/invitations", permission=Permission.TEAM, keeps=_PRESERVED_FIELDS)
    async def invite_member(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Invite a person by e-mail."""
        fields = await read_form_fields(request)
        try:
            email, role = collect(
                lambda: normalize_email(fields.get("email", "")), lambda: _parse_role(fields)
            )
            async with database.transaction() as session:
                issued = await identity.invitations.invite_unless_pending(
                    session, page.actor, page.account_id, email, role
                )
                profile = await get_profile(session, page.account_id)
        except _FORM_ERRORS as error:
            form = with_errors(page, fields, error)
            return await _render_team(page, identity, database, clock, form)
        return page.render("invited.html", issued=issued, zone=parse_time_zone(profile.time_zone))

    @post("/invitations/{invitation:str}/resend", permission=Permission.TEAM)
    async def resend_invitation(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        invitation: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Send the invitation again.

        The form names the link that is replaced: a repeated request replaces only one.
        """
        fields, invitation_id = await read_form_fields(request), _parse_invitation_id(invitation)
        async with database.transaction() as session:
            pending = await identity.invitations.list_pending(session, page.account_id)
            if any(
                invited.id == invitation_id
                and invited.expires_at.isoformat() != fields.get("until")
                for invited in pending
            ):
                return page.redirect("/dashboard/team")
            issued = await identity.invitations.resend(
                session, page.actor, page.account_id, invitation_id
            )
            profile = await get_profile(session, page.account_id)
        return page.render("invited.html", issued=issued, zone=parse_time_zone(profile.time_zone))

    @post("/invitations/{invitation:str}/withdraw", permission=Permission.TEAM)
    async def withdraw_invitation(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        invitation: FromPath[str],
    ) -> Response[Any]:
        """Withdraw an invitation."""
        invitation_id = _parse_invitation_id(invitation)
        async with database.transaction() as session:
            await identity.invitations.withdraw(session, page.actor, page.account_id, invitation_id)
        return page.redirect("/dashboard/team")

    @get("/{member:str}", name="dashboard:member", permission=Permission.TEAM)
    async def show_member(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        member: FromPath[str],
    ) -> Response[str]:
        """Show a member with role and sessions."""
        return await _render_member(page, database, clock, _parse_person_id(member))

    @post("/{member:str}/role", permission=Permission.TEAM)
    async def change_role(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        member: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Change the member's role."""
        fields, person_id = await read_form_fields(request), _parse_person_id(member)
        try:
            role, current_session_id = _parse_role(fields), page.viewer.session_id
            async with database.transaction() as session:
                await change_role(
                    session, clock, page.actor, page.account_id, person_id, role, current_session_id
                )
        except (RoleInvalid, LastOwner) as error:
            form = with_errors(page, fields, error)
            return await _render_member(page, database, clock, person_id, form)
        return page.redirect("/dashboard/team")

    @post("/{member:str}/sessions", permission=Permission.TEAM)
    async def end_member_sessions(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        member: FromPath[str],
    ) -> Response[Any]:
        """End all sessions of the member."""
        person_id = _parse_person_id(member)
        async with database.transaction() as session:
            await end_member_sessions(
                session, clock, page.actor, page.account_id, person_id, page.viewer.session_id
            )
        return page.redirect(f"/dashboard/team/{member}")

    @post("/{member:str}/remove", permission=Permission.TEAM)
    async def remove_member(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        member: FromPath[str],
    ) -> Response[Any]:
        """Remove the member from the account."""
        person_id = _parse_person_id(member)
        try:
            async with database.transaction() as session:
                await remove_member(session, clock, page.actor, page.account_id, person_id)
        except LastOwner as error:
            form = with_errors(page, {}, error)
            return await _render_member(page, database, clock, person_id, form)
        removed_self = person_id == page.viewer.person_id
        return page.redirect("/dashboard/sign-in" if removed_self else "/dashboard/team")


async def _render_team(
    page: PageRequest,
    identity: IdentityServices,
    database: Database,
    clock: Clock,
    form: FormState | None = None,
) -> Response[str]:
    """Render the list of members and invitations, with the form's errors."""
    async with database.transaction() as session:
        profile = await get_profile(session, page.account_id)
        team = await list_members(session, page.account_id)
        invited = await identity.invitations.list_pending(session, page.account_id)
    return page.render(
        "team.html",
        status=UNPROCESSABLE if form else 200,
        team=team,
        invited=invited,
        form=form or restored_form(page),
        roles=_account_roles(),
        may=page.viewer.has_permission(Permission.TEAM),
        zone=parse_time_zone(profile.time_zone),
        now=clock.now(),
    )


async def _render_member(
    page: PageRequest,
    database: Database,
    clock: Clock,
    person_id: UUID,
    form: FormState | None = None,
) -> Response[str]:
    """Render a member's page, with a form's errors. Raises MemberNotFound."""
    async with database.transaction() as session:
        profile = await get_profile(session, page.account_id)
        team = await list_members(session, page.account_id)
    member = next((each for each in team if each.person_id == person_id), None)
    if member is None:
        raise MemberNotFound("Member not found in this account.")
    return page.render(
        "member.html",
        status=UNPROCESSABLE if form else 200,
        member=member,
        address=f"/dashboard/team/{ids.format_id(_PERSON_PREFIX, person_id)}",
        form=form or EMPTY_FORM,
        roles=_account_roles(),
        zone=parse_time_zone(profile.time_zone),
        now=clock.now(),
    )


def _account_roles() -> list[str]:
    """Return the roles that a member of an account can have."""
    return [role.value for role in Role if not role.is_platform_role]


def _parse_role(fields: dict[str, str]) -> Role:
    """Parse the role from a form. Raises RoleInvalid."""
    role = fields.get("role", "")
    if role not in _account_roles():
        raise RoleInvalid("Choose one of the roles.", param="role")
    return Role(role)


def _parse_person_id(text: str) -> UUID:
    """Parse a person id. Raises MemberNotFound if it is invalid."""
    person_id = ids.parse_id(_PERSON_PREFIX, text)
    if person_id is None:
        raise MemberNotFound("Member not found in this account.")
    return person_id


def _parse_invitation_id(text: str) -> UUID:
    """Parse an invitation id. Raises InvitationNotFound if it is invalid."""
    invitation_id = ids.parse_id(_INVITATION_PREFIX, text)
    if invitation_id is None:
        raise InvitationNotFound("Open invitation not found.")
    return invitation_id
