"""Sessions: found by their cookie, ended by time and by hand, and nobody else's."""

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


class TestFinding:
    async def test_by_one_query(self, desk: Desk, owner: Someone) -> None:
        said: list[str] = []
        async with desk.database.transaction() as session:
            bind: Any = session.get_bind()
            event.listen(
                bind, "before_cursor_execute", lambda _c, _u, statement, *_: said.append(statement)
            )
            assert await find_viewer(session, desk.clock, owner.token) == owner.viewer
        assert len(said) == 1

    @pytest.mark.parametrize("token", ["", "x", "\x00", "\ud800", "x" * 10_000_000])
    async def test_what_is_no_token(self, desk: Desk, owner: Someone, token: str) -> None:
        assert await desk.viewer(token) is None
        assert await desk.viewer(owner.token[:-1] + token[:1]) is None

    async def test_the_table_holds_no_token(self, desk: Desk, owner: Someone) -> None:
        rows = await desk.sql("select login_session::text from login_session")
        assert owner.token not in str(rows)
        assert owner.token.encode().hex() not in str(rows)

    async def test_rights_are_read_anew(self, desk: Desk, owner: Someone) -> None:
        await desk.sql("update membership set role = 'viewer'")
        viewer = await desk.viewer(owner.token)
        assert viewer is not None
        assert not viewer.has_permission(Permission.TEAM)
        await desk.sql("delete from membership")
        assert await desk.viewer(owner.token) is None

    async def test_of_the_platform(self, desk: Desk) -> None:
        support = await desk.someone(None, "su@platform.example", Role.SUPPORT)
        assert (support.viewer.role, support.viewer.account_id) == (Role.SUPPORT, None)
        assert support.viewer.has_permission(Permission.WATCH)
        await desk.sql("update person set platform_role = null")
        assert await desk.viewer(support.token) is None


class TestExpiry:
    async def test_after_half_a_day_without_a_request(self, desk: Desk, owner: Someone) -> None:
        for _ in range(3):
            desk.clock.pass_(hours=11)
            assert await desk.viewer(owner.token) is not None
        desk.clock.pass_(hours=12)
        assert await desk.viewer(owner.token) is None

    async def test_after_a_month_in_any_case(self, desk: Desk, owner: Someone) -> None:
        for _ in range(65):
            desk.clock.pass_(hours=11)
            assert await desk.viewer(owner.token) is not None
        desk.clock.pass_(hours=5)
        assert await desk.viewer(owner.token) is None

    async def test_is_noted_once_a_minute(self, desk: Desk, owner: Someone) -> None:
        seen = "select seen_at, xmin::text from login_session"
        (before,) = await desk.sql(seen)
        desk.clock.pass_(seconds=59)
        await desk.viewer(owner.token)
        assert await desk.sql(seen) == [before]
        desk.clock.pass_(seconds=1)
        await asyncio.gather(*(desk.viewer(owner.token) for _ in range(5)))
        ((at, _),) = await desk.sql(seen)
        assert at == desk.clock.now()

    async def test_a_clock_that_was_ahead_keeps_nothing_alive(
        self, desk: Desk, owner: Someone
    ) -> None:
        desk.clock.pass_(hours=11)
        await desk.viewer(owner.token)
        desk.clock.pass_(hours=-11)
        assert await desk.viewer(owner.token) is not None
        desk.clock.pass_(hours=12)
        assert await desk.viewer(owner.token) is None

    async def test_old_ones_are_erased(self, desk: Desk, owner: Someone) -> None:
        desk.clock.pass_(days=91)
        await desk.sign_in(owner.email)
        assert await desk.sql("select count(*) from login_session") == [(1,)]


class TestEnding:
    async def test_one_and_all_others(self, desk: Desk, owner: Someone) -> None:
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

    async def test_nobody_elses(self, desk: Desk, firm: Account, owner: Someone) -> None:
        other = await desk.someone(firm.id, "wu@acme.example", Role.OWNER)
        for session_id in (other.viewer.session_id, ids.new_id()):
            async with desk.database.transaction() as session:
                with pytest.raises(SessionNotFound):
                    await end_session(session, desk.clock, owner.viewer, session_id)
        async with desk.database.transaction() as session:
            assert len(await list_sessions(session, desk.clock, owner.viewer)) == 1
        assert await desk.viewer(other.token) == other.viewer

    async def test_twice(self, desk: Desk, owner: Someone) -> None:
        for last in (False, True):
            async with desk.database.transaction() as session:
                place = (session, desk.clock, owner.viewer, owner.viewer.session_id)
                if not last:
                    await end_session(*place)
                    continue
                with pytest.raises(SessionNotFound):
                    await end_session(*place)


class TestAccounts:
    async def test_one_switches_among_ones_own(
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

    async def test_not_to_others(self, desk: Desk, owner: Someone) -> None:
        other = await desk.account("Zeta")
        for account_id in (other.id, ids.new_id(), None):
            async with desk.database.transaction() as session:
                with pytest.raises(NotAMember):
                    await switch_account(session, desk.clock, owner.viewer, account_id)
        assert await desk.viewer(owner.token) == owner.viewer
