"""Personal settings: profile, password, second factor; and password reset."""

import asyncio

import pytest

from billing.tables import Account
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.login import CredentialsWrong, SecondFactorRequired
from gateway.identity.one_time_tokens import LinkUnusable
from gateway.identity.passwords import PasswordInvalid
from gateway.identity.people import PersonNotFound, unlock_person
from gateway.identity.profile import PasswordWrong, PersonInvalid
from gateway.identity.roles import Role
from gateway.identity.throttling.lockout import LockedOut
from gateway.identity.totp import (
    CodeWrong,
    SecondFactorAlreadyOn,
    SecondFactorNotStarted,
    SecondFactorStatus,
    confirm_enrolment,
    get_pending_enrolment,
    get_second_factor_status,
    start_enrolment,
)
from infra.secrets.sealer import SealBroken, Sealer
from tests.support.gateway.desks import OFFICE, PASSWORD, Desk, Someone

FRESH = "four quiet compressors"


async def link(desk: Desk, email: str) -> str:
    await desk.identity.password_resets.request_link(email, OFFICE)
    _, _, text = (await desk.mails("reset"))[-1]
    return text.partition("/reset/")[2].split()[0]


class TestPasswordReset:
    async def test_reset_link_changes_the_password_once_and_ends_sessions(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        secret = await link(desk, "LI@acme.example")
        await desk.identity.password_resets.require_valid_link(secret)
        assert secret not in str(await desk.sql("select payload::text from outbox"))
        told = await asyncio.gather(
            *(
                desk.identity.password_resets.reset_password(secret, FRESH, OFFICE)
                for _ in range(4)
            ),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in told) == ["LinkUnusable"] * 3 + ["NoneType"]
        assert await desk.viewer(owner.token) is None
        with pytest.raises(CredentialsWrong):
            await desk.sign_in(owner.email)
        await desk.sign_in(owner.email, FRESH)
        ((to, _, text),) = await desk.mails("password_changed")
        assert to == owner.email
        assert OFFICE.address in text

    async def test_concurrent_use_of_two_links_resets_the_password_once(
        self, desk: Desk, owner: Someone
    ) -> None:
        links = [await link(desk, owner.email) for _ in range(2)]
        told = await asyncio.gather(
            *(desk.identity.password_resets.reset_password(one, FRESH, OFFICE) for one in links),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in told) == ["LinkUnusable", "NoneType"]

    async def test_request_for_unknown_address_sends_no_mail(
        self, desk: Desk, owner: Someone
    ) -> None:
        for email in ("nobody@acme.example", "", "\x00", "\ud800", "a" * 5_000_000):
            await desk.identity.password_resets.request_link(email, OFFICE)
        assert await desk.mails("reset") == []

    async def test_repeated_requests_send_at_most_three_mails(
        self, desk: Desk, owner: Someone
    ) -> None:
        for at in range(10):
            await desk.identity.password_resets.request_link(
                owner.email, ClientOrigin(f"10.0.0.{at}", "")
            )
        assert len(await desk.mails("reset")) == 3

    async def test_weak_password_and_expired_or_other_link_are_rejected(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        secret = await link(desk, owner.email)
        with pytest.raises(PasswordInvalid):
            await desk.identity.password_resets.reset_password(secret, owner.email, OFFICE)
        invitation = await desk.invite(firm.id, "wu@acme.example", Role.VIEWER)
        desk.clock.pass_(minutes=60)
        for one in (secret, invitation, owner.token, ""):
            with pytest.raises(LinkUnusable):
                await desk.identity.password_resets.reset_password(one, FRESH, OFFICE)
        await desk.sign_in(owner.email)

    async def test_reset_ends_lockout_links_and_tickets_but_keeps_second_factor(
        self, desk: Desk, owner: Someone
    ) -> None:
        app, _ = await desk.enrolled(owner)
        with pytest.raises(SecondFactorRequired) as caught:
            await desk.sign_in(owner.email)
        first, second = await link(desk, owner.email), await link(desk, owner.email)
        for _ in range(5):
            with pytest.raises(CredentialsWrong):
                await desk.sign_in(owner.email, FRESH)
        await desk.identity.password_resets.reset_password(second, FRESH, OFFICE)
        steps = desk.identity.login
        with pytest.raises(LinkUnusable):
            await desk.identity.password_resets.reset_password(first, FRESH, OFFICE)
        with pytest.raises(LinkUnusable):
            await steps.verify_second_factor(caught.value.ticket, app.at(desk.clock.now()), OFFICE)
        with pytest.raises(SecondFactorRequired) as caught:
            await desk.sign_in(owner.email, FRESH)
        await steps.verify_second_factor(caught.value.ticket, app.at(desk.clock.now()), OFFICE)

    async def test_concurrent_sign_in_with_the_old_password_leaves_no_session(
        self, desk: Desk, owner: Someone
    ) -> None:
        secret = await link(desk, owner.email)
        told = await asyncio.gather(
            desk.identity.password_resets.reset_password(secret, FRESH, OFFICE),
            *(desk.sign_in(owner.email, place=ClientOrigin(f"10.0.0.{at}", "")) for at in range(4)),
            return_exceptions=True,
        )
        assert told[0] is None
        with pytest.raises(CredentialsWrong):
            await desk.sign_in(owner.email)
        alive = await desk.sql("select count(*) from login_session where ended_at is null")
        assert alive == [(0,)]


class TestPasswordChange:
    async def test_new_password_ends_other_sessions(self, desk: Desk, owner: Someone) -> None:
        other = await desk.sign_in(owner.email)
        await desk.identity.profile.change_password(owner.viewer, PASSWORD, FRESH, OFFICE)
        assert await desk.viewer(owner.token) == owner.viewer
        assert await desk.viewer(other.token) is None
        await desk.sign_in(owner.email, FRESH)

    async def test_wrong_old_passwords_lock_password_and_second_factor_changes(
        self, desk: Desk, owner: Someone
    ) -> None:
        own = desk.identity.profile
        for _ in range(3):
            with pytest.raises(PasswordWrong):
                await own.change_password(owner.viewer, FRESH, FRESH, OFFICE)
        for _ in range(2):
            with pytest.raises(PasswordWrong):
                await own.disable_second_factor(owner.viewer, FRESH, OFFICE)
        with pytest.raises(LockedOut):
            await own.change_password(owner.viewer, PASSWORD, FRESH, OFFICE)

    async def test_weak_password_is_rejected_and_the_old_one_kept(
        self, desk: Desk, owner: Someone
    ) -> None:
        with pytest.raises(PasswordInvalid):
            await desk.identity.profile.change_password(owner.viewer, PASSWORD, "short", OFFICE)
        await desk.sign_in(owner.email)


class TestSecondFactorEnrolment:
    async def test_secret_is_sealed_and_uri_is_in_otpauth_format(
        self, desk: Desk, owner: Someone
    ) -> None:
        async with desk.database.transaction() as session:
            made = await start_enrolment(session, desk.identity.sealer, owner.viewer.person_id)
        assert made.uri.startswith("otpauth://totp/MaaS:li%40acme.example?secret=" + made.secret)
        ((sealed,),) = await desk.sql("select totp_secret from person")
        assert made.secret.encode() not in sealed
        with pytest.raises(SealBroken):
            desk.identity.sealer.open(sealed, "totp:somebody else")
        with pytest.raises(SealBroken):
            Sealer(b"t" * 32).open(sealed, f"totp:{owner.viewer.person_id}")
        # No code is required until the enrolment is confirmed.
        await desk.sign_in(owner.email)

    async def test_enrolment_confirmation_and_disabling_follow_their_order(
        self, desk: Desk, owner: Someone
    ) -> None:
        sealer, person_id = desk.identity.sealer, owner.viewer.person_id

        async def confirms(code: str) -> None:
            async with desk.database.transaction() as session:
                await confirm_enrolment(session, desk.clock, sealer, owner.actor, person_id, code)

        async def enrols() -> None:
            async with desk.database.transaction() as session:
                await start_enrolment(session, sealer, person_id)

        with pytest.raises(SecondFactorNotStarted):
            await confirms("123456")
        await enrols()
        with pytest.raises(CodeWrong):
            await confirms("12345")
        app, _ = await desk.enrolled(owner)
        with pytest.raises(SecondFactorAlreadyOn):
            await enrols()
        with pytest.raises(SecondFactorAlreadyOn):
            await confirms(app.at(desk.clock.now()))
        await desk.identity.profile.disable_second_factor(owner.viewer, PASSWORD, OFFICE)
        await desk.sign_in(owner.email)
        actions = [one.action for one in await desk.entries()]
        assert actions[1:3] == ["second_factor.off", "second_factor.on"]

    async def test_pending_enrolment_is_readable_until_confirmed(
        self, desk: Desk, owner: Someone
    ) -> None:
        sealer, person_id = desk.identity.sealer, owner.viewer.person_id
        async with desk.database.transaction() as session:
            with pytest.raises(SecondFactorNotStarted):
                await get_pending_enrolment(session, sealer, person_id)
            assert await get_second_factor_status(session, person_id) == SecondFactorStatus(
                None, False, 0
            )
            begun = await start_enrolment(session, sealer, person_id)
            assert await get_pending_enrolment(session, sealer, person_id) == begun
            assert (await get_second_factor_status(session, person_id)).is_enrolment_pending
        await desk.enrolled(owner)
        async with desk.database.transaction() as session:
            with pytest.raises(SecondFactorAlreadyOn):
                await get_pending_enrolment(session, sealer, person_id)
            now = await get_second_factor_status(session, person_id)
        assert (now.since is not None, now.is_enrolment_pending, now.recovery_left) == (
            True,
            False,
            10,
        )


class TestProfileUpdate:
    async def test_name_and_language_are_saved_and_logged(self, desk: Desk, owner: Someone) -> None:
        async with desk.database.transaction() as session:
            await desk.identity.profile.update_profile(session, owner.viewer, " 李伟 ", "en")
        viewer = await desk.viewer(owner.token)
        assert viewer is not None
        assert (viewer.name, viewer.language) == ("李伟", "en")
        (entry, *_) = await desk.entries()
        assert (entry.action, entry.details) == ("person.renamed", {"from": "li", "to": "李伟"})
        await desk.sign_in(owner.email, place=ClientOrigin("198.51.100.9", ""))
        ((_, subject, _),) = await desk.mails("new_place")
        assert subject == "New sign-in"

    @pytest.mark.parametrize(("name", "language"), [("", None), ("a\nb", None), ("Li", "fr")])
    async def test_invalid_name_or_language_is_rejected(
        self, desk: Desk, owner: Someone, name: str, language: str | None
    ) -> None:
        async with desk.database.transaction() as session:
            with pytest.raises(PersonInvalid):
                await desk.identity.profile.update_profile(session, owner.viewer, name, language)


class TestPersonUnlock:
    async def test_operator_clears_lockout_and_second_factor(
        self, desk: Desk, owner: Someone
    ) -> None:
        await desk.enrolled(owner)
        for _ in range(5):
            with pytest.raises(CredentialsWrong):
                await desk.sign_in(owner.email, FRESH)
        async with desk.database.transaction() as session:
            place = (session, desk.clock, owner.actor)
            assert await unlock_person(*place, "LI@acme.example", disable_totp=True)
            assert not await unlock_person(*place, owner.email)
            with pytest.raises(PersonNotFound):
                await unlock_person(*place, "nobody@acme.example")
        await desk.sign_in(owner.email)
