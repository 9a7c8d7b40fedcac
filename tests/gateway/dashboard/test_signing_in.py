"""Sign-in pages: invitations, passwords, second factor, password reset and sign-out."""

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import unquote

import pyotp
import pytest
from sqlmodel import select

from billing.tables import OutboxItem
from gateway.identity.audit_log import Actor
from gateway.identity.one_time_tokens import TokenKind, issue_token
from gateway.identity.totp import confirm_enrolment, start_enrolment
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from tests.gateway.dashboard.door import EMAIL, PASSWORD, Door
from tests.support.builders import PLENTY, Gateway, Limited
from tests.support.dashboard.looking import client, words
from tests.support.gateway.errors import error_of


@pytest.fixture
async def door(gateway: Gateway) -> AsyncIterator[Door]:
    async with client(gateway.url) as http:
        yield Door(gateway, http)


class TestInvitationAcceptance:
    async def test_new_person_accepts_invitation_and_is_signed_in(self, door: Door) -> None:
        address = await door.invited()
        page = words((await door.http.get(address)).text)
        assert "Join Acme 精密" in page
        assert "Your role: Finance" in page
        answer = await door.accepted()
        assert answer.headers["location"] == "/dashboard"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Li Xuemei Finance" in words((await door.http.get("/dashboard")).text)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"name": "Li", "password": "short"}, "Use at least 10 characters."),
            ({"name": "Li", "password": EMAIL}, "The password must not be your e-mail address."),
            ({"name": " ", "password": PASSWORD}, "Enter a name of 1 to 100 printable characters."),
        ],
    )
    async def test_invalid_input_shows_errors_without_the_password(
        self, door: Door, fields: dict[str, str], said: str
    ) -> None:
        answer = await door.http.post(await door.invited(), data=fields)
        assert answer.status_code == 422
        assert said in words(answer.text)
        assert 'aria-invalid="true"' in answer.text
        assert fields["password"] not in answer.text or fields["password"] == EMAIL

    async def test_invitation_link_is_valid_once(self, door: Door) -> None:
        address = await door.invited()
        fields = {"name": "Li", "password": PASSWORD}
        assert (await door.http.post(address, data=fields)).status_code == 303
        for answer in (await door.http.get(address), await door.http.post(address, data=fields)):
            assert answer.status_code == 410
            assert "This link is no longer valid" in answer.text

    async def test_existing_person_signs_in_and_joins_second_account(self, door: Door) -> None:
        await door.accepted()
        await door.signs_out()
        address = await door.invited_by_another()
        page = (await door.http.get(address)).text
        assert "already has a password" in page
        join = page.partition('href="/dashboard/sign-in?next=')[2].partition('"')[0]
        answer = await door.signs_in(next=unquote(join))
        assert answer.headers["location"] == f"{address}/join"
        page = (await door.http.get(f"{address}/join")).text
        assert "Join Another" in page
        token = page.partition('name="csrf" content="')[2].partition('"')[0]
        joined = await door.http.post(f"{address}/join", data={"csrf": token})
        assert joined.headers["location"] == "/dashboard"
        assert "Another" in words((await door.http.get("/dashboard")).text)
        again = await door.http.get(f"{address}/join")
        assert again.status_code == 410
        late = await door.http.post(f"{address}/join", data={"csrf": token})
        assert late.status_code == 410

    async def test_invitation_for_another_address_is_rejected(self, door: Door) -> None:
        address = await door.invited("wang@acme.example")
        await door.accepted()
        page = (await door.http.get(f"{address}/join")).text
        token = page.partition('name="csrf" content="')[2].partition('"')[0]
        answer = await door.http.post(f"{address}/join", data={"csrf": token})
        assert answer.status_code == 422
        assert "This invitation is for another address." in answer.text

    async def test_existing_person_cannot_set_a_new_password_by_invitation(
        self, door: Door
    ) -> None:
        address = await door.invited_by_another()
        await door.accepted()
        answer = await door.http.post(address, data={"name": "Li", "password": PASSWORD})
        assert answer.status_code == 422
        assert "already has a password" in answer.text


class TestSignIn:
    async def test_sign_out_and_sign_in_return_to_the_requested_page(self, door: Door) -> None:
        await door.accepted()
        await door.signs_out()
        assert (await door.http.get("/dashboard")).status_code == 303
        answer = await door.signs_in(next="/dashboard/usage")
        assert answer.headers["location"] == "/dashboard/usage"
        assert (await door.http.get("/dashboard/usage")).status_code == 200

    async def test_wrong_password_is_rejected_with_the_address_kept(self, door: Door) -> None:
        answer = await door.signs_in("wrong wrong wrong")
        assert answer.status_code == 422
        assert "Incorrect e-mail address or password." in words(answer.text)
        assert EMAIL in answer.text
        assert "wrong wrong" not in answer.text

    async def test_repeated_failures_are_rate_limited(self, door: Door) -> None:
        for _ in range(6):
            answer = await door.signs_in("wrong wrong wrong")
        assert "Too many attempts." in words(answer.text)

    async def test_empty_form_is_rejected(self, door: Door) -> None:
        assert (await door.http.post("/dashboard/sign-in")).status_code == 422

    async def test_external_next_address_redirects_to_dashboard(self, door: Door) -> None:
        await door.accepted()
        answer = await door.signs_in(next="//evil.example")
        assert answer.headers["location"] == "/dashboard"


