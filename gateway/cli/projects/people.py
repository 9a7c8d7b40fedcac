"""`maas projects`: the people and service accounts of a project."""

from typing import Annotated, Literal

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.tables import Project
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.projects.members import (
    add_member,
    change_member_role,
    find_person,
    list_members,
    remove_member,
)
from gateway.projects.projects import find_project, lock_active_project
from gateway.projects.service_accounts import (
    create_service_account,
    delete_service_account,
    list_service_accounts,
    require_service_account_id,
)
from gateway.projects.views import member_json, service_account_json
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

ProjectName = Annotated[str, typer.Argument(help="Project ID (proj_…) or name.")]
Email = Annotated[str, typer.Argument(help="E-mail address of a person of the account.")]
Role = Annotated[Literal["owner", "member"], typer.Option(help="Role in the project.")]
_MEMBER_COLUMNS = ("email", "name", "role", "id")
_SERVICE_ACCOUNT_COLUMNS = ("id", "name", "role")


@command
async def members_list(session: AsyncSession, account: AccountName, project: ProjectName) -> Table:
    """List the people of a project."""
    owner = (await get_account(session, account)).id
    row = await find_project(session, owner, project)
    members = await list_members(session, owner, row.id)
    return Table([member_json(member) for member in members], _MEMBER_COLUMNS)


@command
async def members_add(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    project: ProjectName,
    email: Email,
    role: Role = "member",
) -> Record:
    """Add a person of the account to a project."""
    row = await _lock(session, account, project)
    person_id = await find_person(session, row.account_id, email=email)
    member = await add_member(session, clock, CLI_ACTOR, row, person_id, role)
    return Record("Member added.", member_json(member))


@command
async def members_role(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    project: ProjectName,
    email: Email,
    role: Role,
) -> Record:
    """Change the role of a person in a project."""
    row = await _lock(session, account, project)
    person_id = await find_person(session, row.account_id, email=email)
    member = await change_member_role(session, clock, CLI_ACTOR, row, person_id, role)
    return Record("Role changed.", member_json(member))


@command
async def members_remove(
    session: AsyncSession, clock: Clock, account: AccountName, project: ProjectName, email: Email
) -> Record:
    """Remove a person from a project."""
    row = await _lock(session, account, project)
    person_id = await find_person(session, row.account_id, email=email)
    await remove_member(session, clock, CLI_ACTOR, row, person_id)
    return Record("Member removed.", {"project": row.name, "email": email})


@command
async def service_accounts_list(
    session: AsyncSession, account: AccountName, project: ProjectName
) -> Table:
    """List the service accounts of a project."""
    owner = (await get_account(session, account)).id
    row = await find_project(session, owner, project)
    rows = await list_service_accounts(session, owner, row.id)
    return Table([service_account_json(one) for one in rows], _SERVICE_ACCOUNT_COLUMNS)


@command
async def service_accounts_create(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    project: ProjectName,
    name: Annotated[str, typer.Argument(help="Name of the service account.")],
) -> Record:
    """Create a service account with a key.

    The secret of the key is shown only once. Store it in a secrets manager.
    """
    row = await _lock(session, account, project)
    pepper = secret_key(settings)
    issued = await create_service_account(
        session, clock, pepper, CLI_ACTOR, row.account_id, row.id, name
    )
    fields = {**service_account_json(issued.row), "key": issued.key.secret}
    return Record("Service account created.", fields)


@command
async def service_accounts_delete(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    project: ProjectName,
    service_account: Annotated[str, typer.Argument(help="Service account ID (svc_acct_…).")],
) -> Record:
    """Delete a service account. Its keys stop working within a second."""
    owner = (await get_account(session, account)).id
    row = await find_project(session, owner, project)
    found_id = require_service_account_id(service_account)
    await delete_service_account(session, clock, CLI_ACTOR, row, found_id)
    return Record("Service account deleted.", {"id": service_account, "project": row.name})


async def _lock(session: AsyncSession, account: str, project: str) -> Project:
    """Return an active project of an account, locked. Raises ProjectNotFound, ProjectNotActive."""
    owner = (await get_account(session, account)).id
    found = await find_project(session, owner, project)
    return await lock_active_project(session, owner, found.id)
