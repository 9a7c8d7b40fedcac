"""Sign-in with password and code, and lockout, also under concurrent requests."""

import asyncio

import pytest
from argon2 import PasswordHasher

from billing.tables import Account
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.links import Links
from gateway.identity.login import CredentialsWrong, SecondFactorRequired
from gateway.identity.memberships import NoAccount
from gateway.identity.one_time_tokens import LinkUnusable
from gateway.identity.passwords import Passwords
from gateway.identity.roles import Role
from gateway.identity.services import build_identity
from gateway.identity.team import remove_member
from gateway.identity.throttling.lockout import LockedOut
from gateway.identity.totp import CodeWrong
from tests.support.gateway.desks import OFFICE, PASSWORD, Desk, Someone

WRONG = "three wise turbans"


async def wrong(desk: Desk, email: str, place: ClientOrigin = OFFICE) -> None:
    with pytest.raises(CredentialsWrong):
        await desk.sign_in(email, WRONG, place)


async def ticket(desk: Desk, email: str) -> str:
    with pytest.raises(SecondFactorRequired) as caught:
        await desk.sign_in(email)
    return caught.value.ticket


class TestPasswordSignIn:
    async def test_correct_password_creates_a_logged_session(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        found = await desk.sign_in(" LI@Acme.Example ")
        assert (found.viewer.person_id, found.viewer.account_id) == (
            owner.viewer.person_id,
            firm.id,
        )
        assert found.viewer.role is Role.OWNER
        assert found.token != owner.token
        assert found.viewer.csrf != owner.viewer.csrf
        entry = (await desk.entries(firm.id))[0]
        assert (entry.action, entry.email, entry.address) == (
            "session.opened",
            owner.email,
            OFFICE.address,
        )

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            ("li@acme.example", WRONG),
            ("li@acme.example", ""),
            ("li@acme.example", "a" * 5_000_000),
            ("li@acme.example", "\x00\ud800"),
            ("nobody@acme.example", PASSWORD),
            ("", PASSWORD),
            ("li\x00@acme.example", PASSWORD),
            ("\ud800" * 500_000, PASSWORD),
        ],
    )
    async def test_wrong_email_and_wrong_password_return_the_same_error(
        self, desk: Desk, owner: Someone, email: str, password: str
    ) -> None:
        with pytest.raises(CredentialsWrong) as caught:
            await desk.sign_in(email, password)
        assert caught.value.message == "Incorrect e-mail address or password."

    async def test_password_is_rehashed_when_hash_parameters_change(
        self, desk: Desk, owner: Someone
    ) -> None:
        hashes = "select password_hash from person"
        ((before,),) = await desk.sql(hashes)
        stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
        links = Links("https://maas.example")
        desk.identity = build_identity(desk.database, desk.clock, b"s" * 32, links, stronger)
        await desk.sign_in(owner.email)
        ((after,),) = await desk.sql(hashes)
        assert "t=2" in after
        assert after != before
        await desk.sign_in(owner.email)
        assert await desk.sql(hashes) == [(after,)]

    async def test_person_without_an_account_is_rejected_with_no_account(
        self, desk: Desk, firm: Account, owner: Someone
    ) -> None:
        other = await desk.someone(firm.id, "wu@acme.example", Role.VIEWER)
        async with desk.database.transaction() as session:
            place = (session, desk.clock, owner.actor, firm.id, other.viewer.person_id)
            await remove_member(*place)
        with pytest.raises(NoAccount):
            await desk.sign_in(other.email)
        await wrong(desk, other.email)


class TestNewDeviceNotice:
    async def test_first_sign_in_from_a_new_network_or_browser_is_mailed(
        self, desk: Desk, owner: Someone
    ) -> None:
        await desk.sign_in(owner.email)
        await desk.sign_in(
            owner.email, place=ClientOrigin(OFFICE.address, "Mozilla/5.0 (Windows) Firefox/144")
        )
        assert await desk.mails("new_place") == []
        home = ClientOrigin("198.51.100.9", OFFICE.agent)
        await desk.sign_in(owner.email, place=home)
        await desk.sign_in(owner.email, place=home)
        ((to, subject, text),) = await desk.mails("new_place")
        assert (to, subject) == (owner.email, "新设备登录")
        assert home.address in text
        await desk.sign_in(owner.email, place=ClientOrigin(OFFICE.address, "curl/8"))
        assert len(await desk.mails("new_place")) == 2


