"""Invitations and their acceptance: once, and only by the invited person."""

import asyncio

import pytest

from billing.tables import Account
from gateway.identity.audit_log import CLI_ACTOR
from gateway.identity.email_address import EmailInvalid
from gateway.identity.invitation_acceptance import (
    InvitationEmailMismatch,
    PersonAlreadyExists,
    Registration,
)
from gateway.identity.invitations import (
    AlreadyInvited,
    AlreadyMember,
    InvitationNotFound,
    TooManyInvitations,
)
from gateway.identity.one_time_tokens import LinkUnusable
from gateway.identity.passwords import PasswordInvalid
from gateway.identity.profile import PersonInvalid
from gateway.identity.roles import Permission, Role
from gateway.identity.team import RoleInvalid, list_members
from infra import ids
from tests.support.gateway.desks import OFFICE, PASSWORD, Desk, Someone
from tests.support.nightly import nightly

NEW = "wu@acme.example"
WU = Registration("Wu Yan 吴岩", PASSWORD, "en")


class TestInvitations:
    async def test_link_is_mailed_and_its_secret_is_not_stored_in_plain_text(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        secret = await desk.invite(firm.id, "Wu@Acme.Example", Role.DEVELOPER)
        to, subject, text = (await desk.mails("invitation"))[-1]
        assert (to, subject) == (NEW, f"邀请您加入 {firm.name}")
        assert f"https://maas.example/dashboard/invitation/{secret}" in text
        for table in ("outbox", "one_time_token", "audit_entry"):
            assert secret not in str(await desk.sql(f"select x::text from {table} x"))

    async def test_new_or_resent_invitation_invalidates_the_previous_link(
        self, desk: Desk, firm: Account
    ) -> None:
        first = await desk.invite(firm.id, NEW, Role.VIEWER)
        second = await desk.invite(firm.id, NEW, Role.FINANCE)
        with pytest.raises(LinkUnusable):
            await desk.identity.invitation_acceptance.preview(first)
        invited = await desk.identity.invitation_acceptance.preview(second)
        assert (invited.email, invited.account_name) == (NEW, firm.name)
        assert (invited.role, invited.known) == (Role.FINANCE, False)
        inviting = desk.identity.invitations
        async with desk.database.transaction() as session:
            (pending,) = await inviting.list_pending(session, firm.id)
            issued = await inviting.resend(session, CLI_ACTOR, firm.id, pending.id)
        with pytest.raises(LinkUnusable):
            await desk.identity.invitation_acceptance.preview(second)
        third = issued.link.rpartition("/")[2]
        async with desk.database.transaction() as session:
            await inviting.withdraw(session, CLI_ACTOR, firm.id, pending.id)
            assert await inviting.list_pending(session, firm.id) == []
        with pytest.raises(LinkUnusable):
            await desk.identity.invitation_acceptance.accept(third, WU, OFFICE)
        assert len(await desk.mails("invitation")) == 3

    async def test_pending_invitation_to_the_same_role_is_not_repeated(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        async with desk.database.transaction() as session:
            place = (session, owner.actor, firm.id, "wu@acme.example")
            await desk.identity.invitations.invite_unless_pending(*place, Role.VIEWER)
            with pytest.raises(AlreadyInvited):
                await desk.identity.invitations.invite_unless_pending(*place, Role.VIEWER)
            await desk.identity.invitations.invite_unless_pending(*place, Role.FINANCE)
        desk.clock.pass_(days=8)
        async with desk.database.transaction() as session:
            place = (session, owner.actor, firm.id, "wu@acme.example")
            await desk.identity.invitations.invite_unless_pending(*place, Role.FINANCE)
        assert len(await desk.mails("invitation")) == 4

    async def test_expired_invitation_can_be_resent(self, desk: Desk, firm: Account) -> None:
        secret = await desk.invite(firm.id, NEW, Role.VIEWER)
        desk.clock.pass_(days=7)
        with pytest.raises(LinkUnusable):
            await desk.identity.invitation_acceptance.accept(secret, WU, OFFICE)
        inviting = desk.identity.invitations
        async with desk.database.transaction() as session:
            (pending,) = await inviting.list_pending(session, firm.id)
            issued = await inviting.resend(session, CLI_ACTOR, firm.id, pending.id)
        await desk.identity.invitation_acceptance.accept(issued.link.rpartition("/")[2], WU, OFFICE)

    async def test_invitation_of_another_account_is_not_found(
        self, desk: Desk, firm: Account
    ) -> None:
        other = await desk.account("Zeta")
        await desk.invite(firm.id, NEW, Role.VIEWER)
        inviting = desk.identity.invitations
        async with desk.database.transaction() as session:
            (pending,) = await inviting.list_pending(session, firm.id)
            assert await inviting.list_pending(session, other.id) == []
        for account_id, invitation_id in (
            (other.id, pending.id),
            (None, pending.id),
            (firm.id, ids.new_id()),
        ):
            for work in (inviting.resend, inviting.withdraw):
                async with desk.database.transaction() as session:
                    with pytest.raises(InvitationNotFound):
                        await work(session, CLI_ACTOR, account_id, invitation_id)

    async def test_invalid_email_role_or_existing_member_is_rejected(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        for account_id, email, role, fact in (
            (firm.id, "nobody", Role.VIEWER, EmailInvalid),
            (firm.id, NEW, Role.OPERATOR, RoleInvalid),
            (None, NEW, Role.OWNER, RoleInvalid),
            (firm.id, "LI@acme.example", Role.VIEWER, AlreadyMember),
        ):
            with pytest.raises(fact):
                await desk.invite(account_id, email, role)

    @nightly
    async def test_pending_invitations_are_limited_to_100(self, desk: Desk, firm: Account) -> None:
        async with desk.database.transaction() as session:
            for at in range(100):
                await desk.identity.invitations.invite(
                    session, CLI_ACTOR, firm.id, f"{at}@acme.example", Role.VIEWER
                )
        with pytest.raises(TooManyInvitations):
            await desk.invite(firm.id, NEW, Role.VIEWER)


class TestInvitationAcceptance:
    async def test_acceptance_creates_the_person_with_the_invited_role(
        self, desk: Desk, firm: Account
    ) -> None:
        secret = await desk.invite(firm.id, NEW, Role.DEVELOPER)
        someone = await desk.of(
            await desk.identity.invitation_acceptance.accept(secret, WU, OFFICE)
        )
        viewer = someone.viewer
        assert (viewer.email, viewer.name, viewer.language) == (NEW, WU.name, "en")
        assert (viewer.role, viewer.account_id) == (Role.DEVELOPER, firm.id)
        assert (await desk.sign_in(NEW)).viewer.person_id == viewer.person_id

    async def test_concurrent_acceptance_creates_one_person(
        self, desk: Desk, firm: Account
    ) -> None:
        secret = await desk.invite(firm.id, NEW, Role.VIEWER)
        told = await asyncio.gather(
            *(desk.identity.invitation_acceptance.accept(secret, WU, OFFICE) for _ in range(6)),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in told) == ["LinkUnusable"] * 5 + ["NewSession"]
        assert await desk.sql("select count(*) from person") == [(1,)]

    async def test_concurrent_invitations_of_two_accounts_create_one_person(
        self, desk: Desk, firm: Account
    ) -> None:
        other = await desk.account("Zeta")
        secrets = [await desk.invite(one.id, NEW, Role.VIEWER) for one in (firm, other)]
        told = await asyncio.gather(
            *(desk.identity.invitation_acceptance.accept(one, WU, OFFICE) for one in secrets),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in told) == ["NewSession", "PersonAlreadyExists"]
        # The link that created no person is still valid after signing in.
        left = secrets[[isinstance(one, PersonAlreadyExists) for one in told].index(True)]
        assert (await desk.identity.invitation_acceptance.preview(left)).known
        someone = await desk.sign_in(NEW)
        async with desk.database.transaction() as session:
            place = (session, someone.viewer, left, OFFICE.address)
            await desk.identity.invitation_acceptance.join(*place)
        assert await desk.sql("select count(*) from membership") == [(2,)]

    async def test_invalid_registration_keeps_the_link_valid(
        self, desk: Desk, firm: Account
    ) -> None:
        secret = await desk.invite(firm.id, NEW, Role.VIEWER)
        for newcomer, fact in (
            (Registration("", PASSWORD), PersonInvalid),
            (Registration("a" * 101, PASSWORD), PersonInvalid),
            (Registration("a\nb", PASSWORD), PersonInvalid),
            (Registration("Wu", PASSWORD, "fr"), PersonInvalid),
            (Registration("Wu", "short"), PasswordInvalid),
            (Registration("Wu", NEW), PasswordInvalid),
        ):
            with pytest.raises(fact):
                await desk.identity.invitation_acceptance.accept(secret, newcomer, OFFICE)
        await desk.identity.invitation_acceptance.accept(secret, WU, OFFICE)

    @pytest.mark.parametrize("secret", ["", "\x00", "\ud800", "x" * 10_000_000])
    async def test_unknown_or_malformed_secret_raises_link_unusable(
        self, desk: Desk, secret: str
    ) -> None:
        with pytest.raises(LinkUnusable):
            await desk.identity.invitation_acceptance.preview(secret)

    async def test_existing_person_joins_only_when_signed_in(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        other = await desk.account("Zeta")
        secret = await desk.invite(other.id, owner.email, Role.VIEWER)
        with pytest.raises(PersonAlreadyExists):
            await desk.identity.invitation_acceptance.accept(
                secret, Registration("Eve", "eve was here"), OFFICE
            )
        stranger = await desk.someone(other.id, "eve@zeta.example")
        async with desk.database.transaction() as session:
            place = (session, stranger.viewer, secret, OFFICE.address)
            with pytest.raises(InvitationEmailMismatch):
                await desk.identity.invitation_acceptance.join(*place)
        async with desk.database.transaction() as session:
            place = (session, owner.viewer, secret, OFFICE.address)
            await desk.identity.invitation_acceptance.join(*place)
            found = {one.email: one.role for one in await list_members(session, other.id)}
        assert found == {owner.email: Role.VIEWER, stranger.email: Role.OWNER}
        async with desk.database.transaction() as session:
            place = (session, owner.viewer, secret, OFFICE.address)
            with pytest.raises(LinkUnusable):
                await desk.identity.invitation_acceptance.join(*place)


class TestFirstOperatorLink:
    async def first(self, desk: Desk, account: Account | None) -> str | None:
        async with desk.database.transaction() as session:
            link = await desk.identity.invitations.create_first_operator_link(
                session, account and account.id
            )
        return link and link.rpartition("/")[2]

    async def test_first_person_becomes_operator_and_account_owner(
        self, desk: Desk, firm: Account
    ) -> None:
        early, secret = await self.first(desk, firm), await self.first(desk, firm)
        assert early is not None
        assert secret is not None
        with pytest.raises(LinkUnusable):
            await desk.identity.invitation_acceptance.preview(early)
        invited = await desk.identity.invitation_acceptance.preview(secret)
        assert (invited.email, invited.account_name) == (None, firm.name)
        with pytest.raises(EmailInvalid):
            await desk.identity.invitation_acceptance.accept(secret, WU, OFFICE)
        newcomer = Registration("Li", PASSWORD, email=" Li@Platform.example")
        someone = await desk.of(
            await desk.identity.invitation_acceptance.accept(secret, newcomer, OFFICE)
        )
        assert (someone.email, someone.viewer.role) == ("li@platform.example", Role.OPERATOR)
        assert someone.viewer.has_permission(Permission.OPERATE)
        async with desk.database.transaction() as session:
            (member,) = await list_members(session, firm.id)
        assert (member.person_id, member.role) == (someone.viewer.person_id, Role.OWNER)
        assert await self.first(desk, firm) is None

    async def test_link_is_unusable_after_the_first_person_exists(
        self, desk: Desk, firm: Account
    ) -> None:
        secret = await self.first(desk, None)
        assert secret is not None
        await desk.someone(firm.id, NEW)
        newcomer = Registration("Eve", PASSWORD, email="eve@platform.example")
        with pytest.raises(LinkUnusable):
            await desk.identity.invitation_acceptance.accept(secret, newcomer, OFFICE)
        assert await desk.sql("select platform_role from person") == [(None,)]
