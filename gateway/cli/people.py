"""`maas people`: people who sign in to the dashboard."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX, get_account
from gateway.cli.results import Record, Table
from gateway.cli.runner import command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.identity.invitations import InvitationService, IssuedInvitation
from gateway.identity.memberships import MembershipView
from gateway.identity.people import PersonView, list_people, revoke_platform_role, unlock_person
from gateway.identity.roles import Role
from infra import ids
from infra.clock import Clock
from infra.settings import Settings

Email = Annotated[str, typer.Option(help="E-mail address of the person.")]

people_app = typer.Typer(no_args_is_help=True)


@people_app.command("invite")
@command
async def people_invite(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    account: Annotated[str, typer.Option(help="Account ID (acct_…) or name.")],
    email: Email,
    role: Annotated[Role, typer.Option(help="owner, developer, finance or viewer.")] = Role.VIEWER,
) -> Record:
    """Invite a person to an account.

    The link is sent by e-mail and shown once.
    """
    account_id = (await get_account(session, account)).id
    service = InvitationService.from_settings(settings, clock)
    return _invitation_record(await service.invite(session, CLI_ACTOR, account_id, email, role))


@people_app.command("operator")
@command
async def people_operator(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    email: Email,
    role: Annotated[Role, typer.Option(help="operator or support (read-only).")] = Role.OPERATOR,
) -> Record:
    """Invite a person to operate the platform.

    With `--role support` the person can view everything and change nothing. The link is sent by
    e-mail and shown once.
    """
    service = InvitationService.from_settings(settings, clock)
    return _invitation_record(await service.invite(session, CLI_ACTOR, None, email, role))


@people_app.command("dismiss")
@command
async def people_dismiss(session: AsyncSession, clock: Clock, email: Email) -> Record:
    """Revoke a person's platform role.

    Ends the person's sessions. Account memberships do not change.
    """
    await revoke_platform_role(session, clock, CLI_ACTOR, email)
    return Record("Platform role revoked.", {"email": email})


@people_app.command("list")
@command
async def people_list(session: AsyncSession) -> Table:
    """List people who can sign in, with their accounts and roles."""
    rows = [_person_row(person) for person in await list_people(session)]
    return Table(rows, ("email", "name", "where", "second_factor"))


@people_app.command("unlock")
@command
async def people_unlock(
    session: AsyncSession,
    clock: Clock,
    email: Email,
    second_factor_off: Annotated[
        bool,
        typer.Option(
            "--second-factor-off",
            help="Also turn off two-factor authentication, for a lost device.",
        ),
    ] = False,
) -> Record:
    """Unlock a person who failed to sign in too often."""
    attempts = await unlock_person(session, clock, CLI_ACTOR, email, disable_totp=second_factor_off)
    return Record("Sign-in unlocked.", {"email": email, "attempts_forgotten": attempts})


def _person_row(person: PersonView) -> dict[str, Any]:
    """Return a person as output fields."""
    return {
        "email": person.email,
        "name": person.name,
        "where": ", ".join(_membership_text(membership) for membership in person.memberships),
        "belongs": [_membership_json(membership) for membership in person.memberships],
        "second_factor": person.second_factor,
        "created_at": person.created_at.isoformat(),
    }


def _membership_json(membership: MembershipView) -> dict[str, Any]:
    """Return a membership for JSON output."""
    account_id = (
        ids.format_id(ACCOUNT_ID_PREFIX, membership.account_id) if membership.account_id else None
    )
    return {"account": account_id, "name": membership.account_name, "role": membership.role.value}


def _membership_text(membership: MembershipView) -> str:
    """Return a membership as text: the account with the role."""
    return (
        f"{membership.account_name} ({membership.role})"
        if membership.account_id
        else str(membership.role)
    )


def _invitation_record(issued: IssuedInvitation) -> Record:
    """Return the printable result of an invitation, with its link."""
    fields = {
        "email": issued.email,
        "link": issued.link,
        "expires_at": issued.expires_at.isoformat(),
    }
    return Record("Invitation sent. The link works once and cannot be shown again:", fields)
