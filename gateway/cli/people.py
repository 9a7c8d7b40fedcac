"""`maas people`: people who sign in to the dashboard."""

from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX, get_account
from gateway.cli.output import Output
from gateway.cli.runner import Json, run_command, run_in_transaction
from gateway.identity.audit_log import CLI_ACTOR
from gateway.identity.invitations import InvitationService, IssuedInvitation
from gateway.identity.memberships import MembershipView
from gateway.identity.people import PersonView, list_people, revoke_platform_role, unlock_person
from gateway.identity.roles import Role
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings

Email = Annotated[str, typer.Option(help="The person's e-mail address.")]

people_app = typer.Typer(no_args_is_help=True)


@people_app.command("invite")
def people_invite(
    account: Annotated[str, typer.Option(help="The account's id (acct_…) or name.")],
    email: Email,
    role: Annotated[Role, typer.Option(help="owner, developer, finance or viewer.")] = Role.VIEWER,
    as_json: Json = False,
) -> None:
    """Invite somebody to an account, by mail and by the link that is shown."""

    def execute(settings: Settings, output: Output) -> None:
        async def create_invitation(session: AsyncSession) -> IssuedInvitation:
            firm = await get_account(session, account)
            return await _invite(session, settings, firm.id, email, role)

        _show_invitation(output, run_in_transaction(settings, create_invitation))

    run_command(as_json, execute)


@people_app.command("operator")
def people_operator(
    email: Email,
    role: Annotated[Role, typer.Option(help="operator or support.")] = Role.OPERATOR,
    as_json: Json = False,
) -> None:
    """Invite somebody to run the platform, or with `--role support` to watch it."""

    def execute(settings: Settings, output: Output) -> None:
        async def create_invitation(session: AsyncSession) -> IssuedInvitation:
            return await _invite(session, settings, None, email, role)

        _show_invitation(output, run_in_transaction(settings, create_invitation))

    run_command(as_json, execute)


@people_app.command("dismiss")
def people_dismiss(email: Email, as_json: Json = False) -> None:
    """Let somebody run or watch the platform no more; what they are in accounts stays."""

    def execute(settings: Settings, output: Output) -> None:
        async def revoke_role(session: AsyncSession) -> None:
            await revoke_platform_role(session, SystemClock(), CLI_ACTOR, email)

        run_in_transaction(settings, revoke_role)
        output.record("Dismissed.", {"email": email})

    run_command(as_json, execute)


@people_app.command("list")
def people_list(as_json: Json = False) -> None:
    """Everybody who can sign in, and where they belong."""

    def execute(settings: Settings, output: Output) -> None:
        rows = [_person_row(person) for person in run_in_transaction(settings, list_people)]
        output.table(rows, ("email", "name", "where", "second_factor"))

    run_command(as_json, execute)


@people_app.command("unlock")
def people_unlock(
    email: Email,
    second_factor_off: Annotated[
        bool, typer.Option("--second-factor-off", help="Ask for no code: the app was lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let somebody try again who failed to sign in too often."""

    def execute(settings: Settings, output: Output) -> None:
        async def unlock_login(session: AsyncSession) -> bool:
            off = second_factor_off
            return await unlock_person(session, SystemClock(), CLI_ACTOR, email, disable_totp=off)

        attempts = run_in_transaction(settings, unlock_login)
        output.record("Unlocked.", {"email": email, "attempts_forgotten": attempts})

    run_command(as_json, execute)


async def _invite(
    session: AsyncSession, settings: Settings, account_id: UUID | None, email: str, role: Role
) -> IssuedInvitation:
    """Invite a person to an account, or to the platform without one."""
    inviting = InvitationService.from_settings(settings, SystemClock())
    return await inviting.invite(session, CLI_ACTOR, account_id, email, role)


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


def _show_invitation(output: Output, issued: IssuedInvitation) -> None:
    """Print an invitation with its link."""
    fields = {
        "email": issued.email,
        "link": issued.link,
        "expires_at": issued.expires_at.isoformat(),
    }
    output.record("Invited. The link works once and is shown only now:", fields)
