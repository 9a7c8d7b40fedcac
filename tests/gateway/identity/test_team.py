"""Team members, impersonation and the audit log."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from billing.accounts.accounts import AccountNotFound
from billing.tables import Account
from gateway.identity import impersonation
from gateway.identity.audit_log import (
    CLI_ACTOR,
    AuditFilter,
    list_account_entries,
    list_actor_names,
    record_audit_event,
)
from gateway.identity.impersonation import NotPermitted
from gateway.identity.memberships import NotAMember
from gateway.identity.roles import Permission, Role
from gateway.identity.sessions import switch_account
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
from tests.support.gateway.desks import Desk, Someone


@pytest.fixture
async def other(desk: Desk, firm: Account, owner: Someone) -> Someone:
    """Another owner."""
    return await desk.someone(firm.id, "wu@acme.example")


@pytest.fixture
async def support(desk: Desk) -> Someone:
    return await desk.someone(None, "su@platform.example", Role.SUPPORT)


class Firm:
    """Changes of the team by an owner, each in its own transaction."""

    def __init__(self, desk: Desk, account: Account, by: Someone) -> None:
        self._desk, self._account, self._by = desk, account, by

    async def makes(self, whom: Someone, role: Role) -> None:
        desk, person_id = self._desk, whom.viewer.person_id
        async with desk.database.transaction() as session:
            place = (session, desk.clock, self._by.actor, self._account.id, person_id)
            await change_role(*place, role, kept_session_id=self._by.viewer.session_id)

    async def removes(self, whom: Someone) -> None:
        desk, person_id = self._desk, whom.viewer.person_id
        async with desk.database.transaction() as session:
            place = (session, desk.clock, self._by.actor, self._account.id, person_id)
            await remove_member(*place)

    async def roles(self) -> dict[str, Role]:
        async with self._desk.database.transaction() as session:
            return {one.email: one.role for one in await list_members(session, self._account.id)}


@pytest.fixture
def team(desk: Desk, firm: Account, owner: Someone) -> Firm:
    return Firm(desk, firm, owner)


class TestTeamMembers:
    async def test_role_change_ends_the_sessions_of_the_member(
        self, desk: Desk, firm: Account, team: Firm, owner: Someone, other: Someone
    ) -> None:
        await team.makes(other, Role.FINANCE)
        assert await team.roles() == {owner.email: Role.OWNER, other.email: Role.FINANCE}
        assert await desk.viewer(other.token) is None
        again = await desk.sign_in(other.email)
        await team.makes(other, Role.FINANCE)
        assert await desk.viewer(again.token) == again.viewer
        changes = [one for one in await desk.entries(firm.id) if one.action.startswith("member")]
        ((entry),) = changes
        assert (entry.email, entry.subject) == (owner.email, str(other.viewer.person_id))
        assert entry.details == {"from": "owner", "to": "finance"}

    async def test_last_owner_cannot_be_demoted_or_removed(
        self, team: Firm, owner: Someone, other: Someone
    ) -> None:
        await team.makes(other, Role.VIEWER)
        await team.makes(owner, Role.OWNER)
        with pytest.raises(LastOwner):
            await team.makes(owner, Role.DEVELOPER)
        with pytest.raises(LastOwner):
            await team.removes(owner)
        await team.removes(other)
        with pytest.raises(MemberNotFound):
            await team.removes(other)
        assert await team.roles() == {owner.email: Role.OWNER}

    async def test_concurrent_demotions_leave_one_owner(
        self, desk: Desk, firm: Account, owner: Someone, other: Someone
    ) -> None:
        """Two owners demote each other and remove themselves at the same time."""
        one, two = Firm(desk, firm, owner), Firm(desk, firm, other)
        told = await asyncio.gather(
            one.makes(other, Role.VIEWER),
            two.makes(owner, Role.VIEWER),
            one.removes(owner),
            two.removes(other),
            return_exceptions=True,
        )
        assert list((await one.roles()).values()).count(Role.OWNER) == 1
        assert {type(fact) for fact in told} <= {type(None), LastOwner, MemberNotFound}

    async def test_owner_ends_only_the_sessions_of_the_member(
        self, desk: Desk, firm: Account, owner: Someone, other: Someone
    ) -> None:
        person_id = other.viewer.person_id
        async with desk.database.transaction() as session:
            place = (session, desk.clock, owner.actor, firm.id, person_id)
            assert await end_member_sessions(*place, kept_session_id=other.viewer.session_id) == 0
            assert await end_member_sessions(*place) == 1
            assert await end_member_sessions(*place) == 0
            with pytest.raises(MemberNotFound):
                await end_member_sessions(session, desk.clock, owner.actor, firm.id, ids.new_id())
        assert await desk.viewer(other.token) is None
        assert await desk.viewer(owner.token) == owner.viewer
        (entry, *_) = await desk.entries(firm.id)
        assert (entry.action, entry.details) == ("member.sessions_ended", {"sessions": 1})

    async def test_owner_stays_signed_in_after_own_demotion(
        self, desk: Desk, team: Firm, owner: Someone, other: Someone
    ) -> None:
        await team.makes(owner, Role.VIEWER)
        viewer = await desk.viewer(owner.token)
        assert viewer is not None
        assert viewer.role is Role.VIEWER

    async def test_member_of_another_account_is_not_found(
        self, desk: Desk, team: Firm, owner: Someone
    ) -> None:
        zeta = await desk.account("Zeta")
        stranger = await desk.someone(zeta.id, "eve@zeta.example")
        with pytest.raises(MemberNotFound):
            await team.makes(stranger, Role.VIEWER)
        with pytest.raises(MemberNotFound):
            await team.removes(stranger)
        with pytest.raises(RoleInvalid):
            await team.makes(owner, Role.OPERATOR)
        assert await desk.viewer(stranger.token) == stranger.viewer


class TestImpersonation:
    async def begin(self, desk: Desk, support: Someone, account: Account) -> None:
        async with desk.database.transaction() as session:
            place = (session, desk.clock, support.viewer, account.id, "192.0.2.4")
            await impersonation.start_impersonation(*place, "asked by phone")

    async def test_impersonation_permits_only_reading(
        self, desk: Desk, firm: Account, support: Someone
    ) -> None:
        await self.begin(desk, support, firm)
        viewer = await desk.viewer(support.token)
        assert viewer is not None
        assert (viewer.account_id, viewer.account_name) == (firm.id, firm.name)
        assert (viewer.role, viewer.impersonated) == (Role.SUPPORT, True)
        assert [one for one in Permission if viewer.has_permission(one)] == [Permission.READ]
        async with desk.database.transaction() as session:
            await impersonation.end_impersonation(session, desk.clock, viewer, "192.0.2.4")
        assert await desk.viewer(support.token) == support.viewer
        end, begin = [one for one in await desk.entries(firm.id) if one.impersonated]
        assert (begin.action, begin.email) == ("impersonation.began", support.email)
        assert begin.details["reason"] == "asked by phone"
        assert (end.action, end.details, end.address) == ("impersonation.ended", {}, "192.0.2.4")

    async def test_impersonation_expires_after_one_hour(
        self, desk: Desk, firm: Account, support: Someone
    ) -> None:
        await self.begin(desk, support, firm)
        desk.clock.pass_(minutes=59)
        viewer = await desk.viewer(support.token)
        assert viewer is not None
        assert viewer.impersonated
        desk.clock.pass_(minutes=1)
        for _ in range(2):
            found = await asyncio.gather(*(desk.viewer(support.token) for _ in range(4)))
            assert found == [support.viewer] * 4
        ended = [one for one in await desk.entries(firm.id) if one.action == "impersonation.ended"]
        assert [one.details for one in ended] == [{"lapsed": True}]

    async def test_unpermitted_person_or_unknown_account_is_rejected(
        self, desk: Desk, firm: Account, owner: Someone, support: Someone
    ) -> None:
        zeta = await desk.account("Zeta")
        with pytest.raises(NotPermitted):
            await self.begin(desk, owner, zeta)
        zeta.id = ids.new_id()
        with pytest.raises(AccountNotFound):
            await self.begin(desk, support, zeta)

    async def test_revoked_platform_role_ends_impersonation(
        self, desk: Desk, firm: Account, support: Someone
    ) -> None:
        await self.begin(desk, support, firm)
        await desk.sql("update person set platform_role = null")
        assert await desk.viewer(support.token) is None

    async def test_impersonating_session_cannot_switch_accounts(
        self, desk: Desk, firm: Account, support: Someone
    ) -> None:
        await self.begin(desk, support, firm)
        viewer = await desk.viewer(support.token)
        assert viewer is not None
        async with desk.database.transaction() as session:
            with pytest.raises(NotAMember):
                await switch_account(session, desk.clock, viewer, None)


class TestAuditLog:
    async def test_database_rejects_changes_of_entries(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        for statement in (
            "update audit_entry set action = 'none'",
            "delete from audit_entry",
            "truncate audit_entry",
        ):
            with pytest.raises(DBAPIError, match="never changed"):
                await desk.sql(statement)

    async def test_rolled_back_transaction_leaves_no_entry(self, desk: Desk, firm: Account) -> None:
        async def fails() -> None:
            async with desk.database.transaction() as session:
                await record_audit_event(session, desk.clock, CLI_ACTOR, firm.id, "key.revoked")
                raise KeyError

        with pytest.raises(KeyError):
            await fails()
        assert await desk.entries(firm.id) == []

    async def test_oversized_and_invalid_details_are_truncated_and_sanitized(
        self, desk: Desk, firm: Account
    ) -> None:
        async with desk.database.transaction() as session:
            place = (session, desk.clock, CLI_ACTOR, firm.id, "key.revoked")
            details = {"name": "a\x00\ud800" + "b" * 10_000, "many": list(range(1000)), "n": None}
            await record_audit_event(*place, "x" * 10_000, details)
        (entry,) = await desk.entries(firm.id)
        assert (len(entry.subject), len(entry.details["many"])) == (300, 50)
        assert entry.details["name"].startswith("a?bb")

    async def test_entries_of_the_account_are_paginated(self, desk: Desk, firm: Account) -> None:
        zeta = await desk.account("Zeta")
        async with desk.database.transaction() as session:
            for at in range(5):
                for account in (firm, zeta):
                    await record_audit_event(session, desk.clock, CLI_ACTOR, account.id, f"a.{at}")
            first = await list_account_entries(session, firm.id, limit=3)
            second = await list_account_entries(session, firm.id, before=first[-1].id, limit=3)
        assert [one.action for one in first + second] == ["a.4", "a.3", "a.2", "a.1", "a.0"]
        assert {one.account_name for one in first} == {firm.name}
        assert (first[0].email, first[0].name) == (None, None)
        assert len(await desk.entries()) == 10

    async def test_entries_are_filtered_by_area_and_person(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        async with desk.database.transaction() as session:
            by_owner = [(owner.actor, "keys%"), (owner.actor, "k.x")]
            for by, action in [(CLI_ACTOR, "key.made"), *by_owner]:
                await record_audit_event(session, desk.clock, by, firm.id, action)

            async def found(only: AuditFilter) -> list[str]:
                rows = await list_account_entries(session, firm.id, filters=only)
                return [one.action for one in rows if one.action.startswith("k")]

            assert await found(AuditFilter(area="key")) == ["key.made"]
            assert await found(AuditFilter(area="k%")) == []
            assert await found(AuditFilter(person_id=owner.viewer.person_id)) == ["k.x", "keys%"]
            assert await list_actor_names(session, firm.id) == {owner.viewer.person_id: "li"}
