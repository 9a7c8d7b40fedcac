"""The page of a pump schedule in headless Chromium."""

import pytest

from tests.gateway.dashboard.widths import too_wide
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.gateway.tank_api import read_now, scheduler, tank, tick
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER

AGENTS = "/dashboard/agents"
DAYS = 3


@nightly
@pytest.mark.parametrize(
    ("look", "said"),
    [
        pytest.param(
            ("en-US", "light", 1440),
            "Two-level control within the safety limits decides.",
            id="English",
            marks=nightly,
        ),
        pytest.param(("zh-CN", "dark", 390), "由双限位控制在安全限值内决定。", id="Chinese phone"),
    ],
)
async def test_page_of_a_schedule_is_accessible_and_fits(
    office: Firm, browser: Windows, look: tuple[str, str, int], said: str
) -> None:
    code = await tank(office.gateway, DAYS)
    agent = (await scheduler(office.gateway, code))["id"]
    await read_now(office.gateway, code, 300.0, 0)
    await tick(office.gateway, agent)
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        await seen.opens(f"{AGENTS}/{agent}/schedule")
        assert said in await seen.page.inner_text("#plan")
        assert [*await seen.faults(), *await too_wide(seen)] == []
