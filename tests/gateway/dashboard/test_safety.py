"""What keeps pages safe: who may see them, from where forms come, and what browsers are told."""

import re
from collections.abc import AsyncIterator

import pytest

from gateway.dashboard.router import HANDLERS
from gateway.identity.roles import Role
from infra.database.database import DatabaseUnavailable
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, client, looker

PAGES = (
    "/dashboard",
    "/dashboard/usage",
    "/dashboard/usage/calls",
    "/dashboard/invoices",
    "/dashboard/keys",
    "/dashboard/limits",
    "/dashboard/team",
    "/dashboard/audit",
    "/dashboard/me",
    "/dashboard/plan",
    "/dashboard/playground",
    "/dashboard/outcomes",
)
# Forms for those who have no session yet.
SIGNED_OUT = {"sign_in", "second_step", "send", "set_password", "accept", "choose_language"}


@pytest.fixture(scope="module")
def firm(shared_firm: Firm) -> Firm:
    """The same for all tests here, who change nothing of it."""
    return shared_firm


@pytest.fixture
async def person(firm: Firm) -> AsyncIterator[Looker]:
    """Somebody of the firm for one test, which changes what is theirs."""
    gateway = firm.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id) as one:
        yield one


class TestSignedOut:
    async def test_pages_lead_to_signing_in(self, firm: Firm) -> None:
        async with client(firm.gateway.url) as http:
            for address in PAGES:
                answer = await http.get(address, params={"a": "b"})
                assert answer.status_code == 303
                assert answer.headers["location"].startswith("/dashboard/sign-in?next=%2Fdashboard")
                assert answer.headers["cache-control"] == "no-store"

    async def test_a_script_is_told_too(self, firm: Firm) -> None:
        async with client(firm.gateway.url) as http:
            answer = await http.get("/dashboard/usage", headers={"hx-request": "true"})
        assert answer.status_code == 200
        assert answer.headers["hx-redirect"].startswith("/dashboard/sign-in")

    @pytest.mark.parametrize("token", ["x", "", "é" * 300])
    async def test_no_session(self, firm: Firm, token: str) -> None:
        async with client(firm.gateway.url) as http:
            header = {"cookie": f"maas_session={token}".encode()}
            assert (await http.get("/dashboard", headers=header)).status_code == 303


class TestHeaders:
    async def test_of_pages(self, firm: Firm) -> None:
        for address in (*PAGES, "/dashboard/sign-in", "/dashboard/nothing"):
            headers = (await firm.owner.http.get(address)).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"

    async def test_nothing_is_inline_or_from_elsewhere(self, firm: Firm) -> None:
        for address in (*PAGES, "/dashboard/sign-in", "/dashboard/invoices/preview"):
            page = await firm.owner.page(address)
            assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", page)
            scripts = re.findall(r"<script[^>]*>", page)
            assert all('src="/dashboard/' in one for one in scripts)
            assert not re.search(r'(src|href|action)="(https?:)?//', page)


class TestForms:
    async def test_from_another_page(self, firm: Firm) -> None:
        for origin in ("https://evil.example", "null", "", "http://["):
            answer = await firm.owner.http.post(
                "/dashboard/sign-out",
                data={"csrf": firm.owner.csrf},
                headers={"origin": origin},
            )
            assert answer.status_code == 403
        await firm.owner.page("/dashboard")

    async def test_without_the_token(self, firm: Firm) -> None:
        for fields in ({}, {"csrf": "x"}, {"csrf": firm.stranger.csrf}):
            answer = await firm.owner.http.post("/dashboard/sign-out", data=fields)
            assert answer.status_code == 403
            assert "Reload it" in answer.text
        await firm.owner.page("/dashboard")

    async def test_a_script_sends_it_in_a_header(self, person: Looker) -> None:
        headers = {"x-csrf-token": person.csrf, "hx-request": "true"}
        answer = await person.http.post("/dashboard/sign-out", headers=headers)
        assert answer.headers["hx-redirect"] == "/dashboard/sign-in"

    async def test_too_large(self, firm: Firm) -> None:
        answer = await firm.owner.send("/dashboard/language", language="x" * 100_000)
        assert answer.status_code == 413

    def test_each_change_asks_for_somebody(self) -> None:
        """A handler that takes a form asks for `page`, or is for those who have none yet."""
        handlers = []
        for one in HANDLERS:
            found = vars(one).values() if isinstance(one, type) else [one]
            handlers += [each for each in found if hasattr(each, "http_methods")]
        assert len(handlers) > 10
        for handler in handlers:
            name = handler.fn.__name__
            if "POST" in handler.http_methods and name not in SIGNED_OUT:
                assert "page" in handler.fn.__annotations__, name


class TestRoles:
    async def test_paying_is_for_some(self, firm: Firm) -> None:
        gateway = firm.gateway
        for role, status in ((Role.VIEWER, 403), (Role.DEVELOPER, 403), (Role.FINANCE, 404)):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                answer = await one.send("/dashboard/invoices/x/pay")
            # To who may, the answer is that there is no such invoice.
            assert answer.status_code == status


class TestLanguage:
    async def test_it_is_kept(self, person: Looker) -> None:
        answer = await person.send("/dashboard/language", language="zh", next="/dashboard/usage")
        assert answer.headers["location"] == "/dashboard/usage"
        assert "用量" in await person.page("/dashboard/usage")
        # For the person, whatever browser.
        person.http.cookies.delete("maas_language")
        assert "用量" in await person.page("/dashboard/usage")

    async def test_before_signing_in(self, firm: Firm) -> None:
        async with client(firm.gateway.url) as http:
            await http.post("/dashboard/language", data={"language": "zh"})
            assert "登录" in (await http.get("/dashboard/sign-in")).text

    async def test_no_such_one(self, firm: Firm) -> None:
        assert (await firm.owner.send("/dashboard/language", language="xx")).status_code == 404

    @pytest.mark.parametrize(
        "away",
        ["https://evil.example", "//evil.example", "/dashboard//evil", "/dashboard\\@e", "/v1"],
    )
    async def test_it_leads_nowhere_else(self, person: Looker, away: str) -> None:
        answer = await person.send("/dashboard/language", language="en", next=away)
        assert answer.headers["location"] == "/dashboard"


def away() -> None:
    """A database that cannot be reached."""
    raise DatabaseUnavailable


class TestFaults:
    async def test_no_such_page(self, firm: Firm) -> None:
        page = await firm.owner.page("/dashboard/nothing/here", 404)
        assert "Page not found" in page

    async def test_the_database_is_gone(self, firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(firm.gateway.parts.database, "transaction", away)
        page = await firm.owner.page("/dashboard", 503)
        assert "Data temporarily unavailable" in page
        part = await firm.owner.page("/dashboard/usage", 503, **{"hx-request": "true"})
        assert part.lstrip().startswith('<div class="notice')
