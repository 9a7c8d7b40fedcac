"""Team: who belongs to the account, inviting people, and one of them with what owners can do."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.profiles import read_profile
from billing.dates import zone_of
from gateway.dashboard.forms import EMPTY, Filled, fields_of, kept_form, mistaken
from gateway.dashboard.keeping import Keeps
from gateway.dashboard.page_request import INVALID, Viewing
from gateway.identity.email_address import EmailInvalid, normal_email
from gateway.identity.invitations import (
    AlreadyInvited,
    AlreadyMember,
    InvitationNotFound,
    TooManyInvitations,
)
from gateway.identity.roles import Permission, Role
from gateway.identity.services import Identity
from gateway.identity.team import (
    LastOwner,
    MemberNotFound,
    RoleInvalid,
    change_role,
    end_sessions,
    members,
    remove,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, collect

_KEEPS = Keeps("/dashboard/team", ("email", "role"))
_MEMBER, _INVITATION = "person", "invitation"
_MISTAKES = (
    EmailInvalid,
    RoleInvalid,
    AlreadyMember,
    AlreadyInvited,
    TooManyInvitations,
    SeveralErrors,
)


class TeamPages(Controller):
    """`/dashboard/team…`."""

    path = "/team"

    @get("/", name="dashboard:team")
    async def team(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        return await _team(viewing, identity, database, clock)

    @post("/invitations", permission=Permission.TEAM, keeps=_KEEPS)
    async def invite(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        said = await fields_of(request)
        try:
            email, role = collect(lambda: normal_email(said.get("email", "")), lambda: _role(said))
            place = viewing.actor, viewing.account_id, email
            async with database.transaction() as session:
                issued = await identity.inviting.invite_once(session, *place, role)
                profile = await read_profile(session, viewing.account_id)
        except _MISTAKES as error:
            form = mistaken(viewing, said, error)
            return await _team(viewing, identity, database, clock, form)
        return viewing.page("invited.html", issued=issued, zone=zone_of(profile.time_zone))

    @post("/invitations/{invitation:str}/resend", permission=Permission.TEAM)
    async def resend(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        invitation: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """The form says which link it is about to replace: sent twice, it replaces one."""
        said, invitation_id = await fields_of(request), _invitation_id(invitation)
        place = viewing.actor, viewing.account_id, invitation_id
        async with database.transaction() as session:
            known = await identity.inviting.pending(session, viewing.account_id)
            if any(
                one.id == invitation_id and one.expires_at.isoformat() != said.get("until")
                for one in known
            ):
                return viewing.go("/dashboard/team")
            issued = await identity.inviting.resend(session, *place)
            profile = await read_profile(session, viewing.account_id)
        return viewing.page("invited.html", issued=issued, zone=zone_of(profile.time_zone))

    @post("/invitations/{invitation:str}/withdraw", permission=Permission.TEAM)
    async def withdraw(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        invitation: FromPath[str],
    ) -> Response[Any]:
        place = viewing.actor, viewing.account_id, _invitation_id(invitation)
        async with database.transaction() as session:
            await identity.inviting.withdraw(session, *place)
        return viewing.go("/dashboard/team")

    @get("/{member:str}", name="dashboard:member", permission=Permission.TEAM)
    async def member(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        member: FromPath[str],
    ) -> Response[str]:
        return await _member(viewing, database, clock, _person_id(member))

    @post("/{member:str}/role", permission=Permission.TEAM)
    async def change(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        member: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said, person_id = await fields_of(request), _person_id(member)
        place = viewing.actor, viewing.account_id, person_id
        try:
            role, keep = _role(said), viewing.viewer.session_id
            async with database.transaction() as session:
                await change_role(session, clock, *place, role, keep)
        except (RoleInvalid, LastOwner) as error:
            form = mistaken(viewing, said, error)
            return await _member(viewing, database, clock, person_id, form)
        return viewing.go("/dashboard/team")

    @post("/{member:str}/sessions", permission=Permission.TEAM)
    async def sign_out(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        member: FromPath[str],
    ) -> Response[Any]:
        place = viewing.actor, viewing.account_id, _person_id(member)
        async with database.transaction() as session:
            await end_sessions(session, clock, *place, viewing.viewer.session_id)
        return viewing.go(f"/dashboard/team/{member}")

    @post("/{member:str}/remove", permission=Permission.TEAM)
    async def remove(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        member: FromPath[str],
    ) -> Response[Any]:
        person_id = _person_id(member)
        try:
            async with database.transaction() as session:
                await remove(session, clock, viewing.actor, viewing.account_id, person_id)
        except LastOwner as error:
            form = mistaken(viewing, {}, error)
            return await _member(viewing, database, clock, person_id, form)
        left = person_id == viewing.viewer.person_id
        return viewing.go("/dashboard/sign-in" if left else "/dashboard/team")


async def _team(
    viewing: Viewing,
    identity: Identity,
    database: Database,
    clock: Clock,
    form: Filled | None = None,
) -> Response[str]:
    async with database.transaction() as session:
        profile = await read_profile(session, viewing.account_id)
        team = await members(session, viewing.account_id)
        invited = await identity.inviting.pending(session, viewing.account_id)
    return viewing.page(
        "team.html",
        status=INVALID if form else 200,
        team=team,
        invited=invited,
        form=form or kept_form(viewing),
        roles=_roles(),
        may=viewing.viewer.may(Permission.TEAM),
        zone=zone_of(profile.time_zone),
        now=clock.now(),
    )


async def _member(
    viewing: Viewing,
    database: Database,
    clock: Clock,
    person_id: UUID,
    form: Filled | None = None,
) -> Response[str]:
    async with database.transaction() as session:
        profile = await read_profile(session, viewing.account_id)
        team = await members(session, viewing.account_id)
    member = next((one for one in team if one.person_id == person_id), None)
    if member is None:
        raise MemberNotFound("There is nobody like that in this account.")
    return viewing.page(
        "member.html",
        status=INVALID if form else 200,
        member=member,
        address=f"/dashboard/team/{ids.show(_MEMBER, person_id)}",
        form=form or EMPTY,
        roles=_roles(),
        zone=zone_of(profile.time_zone),
        now=clock.now(),
    )


def _roles() -> list[str]:
    """Those that somebody can have in an account."""
    return [role.value for role in Role if not role.of_platform]


def _role(said: dict[str, str]) -> Role:
    role = said.get("role", "")
    if role not in _roles():
        raise RoleInvalid("Choose one of the roles.", param="role")
    return Role(role)


def _person_id(text: str) -> UUID:
    found = ids.parse(_MEMBER, text)
    if found is None:
        raise MemberNotFound("There is nobody like that in this account.")
    return found


def _invitation_id(text: str) -> UUID:
    found = ids.parse(_INVITATION, text)
    if found is None:
        raise InvitationNotFound("There is no such open invitation.")
    return found
