"""`maas people`: who signs in to the dashboard."""

from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import PREFIX, get_account
from gateway.cli.output import Terminal
from gateway.cli.runner import Json, tell, with_database
from gateway.identity.audit_log import COMMAND_LINE
from gateway.identity.invitations import Inviting, Issued
from gateway.identity.memberships import Belonging
from gateway.identity.people import Known, dismiss, list_people, unlock
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

    def work(settings: Settings, terminal: Terminal) -> None:
        async def make(session: AsyncSession) -> Issued:
            firm = await get_account(session, account)
            return await _invite(session, settings, firm.id, email, role)

        _show_issued(terminal, with_database(settings, make))

    tell(as_json, work)


@people_app.command("operator")
def people_operator(
    email: Email,
    role: Annotated[Role, typer.Option(help="operator or support.")] = Role.OPERATOR,
    as_json: Json = False,
) -> None:
    """Invite somebody to run the platform, or with `--role support` to watch it."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def make(session: AsyncSession) -> Issued:
            return await _invite(session, settings, None, email, role)

        _show_issued(terminal, with_database(settings, make))

    tell(as_json, work)


@people_app.command("dismiss")
def people_dismiss(email: Email, as_json: Json = False) -> None:
    """Let somebody run or watch the platform no more; what they are in accounts stays."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def end(session: AsyncSession) -> None:
            await dismiss(session, SystemClock(), COMMAND_LINE, email)

        with_database(settings, end)
        terminal.record("Dismissed.", {"email": email})

    tell(as_json, work)


@people_app.command("list")
def people_list(as_json: Json = False) -> None:
    """Everybody who can sign in, and where they belong."""

    def work(settings: Settings, terminal: Terminal) -> None:
        rows = [_show(one) for one in with_database(settings, list_people)]
        terminal.table(rows, ("email", "name", "where", "second_factor"))

    tell(as_json, work)


@people_app.command("unlock")
def people_unlock(
    email: Email,
    second_factor_off: Annotated[
        bool, typer.Option("--second-factor-off", help="Ask for no code: the app was lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let somebody try again who failed to sign in too often."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def free(session: AsyncSession) -> bool:
            off = second_factor_off
            return await unlock(session, SystemClock(), COMMAND_LINE, email, second_factor_off=off)

        counted = with_database(settings, free)
        terminal.record("Unlocked.", {"email": email, "attempts_forgotten": counted})

    tell(as_json, work)


async def _invite(
    session: AsyncSession, settings: Settings, account_id: UUID | None, email: str, role: Role
) -> Issued:
    inviting = Inviting.of(settings, SystemClock())
    return await inviting.invite(session, COMMAND_LINE, account_id, email, role)


def _show(person: Known) -> dict[str, Any]:
    return {
        "email": person.email,
        "name": person.name,
        "where": ", ".join(_place(one) for one in person.belongs),
        "belongs": [_belongs(one) for one in person.belongs],
        "second_factor": person.second_factor,
        "created_at": person.created_at.isoformat(),
    }


def _belongs(one: Belonging) -> dict[str, Any]:
    shown = ids.show(PREFIX, one.account_id) if one.account_id else None
    return {"account": shown, "name": one.account_name, "role": one.role.value}


def _place(one: Belonging) -> str:
    return f"{one.account_name} ({one.role})" if one.account_id else str(one.role)


def _show_issued(terminal: Terminal, issued: Issued) -> None:
    shown = {
        "email": issued.email,
        "link": issued.link,
        "expires_at": issued.expires_at.isoformat(),
    }
    terminal.record("Invited. The link works once and is shown only now:", shown)
