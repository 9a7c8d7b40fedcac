"""Publishing a plan in headless Chromium: uploaded, previewed, confirmed."""

from collections.abc import AsyncIterator

import pytest

from gateway.identity.roles import Role
from tests.gateway.dashboard.widths import on_a_phone, too_wide
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker
from tests.support.gateway.subscribing import SMALL, choose, offer
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER
PLANS = "/dashboard/platform/plans"


@pytest.fixture(scope="module")
async def operator(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as one:
        yield one


@nightly
async def test_uploaded_plan_is_previewed_without_faults_and_published(
    browser: Windows, shared_firm: Firm, operator: Looker
) -> None:
    await offer(shared_firm.gateway, SMALL)
    assert (await choose(shared_firm.gateway, "small")).status_code == 200
    dearer = SMALL.replace("310.00", "341.00").encode()
    look = ("en-US", "light", 1440)
    async with looked(browser, shared_firm.gateway.url, look, operator) as seen:
        await seen.opens(f"{PLANS}/new")
        file = {"name": "small.toml", "mimeType": "text/plain", "buffer": dearer}
        await seen.page.set_input_files("#upload", files=[file])  # type: ignore[list-item]
        await seen.page.get_by_role("button", name="Preview").click()
        await seen.page.wait_for_url(f"**{PLANS}/preview")
        assert await seen.page.get_by_text("CN¥31.00").is_visible()
        assert await seen.faults() == []
        async with on_a_phone(seen):
            assert await too_wide(seen) == []
        await seen.page.get_by_role("button", name="Publish version 2").click()
        await seen.page.wait_for_url(f"**{PLANS}/*")
        assert await seen.page.get_by_role("heading", name="Small, version 2").is_visible()
