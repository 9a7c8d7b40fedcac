"""Page scripts, and pages without JavaScript, in headless Chromium.

These tests are slow, so there are few. A content security policy violation, a script error or
a console message fails the test.
"""

import pytest

from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker

pytestmark = NEEDS_BROWSER
WIDE, PHONE = ("zh-CN", "light", 1440), ("en-US", "dark", 390)


@pytest.fixture(scope="module")
def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module: no test reads what another test changes."""
    return shared_firm


class TestBrowserScripts:
    async def test_chart_shows_tooltip_on_hover_and_opens_day_on_click(
        self, firm: Firm, browser: Windows
    ) -> None:
        async with looked(browser, firm.gateway.url, WIDE, firm.owner) as seen:
            await seen.opens("/dashboard/usage")
            page = seen.page
            shown = "Object.values(Chart.instances)[0].tooltip.getActiveElements().length"
            assert await page.evaluate(shown) == 0
            # Today is the first day of the period, so its bar is at the left.
            canvas = page.locator("canvas")
            box = await canvas.bounding_box()
            assert box is not None
            await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            await seen.until(f"{shown} > 0")
            await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            await page.wait_for_url("**/dashboard/usage?*day=*")
            assert seen.complaints == []

    async def test_playground_streams_the_response_and_links_to_the_call(
        self, firm: Firm, browser: Windows
    ) -> None:
        async with looked(browser, firm.gateway.url, WIDE, firm.owner) as seen:
            await seen.opens("/dashboard/playground")
            page = seen.page
            await page.fill("#prompt", "one two")
            await page.wait_for_selector("#code")
            await page.click("#play button:not([type=button])")
            await page.wait_for_selector("#played a")
            cost = await page.get_attribute("#played a", "href")
            assert await page.locator("#talk .turn").count() == 2
            assert await page.locator("#play [name=turn]").count() == 2
            await page.click("#played a")
            await page.wait_for_url(f"**{cost}")
            assert seen.complaints == []

    async def test_period_selection_replaces_part_of_the_page(
        self, firm: Firm, browser: Windows
    ) -> None:
        async with looked(browser, firm.gateway.url, PHONE, firm.owner) as seen:
            await seen.opens("/dashboard/usage")
            page = seen.page
            await page.evaluate("window.kept = true")
            await page.select_option("#period", index=1)
            await page.wait_for_url("**period=*")
            await page.wait_for_selector("text=Input tokens 6")
            assert await page.evaluate("window.kept")
            await seen.until("Object.keys(Chart.instances).length == 1")
            assert seen.complaints == []

    async def test_dark_theme_and_chinese_persist_across_pages(
        self, firm: Firm, browser: Windows
    ) -> None:
        gateway = firm.gateway
        async with (
            looker(gateway.url, gateway.parts, gateway.account.id) as person,
            looked(browser, gateway.url, ("en-US", "light", 1440), person) as seen,
        ):
            await seen.opens("/dashboard")
            page = seen.page
            ground = "getComputedStyle(document.body).backgroundColor"
            light = await page.evaluate(ground)
            await page.click("[data-theme-switch]")
            assert await page.evaluate(ground) != light
            await page.click("text=中文")
            await page.wait_for_selector("h1:text('概览')")
            assert await page.get_attribute("html", "data-theme") == "dark"
            assert await page.evaluate(ground) != light
            assert seen.complaints == []

    async def test_menu_opens_on_a_phone(self, firm: Firm, browser: Windows) -> None:
        async with looked(browser, firm.gateway.url, PHONE, firm.owner) as seen:
            await seen.opens("/dashboard")
            page = seen.page
            link = page.locator("#menu a[href='/dashboard/invoices']")
            assert not await link.is_visible()
            await page.click("[popovertarget=menu]")
            await link.click()
            await page.wait_for_selector("h1:text('Invoices')")
            assert seen.complaints == []

    async def test_usage_period_can_be_selected_without_javascript(
        self, firm: Firm, browser: Windows
    ) -> None:
        """Without JavaScript, the usage page shows the same data and its period can be selected."""
        context = await browser.chromium.new_context(java_script_enabled=False, locale="en-US")
        token = firm.owner.http.cookies["maas_session"]
        cookie = {"name": "maas_session", "value": token, "url": firm.gateway.url}
        await context.add_cookies([cookie])  # type: ignore[list-item]
        page = await context.new_page()
        await page.goto(f"{firm.gateway.url}/dashboard/usage")
        await page.select_option("#period", index=1)
        await page.click("button:text('Show')")
        await page.wait_for_url("**period=*")
        await page.wait_for_selector("text=Input tokens 6")
        await context.close()
