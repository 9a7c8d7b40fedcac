"""Form input in a browser when the session expires: restored after signing in again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from playwright.async_api import Page

from gateway.dashboard.i18n import dashboard_texts
from tests.gateway.dashboard.door import EMAIL, PASSWORD, Door
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, client
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER
WIDE, PHONE = ("en-US", "light", 1440), ("zh-CN", "dark", 390)
INPUT = {"percentages": "33, 66", "email": "wu@acme.example", "url": "https://hooks.acme.example/q"}
NOTE = "Your session expired. Check your input and submit it again."
SIGN_IN = "Your session has expired. Sign in to return to your form."


@asynccontextmanager
async def someone(firm: Firm, language: str) -> AsyncIterator[Looker]:
    """A person with a password, signed in."""
    async with client(firm.gateway.url, language) as http:
        door = Door(firm.gateway, http)
        await door.accepted()
        yield Looker(http, "", await door.person_id())


async def sign_in(page: Page) -> None:
    await page.fill("#email", EMAIL)
    await page.fill("#password", PASSWORD)
    async with page.expect_navigation():
        await page.click("form[action='/dashboard/sign-in'] button")


@pytest.mark.parametrize(
    ("look", "texts"),
    [
        pytest.param(WIDE, (SIGN_IN, NOTE), marks=nightly),
        (PHONE, (dashboard_texts("zh").gettext(SIGN_IN), dashboard_texts("zh").gettext(NOTE))),
    ],
)
async def test_form_input_is_restored_after_session_expiry_and_saved_on_resubmission(
    office: Firm,
    browser: Windows,
    look: tuple[str, str, int],
    texts: tuple[str, str],
) -> None:
    async with (
        someone(office, look[0]) as person,
        looked(browser, office.gateway.url, look, person) as seen,
    ):
        page = seen.page
        await seen.opens("/dashboard/limits")
        for name, value in INPUT.items():
            await page.fill(f"#{name}", value)
        office.clock.to(office.clock.now() + timedelta(hours=13))
        save = "form[action='/dashboard/limits/alerts'] button"
        async with page.expect_navigation():
            await page.click(save)
        assert await page.locator("[role=alert]").inner_text() == texts[0]
        assert await seen.faults() == []
        await sign_in(page)
        assert page.url == f"{seen.url}/dashboard/limits"
        assert await page.locator("main > [role=status]").inner_text() == texts[1]
        assert {name: await page.input_value(f"#{name}") for name in INPUT} == INPUT
        assert await seen.faults() == []
        assert (await office.gateway.http.get("/v1/alerts")).json()["url"] is None
        async with page.expect_navigation():
            await page.click(save)
        assert (await office.gateway.http.get("/v1/alerts")).json()["url"] == INPUT["url"]
