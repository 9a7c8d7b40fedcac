"""Sessions: lookup by cookie, expiry, end and account switch, each for the person's own only."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import event

from billing.tables import Account
from gateway.identity.memberships import NotAMember, list_memberships
from gateway.identity.roles import Permission, Role
from gateway.identity.session_lookup import find_viewer
from gateway.identity.sessions import (
    SessionNotFound,
    end_other_sessions,
    end_session,
    list_sessions,
    switch_account,
)
from infra import ids
from tests.support.gateway.desks import OFFICE, Desk, Someone


class TestSessionLookup:
    async def test_viewer_is_found_with_one_query(self, desk: Desk, owner: Someone) -> None:
        said: list[str] = []
        async with desk.database.transaction() as session:
            bind: Any = session.get_bind()
            event.listen(
                bind, "before_cursor_execute", lambda _c, _u, statement, *_: said.append(statement)
            )
            assert await find_viewer(session, desk.clock, owner.token) == owner.viewer
        assert len(said) == 1

    @pytest.mark.parametrize("token", ["", "x", "\x00", "\ud800", "x" * 10_000_000])
    async def test_invalid_token_finds_no_viewer(
        self, desk: Desk, owner: Someone, token: str
    ) -> None:
        assert await desk.viewer(token) is None
        assert await desk.viewer(owner.token[:-1] + token[:1]) is None

    async def test_token_is_not_stored_in_plain_text(self, desk: Desk, owner: Someone) -> None:
        rows = await desk.sql("select login_session::text from login_session")
        assert owner.token not in str(rows)
        assert owner.token.encode().hex() not in str(rows)

    async def test_role_changes_apply_to_existing_sessions(
        self, desk: Desk, owner: Someone
    ) -> None:
        await desk.sql("update membership set role = 'viewer'")
        viewer = await desk.viewer(owner.token)
        assert viewer is not None
        assert not viewer.has_permission(Permission.TEAM)
        await desk.sql("delete from membership")
        assert await desk.viewer(owner.token) is None

    async def test_platform_role_grants_a_session_without_an_account(self, desk: Desk) -> None:
        support = await desk.someone(None, "su@platform.example", Role.SUPPORT)
        assert (support.viewer.role, support.viewer.account_id) == (Role.SUPPORT, None)
        assert support.viewer.has_permission(Permission.WATCH)
        await desk.sql("update person set platform_role = null")
        assert await desk.viewer(support.token) is None


class TestSessionExpiry:
    async def test_session_expires_after_12_hours_without_a_request(
        self, desk: Desk, owner: Someone
    ) -> None:
        for _ in range(3):
            desk.clock.pass_(hours=11)
            assert await desk.viewer(owner.token) is not None
        desk.clock.pass_(hours=12)
        assert await desk.viewer(owner.token) is None

    async def test_session_expires_after_30_days_despite_requests(
        self, desk: Desk, owner: Someone
    ) -> None:
        for _ in range(65):
            desk.clock.pass_(hours=11)
            assert await desk.viewer(owner.token) is not None
        desk.clock.pass_(hours=5)
        assert await desk.viewer(owner.token) is None

    async def test_last_request_time_is_written_once_a_minute(
        self, desk: Desk, owner: Someone
    ) -> None:
        seen = "select seen_at, xmin::text from login_session"
        (before,) = await desk.sql(seen)
        desk.clock.pass_(seconds=59)
        await desk.viewer(owner.token)
        assert await desk.sql(seen) == [before]
        desk.clock.pass_(seconds=1)
        await asyncio.gather(*(desk.viewer(owner.token) for _ in range(5)))
        ((at, _),) = await desk.sql(seen)
        assert at == desk.clock.now()

    async def test_clock_that_was_ahead_does_not_extend_the_session(
        self, desk: Desk, owner: Someone
    ) -> None:
        desk.clock.pass_(hours=11)
        await desk.viewer(owner.token)
        desk.clock.pass_(hours=-11)
        assert await desk.viewer(owner.token) is not None
        desk.clock.pass_(hours=12)
        assert await desk.viewer(owner.token) is None

    async def test_old_sessions_are_deleted(self, desk: Desk, owner: Someone) -> None:
        desk.clock.pass_(days=91)
        await desk.sign_in(owner.email)
        assert await desk.sql("select count(*) from login_session") == [(1,)]


class TestSessionEnd:
    async def test_person_ends_one_session_then_all_other_sessions(
        self, desk: Desk, owner: Someone
    ) -> None:
        others = [await desk.sign_in(owner.email) for _ in range(3)]
        async with desk.database.transaction() as session:
            listed = await list_sessions(session, desk.clock, owner.viewer)
            assert len(listed) == 4
            assert [one.id for one in listed if one.current] == [owner.viewer.session_id]
            await end_session(session, desk.clock, owner.viewer, others[0].viewer.session_id)
        assert await desk.viewer(others[0].token) is None
        async with desk.database.transaction() as session:
            keep = owner.viewer.session_id
            ended = await end_other_sessions(session, desk.clock, owner.viewer.person_id, keep)
        assert ended == 2
        assert [await desk.viewer(one.token) for one in others] == [None] * 3
        assert await desk.viewer(owner.token) == owner.viewer

    async def test_session_of_another_person_is_not_found(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        other = await desk.someone(firm.id, "wu@acme.example", Role.OWNER)
        for session_id in (other.viewer.session_id, ids.new_id()):
            async with desk.database.transaction() as session:
                with pytest.raises(SessionNotFound):
                    await end_session(session, desk.clock, owner.viewer, session_id)
        async with desk.database.transaction() as session:
            assert len(await list_sessions(session, desk.clock, owner.viewer)) == 1
        assert await desk.viewer(other.token) == other.viewer

    async def test_second_end_raises_session_not_found(self, desk: Desk, owner: Someone) -> None:
        for last in (False, True):
            async with desk.database.transaction() as session:
                place = (session, desk.clock, owner.viewer, owner.viewer.session_id)
                if not last:
                    await end_session(*place)
                    continue
                with pytest.raises(SessionNotFound):
                    await end_session(*place)


class TestAccountSwitch:
    async def test_member_switches_between_own_accounts(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        second = await desk.account("Zeta")
        secret = await desk.invite(second.id, owner.email, Role.FINANCE)
        async with desk.database.transaction() as session:
            place = (session, owner.viewer, secret, OFFICE.address)
            assert await desk.identity.invitation_acceptance.join(*place) == second.id
            found = await list_memberships(session, owner.viewer.person_id)
            assert [(one.account_name, one.role) for one in found] == [
                (firm.name, Role.OWNER),
                ("Zeta", Role.FINANCE),
            ]
            await switch_account(session, desk.clock, owner.viewer, second.id)
        viewer = await desk.viewer(owner.token)
        assert viewer is not None
        assert (viewer.account_name, viewer.role) == ("Zeta", Role.FINANCE)
        assert (await desk.sign_in(owner.email)).viewer.account_id == second.id

    async def test_switch_to_an_account_without_membership_is_rejected(
        self, desk: Desk, owner: Someone
    ) -> None:
        other = await desk.account("Zeta")
        for account_id in (other.id, ids.new_id(), None):
            async with desk.database.transaction() as session:
                with pytest.raises(NotAMember):
                    await switch_account(session, desk.clock, owner.viewer, account_id)
        assert await desk.viewer(owner.token) == owner.viewer
