"""Security of pages: sign-in, roles, CSRF protection and security headers."""

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
# Handlers of forms that need no session.
SIGNED_OUT = {
    "sign_in",
    "begin_sign_in",
    "verify_code",
    "send_reset_link",
    "set_password",
    "accept_as_new_person",
    "choose_language",
    "send_form",
    "enter_code",
    "send_another_code",
    "ask_for_review",
    "confirm_mailbox",
}


@pytest.fixture(scope="module")
def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module, which change nothing of it."""
    return shared_firm


@pytest.fixture
async def person(firm: Firm) -> AsyncIterator[Looker]:
    """A member of the account for one test, which changes the member's own settings."""
    gateway = firm.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id) as one:
        yield one


class TestSignedOutRequests:
    async def test_pages_redirect_to_sign_in(self, firm: Firm) -> None:
        async with client(firm.gateway.url) as http:
            for address in PAGES:
                answer = await http.get(address, params={"a": "b"})
                assert answer.status_code == 303
                assert answer.headers["location"].startswith("/dashboard/sign-in?next=%2Fdashboard")
                assert answer.headers["cache-control"] == "no-store"

    async def test_htmx_request_is_redirected_to_sign_in(self, firm: Firm) -> None:
        async with client(firm.gateway.url) as http:
            answer = await http.get("/dashboard/usage", headers={"hx-request": "true"})
        assert answer.status_code == 200
        assert answer.headers["hx-redirect"].startswith("/dashboard/sign-in")

    @pytest.mark.parametrize("token", ["x", "", "é" * 300])
    async def test_invalid_session_cookie_redirects_to_sign_in(
        self, firm: Firm, token: str
    ) -> None:
        async with client(firm.gateway.url) as http:
            header = {"cookie": f"maas_session={token}".encode()}
            assert (await http.get("/dashboard", headers=header)).status_code == 303


class TestContentSecurity:
    async def test_pages_have_security_headers(self, firm: Firm) -> None:
        for address in (*PAGES, "/dashboard/sign-in", "/dashboard/nothing"):
            headers = (await firm.owner.http.get(address)).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"

    async def test_pages_have_no_inline_code_or_external_resources(self, firm: Firm) -> None:
        for address in (*PAGES, "/dashboard/sign-in", "/dashboard/invoices/preview"):
            page = await firm.owner.page(address)
            assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", page)
            scripts = re.findall(r"<script[^>]*>", page)
            assert all('src="/dashboard/' in one for one in scripts)
            assert not re.search(r'(src|href|action)="(https?:)?//', page)


class TestCsrfProtection:
    async def test_form_from_another_origin_is_rejected(self, firm: Firm) -> None:
        for origin in ("https://evil.example", "null", "", "http://["):
            answer = await firm.owner.http.post(
                "/dashboard/sign-out",
                data={"csrf": firm.owner.csrf},
                headers={"origin": origin},
            )
            assert answer.status_code == 403
        await firm.owner.page("/dashboard")

    async def test_form_without_valid_csrf_token_is_rejected(self, firm: Firm) -> None:
        for fields in ({}, {"csrf": "x"}, {"csrf": firm.stranger.csrf}):
            answer = await firm.owner.http.post("/dashboard/sign-out", data=fields)
            assert answer.status_code == 403
            assert "Reload it" in answer.text
        await firm.owner.page("/dashboard")

    async def test_csrf_token_in_header_is_accepted(self, person: Looker) -> None:
        headers = {"x-csrf-token": person.csrf, "hx-request": "true"}
        answer = await person.http.post("/dashboard/sign-out", headers=headers)
        assert answer.headers["hx-redirect"] == "/dashboard/sign-in"

    async def test_oversized_form_returns_413(self, firm: Firm) -> None:
        answer = await firm.owner.send("/dashboard/language", language="x" * 100_000)
        assert answer.status_code == 413

    def test_each_post_handler_requires_a_signed_in_person(self) -> None:
        """POST handlers depend on `page`, which requires a session, or are listed in SIGNED_OUT.

        Controllers may have dependencies of their own that depend on it.
        """
        handlers = []
        for one in HANDLERS:
            found = vars(one).values() if isinstance(one, type) else [one]
            given = vars(one).get("dependencies", {}) if isinstance(one, type) else {}
            handlers += [(each, given) for each in found if hasattr(each, "http_methods")]
        assert len(handlers) > 10
        for handler, given in handlers:
            name, needed = handler.fn.__name__, handler.fn.__annotations__.keys()
            if "POST" in handler.http_methods and name not in SIGNED_OUT:
                needed |= {
                    further
                    for each in needed & given.keys()
                    for further in given[each].dependency.__annotations__
                }
                assert "page" in needed, name


class TestPaymentRoles:
    async def test_viewer_and_developer_cannot_pay_invoices(self, firm: Firm) -> None:
        gateway = firm.gateway
        for role, status in ((Role.VIEWER, 403), (Role.DEVELOPER, 403), (Role.FINANCE, 404)):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                answer = await one.send("/dashboard/invoices/x/pay")
            # Finance may pay, so the unknown invoice is a 404.
            assert answer.status_code == status


class TestLanguageSelection:
    async def test_language_is_saved_for_the_person(self, person: Looker) -> None:
        answer = await person.send("/dashboard/language", language="zh", next="/dashboard/usage")
        assert answer.headers["location"] == "/dashboard/usage"
        assert "用量" in await person.page("/dashboard/usage")
        # The language is stored for the person, not only in the cookie.
        person.http.cookies.delete("maas_language")
        assert "用量" in await person.page("/dashboard/usage")

    async def test_language_can_be_selected_before_sign_in(self, firm: Firm) -> None:
        async with client(firm.gateway.url) as http:
            await http.post("/dashboard/language", data={"language": "zh"})
            assert "登录" in (await http.get("/dashboard/sign-in")).text

    async def test_unknown_language_returns_404(self, firm: Firm) -> None:
        assert (await firm.owner.send("/dashboard/language", language="xx")).status_code == 404

    @pytest.mark.parametrize(
        "away",
        ["https://evil.example", "//evil.example", "/dashboard//evil", "/dashboard\\@e", "/v1"],
    )
    async def test_external_next_address_redirects_to_dashboard(
        self, person: Looker, away: str
    ) -> None:
        answer = await person.send("/dashboard/language", language="en", next=away)
        assert answer.headers["location"] == "/dashboard"


def away() -> None:
    """Fail as an unreachable database does."""
    raise DatabaseUnavailable


class TestErrorPages:
    async def test_unknown_page_returns_404(self, firm: Firm) -> None:
        page = await firm.owner.page("/dashboard/nothing/here", 404)
        assert "Page not found" in page

    async def test_unreachable_database_returns_503(
        self, firm: Firm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(firm.gateway.parts.database, "transaction", away)
        page = await firm.owner.page("/dashboard", 503)
        assert "Data temporarily unavailable" in page
        part = await firm.owner.page("/dashboard/usage", 503, **{"hx-request": "true"})
        assert part.lstrip().startswith('<div class="notice')
