"""Forms in a browser: focus after invalid input, and dialogs closed by Cancel."""

import pytest
from playwright.async_api import Page

from gateway.dashboard.i18n import dashboard_texts
from gateway.identity.roles import Role
from infra import ids
from tests.support.dashboard.browsing import NEEDS_BROWSER, Looked, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker
from tests.support.gateway.subscribing import SMALL, choose, offer
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER
WIDE = ("en-US", "light", 1440)
PHONE = ("zh-CN", "light", 390)
_LEAST_GAP = 12  # pixels


@pytest.fixture(scope="module")
async def firm(shared_firm: Firm) -> Firm:
    """An account with a plan, shared by all tests of this module, which change nothing."""
    await offer(shared_firm.gateway, SMALL)
    await choose(shared_firm.gateway, "small")
    return shared_firm


async def submit_alerts(seen: Looked, **fields: str) -> Page:
    """Submit the alerts form with these values. Returns the page with the response."""
    page = seen.page
    await seen.opens("/dashboard/limits")
    for name, value in fields.items():
        await page.fill(f"#{name}", value)
    async with page.expect_navigation():
        await page.click("form[action='/dashboard/limits/alerts'] button")
    return page


async def focused(page: Page) -> dict[str, str]:
    """The focused field: its id, whether it is invalid, and the text that describes it."""
    found: dict[str, str] = await page.evaluate(
        """() => {
          const field = document.activeElement;
          const about = document.getElementById(field.getAttribute("aria-describedby"));
          return { id: field.id, invalid: field.getAttribute("aria-invalid"),
                   about: about ? about.textContent : "" };
        }"""
    )
    return found


class TestFormFocus:
    @pytest.mark.parametrize(
        ("look", "message"),
        [
            (WIDE, "Enter 1 to 20 whole percentages, such as 50, 80, 100."),
            (
                PHONE,
                dashboard_texts("zh").gettext(
                    "Enter 1 to 20 whole percentages, such as 50, 80, 100."
                ),
            ),
        ],
    )
    async def test_first_invalid_field_is_focused_after_submission(
        self, firm: Firm, browser: Windows, look: tuple[str, str, int], message: str
    ) -> None:
        async with looked(browser, firm.gateway.url, look, firm.owner) as seen:
            page = await submit_alerts(seen, percentages="0", url="http://10.0.0.1/")
            found = await focused(page)
            assert (found["id"], found["invalid"]) == ("percentages", "true")
            assert found["about"] == message
            assert await page.locator("[aria-invalid=true]").count() == 2
            assert await page.input_value("#url") == "http://10.0.0.1/"
            assert await seen.faults() == []

    async def test_valid_fields_before_the_invalid_field_are_skipped(
        self, firm: Firm, browser: Windows
    ) -> None:
        async with looked(browser, firm.gateway.url, WIDE, firm.owner) as seen:
            page = await submit_alerts(seen, percentages="50", url="http://10.0.0.1/")
            found = await focused(page)
            assert (found["id"], found["invalid"]) == ("url", "true")
            assert "private or reserved address" in found["about"]

    async def test_page_without_errors_does_not_move_focus(
        self, firm: Firm, browser: Windows
    ) -> None:
        async with looked(browser, firm.gateway.url, WIDE, firm.owner) as seen:
            await seen.opens("/dashboard/limits")
            assert await seen.page.evaluate("document.activeElement === document.body")


async def require_cancels(seen: Looked, address: str, dialog: str) -> None:
    """Check that Cancel closes the dialog, sends no request and returns focus to the opener."""
    page = seen.page
    await seen.opens(address)
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url) if one.method != "GET" else None)
    box = page.locator(f"dialog#{dialog}")
    for close in ("click", "keyboard"):
        await page.click(f"button[popovertarget={dialog}]:not([popovertargetaction])")
        assert await box.is_visible(), (dialog, close)
        cancel = box.get_by_role("button", name="Cancel", exact=True)
        if close == "click":
            await cancel.click()
        else:
            await cancel.focus()
            await page.keyboard.press("Enter")
        assert not await box.is_visible(), (dialog, close)
        opener = "document.activeElement.getAttribute('popovertarget')"
        assert await page.evaluate(opener) == dialog
    assert (page.url, sent) == (seen.url + address, [])


class TestDialogCancel:
    async def test_cancel_in_key_dialogs_keeps_the_key_active(
        self, firm: Firm, browser: Windows
    ) -> None:
        address = f"/dashboard/keys/{ids.format_id('key', firm.gateway.key.row.id)}"
        async with looked(browser, firm.gateway.url, WIDE, firm.owner) as seen:
            await require_cancels(seen, address, "rotate")
            await require_cancels(seen, address, "revoke")
        assert (await firm.gateway.http.get("/v1/models")).status_code == 200

    async def test_cancel_in_removal_dialog_keeps_the_member(
        self, firm: Firm, browser: Windows
    ) -> None:
        gateway = firm.gateway
        account = gateway.account.id
        async with (
            looker(gateway.url, gateway.parts, account, Role.VIEWER) as viewer,
            looked(browser, gateway.url, WIDE, firm.owner) as seen,
        ):
            member = ids.format_id("person", viewer.person_id)
            await require_cancels(seen, f"/dashboard/team/{member}", "remove")
            await viewer.page("/dashboard/limits")

    async def test_cancel_in_plan_dialog_keeps_the_plan_active(
        self, firm: Firm, browser: Windows
    ) -> None:
        async with looked(browser, firm.gateway.url, WIDE, firm.owner) as seen:
            await require_cancels(seen, "/dashboard/plan", "cancel")
        subscription = (await firm.gateway.http.get("/v1/subscription")).json()
        assert (subscription["status"], subscription["plan"]["plan"]) == ("active", "small")


@nightly
@pytest.mark.parametrize("look", [WIDE, PHONE])
@pytest.mark.parametrize("address", ["/dashboard", "/dashboard/limits"])
async def test_available_credit_and_first_progress_bar_do_not_touch(
    firm: Firm, browser: Windows, address: str, look: tuple[str, str, int]
) -> None:
    async with looked(browser, firm.gateway.url, look, firm.owner) as seen:
        await seen.opens(address)
        above = await seen.page.locator(".figure:has(+ .bar)").bounding_box()
        below = await seen.page.locator(".figure + .bar").bounding_box()
        assert above is not None
        assert below is not None
        assert below["y"] - above["y"] - above["height"] >= _LEAST_GAP
