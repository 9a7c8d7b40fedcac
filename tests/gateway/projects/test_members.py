"""The people of a project: only of the account, one owner stays, removal from the account."""

from uuid import UUID

import pytest

from billing.tables import Account, Project
from gateway.identity.audit_log import CLI_ACTOR
from gateway.identity.team import remove_member as remove_from_account
from gateway.projects.errors import (
    LastProjectOwner,
    ProjectMemberExists,
    ProjectMemberNotFound,
)
from gateway.projects.members import (
    add_member,
    change_member_role,
    find_person,
    list_members,
    list_own_projects,
    remove_member,
)
from gateway.projects.projects import create_project, lock_active_project
from gateway.tables import Membership, Person
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from tests.support.stories.story import Story

CLOCK = SystemClock()


async def person(database: Database, account: Account, name: str, role: str = "developer") -> UUID:
    row = Person(
        id=ids.new_id(),
        email=f"{name}@example.com",
        name=name,
        password_hash="x",
        recovery=[],
        created_at=CLOCK.now(),
    )
    async with database.transaction() as session:
        session.add(row)
        await session.flush()
        session.add(
            Membership(person_id=row.id, account_id=account.id, role=role, created_at=CLOCK.now())
        )
        return row.id


class Line:
    """A project whose owner is `ann`; `bob` is of the account only."""

    def __init__(self, database: Database, project: Project, ann: UUID, bob: UUID) -> None:
        self.database, self.project, self.ann, self.bob = database, project, ann, bob

    async def roles(self) -> dict[UUID, str]:
        async with self.database.transaction() as session:
            members = await list_members(session, self.project.account_id, self.project.id)
        return {one.person_id: one.role for one in members}

    async def add(self, person_id: UUID, role: str) -> None:
        async with self.database.transaction() as session:
            row = await lock_active_project(session, self.project.account_id, self.project.id)
            await add_member(session, CLOCK, CLI_ACTOR, row, person_id, role)

    async def change(self, person_id: UUID, role: str) -> None:
        async with self.database.transaction() as session:
            row = await lock_active_project(session, self.project.account_id, self.project.id)
            await change_member_role(session, CLOCK, CLI_ACTOR, row, person_id, role)

    async def remove(self, person_id: UUID) -> None:
        async with self.database.transaction() as session:
            row = await lock_active_project(session, self.project.account_id, self.project.id)
            await remove_member(session, CLOCK, CLI_ACTOR, row, person_id)


@pytest.fixture
async def line(database: Database) -> Line:
    firm = await Story(database).firm()
    ann = await person(database, firm.account, "ann")
    bob = await person(database, firm.account, "bob")
    async with database.transaction() as session:
        project = await create_project(session, CLOCK, CLI_ACTOR, firm.account.id, "Line 3")
    made = Line(database, project, ann, bob)
    await made.add(ann, "owner")
    return made


async def test_last_owner_can_neither_leave_nor_become_a_member(line: Line) -> None:
    await line.add(line.bob, "member")
    with pytest.raises(LastProjectOwner):
        await line.remove(line.ann)
    with pytest.raises(LastProjectOwner):
        await line.change(line.ann, "member")
    await line.change(line.bob, "owner")
    await line.remove(line.ann)
    assert await line.roles() == {line.bob: "owner"}


async def test_person_is_added_once_and_must_be_of_the_account(line: Line) -> None:
    with pytest.raises(ProjectMemberExists):
        await line.add(line.ann, "member")
    with pytest.raises(ProjectMemberNotFound):
        await line.remove(line.bob)
    account_id = line.project.account_id
    async with line.database.transaction() as session:
        found = await find_person(session, account_id, email=" BOB@example.com ")
        assert found == line.bob
        for email in ("", "nobody@example.com"):
            with pytest.raises(ProjectMemberNotFound):
                await find_person(session, account_id, email=email)
        with pytest.raises(ProjectMemberNotFound):
            await find_person(session, ids.new_id(), person=line.bob)
        own = await list_own_projects(session, account_id, line.ann)
    assert own == {line.project.id: "owner"}


async def test_person_who_leaves_the_account_leaves_its_projects(line: Line) -> None:
    async with line.database.transaction() as session:
        await remove_from_account(session, CLOCK, CLI_ACTOR, line.project.account_id, line.ann)
    assert await line.roles() == {}
