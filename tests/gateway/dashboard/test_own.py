"""Personal settings pages: name, appearance, password, sessions and second factor."""

import re
from typing import Any

import pyotp
import pytest

from gateway.dashboard.qr import qr_svg_path
from gateway.dashboard.user_agent import browser_name
from gateway.identity.audit_log import list_all_entries
from gateway.identity.impersonation import start_impersonation
from gateway.identity.roles import Role
from gateway.identity.session_lookup import find_viewer
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import client, looker, words

EMAIL, PASSWORD, FRESH = "wu@acme.example", "three wise turbines", "four quiet compressors"


class Own:
    """A person who joined by invitation and has a password, in one browser."""

    def __init__(self, office: Firm, http: Any) -> None:
        self.office, self.http, self.csrf = office, http, ""

    async def arrives(self) -> None:
        sent = {"email": EMAIL, "role": "viewer"}
        page = (await self.office.owner.send("/dashboard/team/invitations", **sent)).text
        link = re.search(r"<code>http[^<]*(/dashboard/invitation/[^<]+)</code>", page)
        assert link is not None
        await self.http.post(link[1], data={"name": "Wu", "password": PASSWORD})
        await self.reads_token()

    async def signs_in(self, password: str = PASSWORD) -> str:
        """Sign in. Returns the text of the response."""
        sent = {"email": EMAIL, "password": password}
        answer = await self.http.post("/dashboard/sign-in", data=sent, follow_redirects=True)
        return str(answer.text)

    async def reads_token(self) -> None:
        found = re.search(r'name="csrf" content="([^"]+)"', await self.page(""))
        assert found is not None
        self.csrf = found[1]

    async def page(self, what: str) -> str:
        return str((await self.http.get(f"/dashboard/me{what}")).text)

    async def send(self, what: str, **fields: str) -> Any:
        return await self.http.post(f"/dashboard/me{what}", data={"csrf": self.csrf, **fields})


async def actions(office: Firm) -> list[str]:
    async with office.gateway.parts.database.transaction() as session:
        return [one.action for one in await list_all_entries(session) if one.email == EMAIL]


class TestNameAndAppearance:
    async def test_name_language_and_theme_are_saved(self, office: Firm) -> None:
        owner = office.owner
        assert "Personal settings" in await owner.page("/dashboard/me")
        answer = await owner.send("/dashboard/me/name", name="Li Wei")
        assert answer.headers["location"] == "/dashboard/me?done=name"
        page = words(await owner.page("/dashboard/me?done=name"))
        assert "Name saved." in page
        assert "Li Wei Owner" in page
        assert (await owner.send("/dashboard/me/name", name=" ")).status_code == 422
        await owner.send("/dashboard/me/looks", language="zh", theme="dark")
        page = await owner.page("/dashboard/me")
        assert 'data-theme="dark"' in page
        assert "个人设置" in page
        await owner.send("/dashboard/me/looks", language="", theme="")
        page = await owner.page("/dashboard/me")
        assert "data-theme" not in page.partition("<head>")[0]
        assert "Personal settings" in page
        for odd in ({"language": "fr"}, {"theme": "blue"}):
            assert (await owner.send("/dashboard/me/looks", **odd)).status_code == 404


class TestPasswordAndSessions:
    async def test_new_password_ends_the_other_sessions(self, office: Firm) -> None:
        url = office.gateway.url
        async with client(url) as http, client(url) as elsewhere:
            here, there = Own(office, http), Own(office, elsewhere)
            await here.arrives()
            await there.signs_in()
            for sent, said in (
                ({"old_password": "wrong", "password": FRESH}, "Incorrect password."),
                ({"old_password": PASSWORD, "password": "short"}, "at least 10 characters"),
            ):
                answer = await here.send("/password", **sent)
                assert answer.status_code == 422
                assert said in answer.text
                assert FRESH not in answer.text
            answer = await here.send("/password", old_password=PASSWORD, password=FRESH)
            assert answer.headers["location"] == "/dashboard/me?done=password"
            assert "signed out on all other devices" in await here.page("?done=password")
            assert (await elsewhere.get("/dashboard")).status_code == 303
            assert "Incorrect e-mail address or password" in await there.signs_in()
            assert "Overview" in await there.signs_in(FRESH)

    async def test_person_ends_other_sessions(self, office: Firm) -> None:
        url = office.gateway.url
        async with client(url) as http, client(url) as elsewhere:
            here, there = Own(office, http), Own(office, elsewhere)
            await here.arrives()
            await there.signs_in()
            page = await here.page("")
            assert "Current" in page
            (other,) = re.findall(r'action="/dashboard/me(/sessions/session_\w+)"', page)
            assert (await office.owner.send(f"/dashboard/me{other}")).status_code == 404
            assert (await here.send(other)).status_code == 303
            assert (await elsewhere.get("/dashboard")).status_code == 303
            assert (await here.send(other)).status_code == 404
            assert (await here.send("/sessions/x")).status_code == 404
            await there.signs_in()
            for _ in range(2):
                assert (await here.send("/sessions/others")).status_code == 303
            assert (await elsewhere.get("/dashboard")).status_code == 303
            assert "Personal settings" in await here.page("")
        assert (await actions(office)).count("session.ended") == 2