class TestLockout:
    async def test_lockout_doubles_up_to_900_seconds_and_resets_after_success(
        self, desk: Desk, owner: Someone
    ) -> None:
        for _ in range(5):
            await wrong(desk, owner.email)
        for pause in (30, 60, 120, 240, 480, 900, 900):
            with pytest.raises(LockedOut) as caught:
                await desk.sign_in(owner.email)
            assert caught.value.seconds == pause
            assert caught.value.headers["retry-after"] == str(pause)
            desk.clock.pass_(seconds=pause)
            await wrong(desk, owner.email)
        desk.clock.pass_(seconds=900)
        await desk.sign_in(owner.email)
        for _ in range(5):
            await wrong(desk, owner.email)
        with pytest.raises(LockedOut):
            await desk.sign_in(owner.email)

    async def test_failed_attempts_expire_after_a_day(self, desk: Desk, owner: Someone) -> None:
        for _ in range(4):
            await wrong(desk, owner.email)
        desk.clock.pass_(hours=25)
        for _ in range(4):
            await wrong(desk, owner.email)
        await desk.sign_in(owner.email)
        assert await desk.sql("select count from attempts") == [(4,)]

    async def test_concurrent_failed_attempts_are_all_counted(
        self, desk: Desk, owner: Someone
    ) -> None:
        """Concurrent requests as of several gateways, each from another network address."""
        told = await asyncio.gather(
            *(
                desk.sign_in(owner.email, WRONG, ClientOrigin(f"10.0.0.{at}", ""))
                for at in range(40)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(one, CredentialsWrong) for one in told) == 5
        assert sum(isinstance(one, LockedOut) for one in told) == 35

    async def test_spellings_of_one_address_share_the_attempt_count(
        self, desk: Desk, owner: Someone
    ) -> None:
        for at, email in enumerate(("LI@acme.example", "ｌｉ@acme.example", " li@acme.example")):
            await wrong(desk, email, ClientOrigin(f"10.0.0.{at}", ""))
        await wrong(desk, owner.email)
        await wrong(desk, owner.email)
        with pytest.raises(LockedOut):
            await desk.sign_in("Li@ACME.example")

    async def test_network_address_is_locked_after_20_failed_attempts(
        self, desk: Desk, owner: Someone
    ) -> None:
        for at in range(20):
            await wrong(desk, f"nobody{at}@acme.example")
        with pytest.raises(LockedOut):
            await desk.sign_in(owner.email)
        await desk.sign_in(owner.email, place=ClientOrigin("198.51.100.9", ""))

    async def test_successful_sign_ins_do_not_lock_the_network_address(
        self, desk: Desk, owner: Someone
    ) -> None:
        for _ in range(30):
            await desk.sign_in(owner.email)
        assert await desk.sql("select count from attempts") == [(0,)]

    async def test_lockout_from_a_future_clock_does_not_persist(
        self, desk: Desk, owner: Someone
    ) -> None:
        desk.clock.pass_(days=3650)
        for _ in range(5):
            await wrong(desk, owner.email)
        desk.clock.pass_(days=-3650)
        await desk.sign_in(owner.email)

    async def test_unknown_addresses_are_locked_out_like_known_addresses(
        self, desk: Desk, owner: Someone
    ) -> None:
        for _ in range(5):
            await wrong(desk, "nobody@acme.example")
        with pytest.raises(LockedOut):
            await desk.sign_in("nobody@acme.example")


class TestSecondFactorStep:
    async def test_code_and_ticket_are_each_valid_once(self, desk: Desk, owner: Someone) -> None:
        app, _ = await desk.enrolled(owner)
        first, second = await ticket(desk, owner.email), await ticket(desk, owner.email)
        code = app.at(desk.clock.now())
        steps = desk.identity.login
        opened = await steps.verify_second_factor(first, f" {code[:3]} {code[3:]} ", OFFICE)
        assert (await desk.of(opened)).email == owner.email
        with pytest.raises(CodeWrong):
            await steps.verify_second_factor(second, code, OFFICE)
        desk.clock.pass_(seconds=30)
        with pytest.raises(LinkUnusable):
            await steps.verify_second_factor(first, app.at(desk.clock.now()), OFFICE)
        await steps.verify_second_factor(second, app.at(desk.clock.now()), OFFICE)

    async def test_concurrent_use_of_one_code_creates_one_session(
        self, desk: Desk, owner: Someone
    ) -> None:
        app, _ = await desk.enrolled(owner)
        tickets = [await ticket(desk, owner.email) for _ in range(4)]
        code = app.at(desk.clock.now())
        steps = desk.identity.login
        told = await asyncio.gather(
            *(steps.verify_second_factor(one, code, OFFICE) for one in tickets),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in told) == ["CodeWrong"] * 3 + ["NewSession"]

    async def test_code_of_adjacent_time_step_is_accepted(self, desk: Desk, owner: Someone) -> None:
        app, _ = await desk.enrolled(owner)
        for drift, taken in ((-60, False), (-30, True), (30, True), (90, False)):
            desk.clock.pass_(seconds=300)
            one = await ticket(desk, owner.email)
            code = app.at(int(desk.clock.now().timestamp()) + drift)
            if taken:
                await desk.identity.login.verify_second_factor(one, code, OFFICE)
            else:
                with pytest.raises(CodeWrong):
                    await desk.identity.login.verify_second_factor(one, code, OFFICE)

    async def test_earlier_code_after_a_later_code_is_rejected(
        self, desk: Desk, owner: Someone
    ) -> None:
        app, _ = await desk.enrolled(owner)
        now = int(desk.clock.now().timestamp())
        steps = desk.identity.login
        await steps.verify_second_factor(await ticket(desk, owner.email), app.at(now + 30), OFFICE)
        with pytest.raises(CodeWrong):
            await steps.verify_second_factor(await ticket(desk, owner.email), app.at(now), OFFICE)

    async def test_each_recovery_code_is_valid_once(self, desk: Desk, owner: Someone) -> None:
        _, codes = await desk.enrolled(owner)
        assert len(set(codes)) == 10
        steps = desk.identity.login
        await steps.verify_second_factor(
            await ticket(desk, owner.email), codes[3].upper().replace("-", " "), OFFICE
        )
        with pytest.raises(CodeWrong):
            await steps.verify_second_factor(await ticket(desk, owner.email), codes[3], OFFICE)
        await steps.verify_second_factor(await ticket(desk, owner.email), codes[4], OFFICE)
        ((kept,),) = await desk.sql("select recovery from person")
        assert len(kept) == 8
        assert not set(codes) & set(kept)

    async def test_wrong_codes_count_toward_the_lockout(self, desk: Desk, owner: Someone) -> None:
        await desk.enrolled(owner)
        one = await ticket(desk, owner.email)
        steps = desk.identity.login
        for code in ("", "12345", "１２３４５６", "a" * 1_000_000, "\ud800"):
            with pytest.raises(CodeWrong):
                await steps.verify_second_factor(one, code, OFFICE)
        with pytest.raises(LockedOut):
            await steps.verify_second_factor(one, "123456", OFFICE)
        with pytest.raises(LockedOut):
            await desk.sign_in(owner.email)

    async def test_repeated_correct_password_does_not_reset_wrong_code_count(
        self, desk: Desk, owner: Someone
    ) -> None:
        await desk.enrolled(owner)
        for _ in range(5):
            one = await ticket(desk, owner.email)
            with pytest.raises(CodeWrong):
                await desk.identity.login.verify_second_factor(one, "123456", OFFICE)
        with pytest.raises(LockedOut):
            await desk.sign_in(owner.email)

    async def test_ticket_is_not_a_session_and_expires(self, desk: Desk, owner: Someone) -> None:
        app, _ = await desk.enrolled(owner)
        one = await ticket(desk, owner.email)
        assert await desk.viewer(one) is None
        desk.clock.pass_(minutes=11)
        for secret in (one, "", "x" * 1_000_000, owner.token):
            with pytest.raises(LinkUnusable):
                await desk.identity.login.verify_second_factor(
                    secret, app.at(desk.clock.now()), OFFICE
                )