class TestSecondFactorStep:
    async def test_correct_code_completes_sign_in(self, door: Door) -> None:
        await door.accepted()
        app = await self._enrolled(door)
        page = (await door.signs_in()).text
        assert "Enter your code" in page
        ticket = page.partition('name="ticket" value="')[2].partition('"')[0]
        fields = {"ticket": ticket, "code": "000000"}
        wrong = await door.http.post("/dashboard/sign-in/code", data=fields)
        assert (wrong.status_code, "This code is incorrect" in wrong.text) == (422, True)
        later = door.gateway.parts.clock.now() + timedelta(seconds=30)
        fields["code"] = app.at(later)
        right = await door.http.post("/dashboard/sign-in/code", data=fields)
        assert right.headers["location"] == "/dashboard"

    async def test_invalid_or_expired_ticket_is_rejected(self, door: Door) -> None:
        fields = {"ticket": "x", "code": "000000"}
        answer = await door.http.post("/dashboard/sign-in/code", data=fields)
        assert answer.status_code == 422
        assert "This took too long." in answer.text

    async def _enrolled(self, door: Door) -> pyotp.TOTP:
        parts, person_id = door.gateway.parts, await door.person_id()
        sealer = Sealer(secret_key(parts.settings))
        async with parts.database.transaction() as session:
            app = pyotp.TOTP((await start_enrolment(session, sealer, person_id)).secret)
        async with parts.database.transaction() as session:
            code = app.at(parts.clock.now())
            by = Actor(person_id, "")
            await confirm_enrolment(session, parts.clock, sealer, by, person_id, code)
        return app


class TestPasswordReset:
    async def test_reset_link_is_mailed_without_revealing_the_person(self, door: Door) -> None:
        await door.accepted()
        answer = await door.http.post("/dashboard/forgot", data={"email": EMAIL})
        assert "Check your e-mail" in answer.text
        nobody = await door.http.post("/dashboard/forgot", data={"email": "x@acme.example"})
        assert nobody.text == answer.text
        for _ in range(100):
            async with door.gateway.parts.database.transaction() as session:
                keys = (await session.scalars(select(OutboxItem.business_key))).all()
            if any(key.startswith("email:reset:") for key in keys):
                return
        raise AssertionError("no mail waits")

    async def test_reset_link_sets_a_new_password(self, door: Door) -> None:
        await door.accepted()
        address = await self._link(door)
        assert "New password" in (await door.http.get(address)).text
        short = await door.http.post(address, data={"password": "short"})
        assert (short.status_code, 'aria-invalid="true"' in short.text) == (422, True)
        done = await door.http.post(address, data={"password": "four new turbines"})
        assert done.headers["location"] == "/dashboard/sign-in?following=reset"
        page = await door.http.get(done.headers["location"])
        assert "Password changed." in page.text
        assert (await door.signs_in("four new turbines")).status_code == 303

    async def test_unknown_link_returns_410(self, door: Door) -> None:
        for answer in (
            await door.http.get("/dashboard/reset/x"),
            await door.http.post("/dashboard/reset/x", data={"password": PASSWORD}),
        ):
            assert answer.status_code == 410

    async def test_page_offers_to_send_a_link(self, door: Door) -> None:
        assert "Send link" in (await door.http.get("/dashboard/forgot")).text

    async def _link(self, door: Door) -> str:
        parts, person_id = door.gateway.parts, await door.person_id()
        async with parts.database.transaction() as session:
            place = (session, parts.clock, TokenKind.RESET, timedelta(hours=1))
            _, secret = await issue_token(*place, person_id=person_id)
        return f"/dashboard/reset/{secret}"


async def test_gateway_without_dashboard_returns_404_for_pages(limited: Limited) -> None:
    async with limited(PLENTY, dashboard=False) as gateway, client(gateway.url) as http:
        assert (await http.get("/dashboard/sign-in")).status_code == 404
        assert (await gateway.http.get("/v1/models")).status_code == 200


class TestSignUp:
    async def test_sign_up_is_off_by_default(self, door: Door) -> None:
        page = "/dashboard/sign-up"
        assert page not in (await door.http.get("/dashboard/sign-in")).text
        for answer in (
            await door.http.get(page),
            await door.http.post(page, data={"email": EMAIL, "password": PASSWORD}),
            await door.http.get(f"{page}/texts/terms"),
            await door.http.get(f"{page}/signup_{'0' * 32}"),
        ):
            assert answer.status_code == 404
            assert "Sign-up is not available here" in words(answer.text)
        off = await door.http.get("/v1/signups/texts")
        assert error_of(off)["code"] == "sign_up_disabled"