class TestSecondFactor:
    async def test_second_factor_is_enabled_and_disabled(self, office: Firm) -> None:
        url = office.gateway.url
        async with client(url) as http, client(url) as elsewhere:
            here, there = Own(office, http), Own(office, elsewhere)
            await here.arrives()
            assert "Not set up yet" in await here.page("/second-factor")
            assert (await here.send("/second-factor/confirm", code="1")).status_code == 303
            assert (await here.send("/second-factor")).status_code == 303
            page = await here.page("/second-factor")
            assert '<svg class="qr"' in page
            secret = re.search(r"<code>([A-Z2-7]{32})</code>", page)
            assert secret is not None
            wrong = await here.send("/second-factor/confirm", code="000000")
            assert wrong.status_code == 422
            assert secret[1] in wrong.text
            code = pyotp.TOTP(secret[1]).at(office.clock.now())
            codes = await here.send("/second-factor/confirm", code=code)
            recovery = re.findall(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b", codes.text)
            assert len(set(recovery)) == 10
            for again in ("/second-factor", "/second-factor/confirm"):
                assert (await here.send(again, code=code)).status_code == 303
            page = await here.page("/second-factor")
            assert recovery[0] not in page
            assert "10 recovery codes are left." in words(page)
            assert "Enter your code" in await there.signs_in()
            wrong = await here.send("/second-factor/off", password="wrong")
            assert wrong.status_code == 422
            assert "Incorrect password." in wrong.text
            off = await here.send("/second-factor/off", password=PASSWORD)
            assert off.headers["location"] == "/dashboard/me?done=second_factor_off"
            assert "Overview" in await there.signs_in()
        assert [one for one in await actions(office) if one.startswith("second")] == [
            "second_factor.off",
            "second_factor.on",
        ]

    def test_qr_code_is_square_with_a_light_border(self) -> None:
        size, path = qr_svg_path("otpauth://totp/MaaS:li")
        drawn = [(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path)]
        assert (min(drawn), max(x for x, _ in drawn)) == ((4, 4), size - 5)
        # The three finder patterns in the corners.
        corners = [(4, 4), (size - 11, 4), (4, size - 11)]
        for left, top in corners:
            assert {(left + at, top) for at in range(7)} <= set(drawn)


class TestPersonalSettingsAccess:
    async def test_impersonating_operator_cannot_open_personal_settings(self, office: Firm) -> None:
        gateway = office.gateway
        async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as one:
            page = await one.page("/dashboard/me")
            found = re.search(r'name="csrf" content="([^"]+)"', page)
            assert found is not None
            one.csrf = found[1]
            async with gateway.parts.database.transaction() as session:
                token = one.http.cookies["maas_session"]
                viewer = await find_viewer(session, office.clock, token)
                assert viewer is not None
                await start_impersonation(
                    session, office.clock, viewer, gateway.account.id, "127.0.0.1"
                )
            assert 'href="/dashboard/me"' not in await one.page("/dashboard")
            for address in ("", "/password", "/second-factor"):
                await one.page(f"/dashboard/me{address}", 403)
            for what in ("/name", "/looks", "/password", "/sessions/others", "/second-factor"):
                assert (await one.send(f"/dashboard/me{what}", name="x")).status_code == 403
            assert (await one.send("/dashboard/sign-out")).status_code == 303


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64) Gecko/20100101 Firefox/143.0", "Firefox, Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_1) Version/17 Safari/605", "Safari, macOS"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/120 MicroMessenger/8.0", "WeChat, Android"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/120 Safari/537 Edg/120", "Edge, Windows"),
        ("curl/8.5", "curl/8.5"),
        ("", ""),
    ],
)
def test_user_agent_is_shown_as_browser_and_system(agent: str, name: str) -> None:
    assert browser_name(agent) == name
