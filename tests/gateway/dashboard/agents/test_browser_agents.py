"""Agents in headless Chromium: from a template to an approved work order in a few clicks."""

import pytest

from tests.gateway.dashboard.widths import too_wide
from tests.support.dashboard.browsing import NEEDS_BROWSER, Looked, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.gateway.watched_pumps import import_pump, read, run_agents
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER

AGENTS = "/dashboard/agents"


async def create(seen: Looked) -> None:
    """Create a pump monitor: four clicks, and one rule's point chosen."""
    page = seen.page
    await seen.opens(AGENTS)
    await page.click(f"a[href='{AGENTS}/new']")
    await page.click(".plan a.button[href*='template=pump-monitor']")
    await page.click("text=Feed pump 1")
    assert [*await seen.faults(), *await too_wide(seen)] == []
    await page.select_option("[id='rules[1].point']", "P-101.T")
    await page.fill("[id='rules[0].held_for']", "")
    await page.click("main form .actions .button.primary")
    await page.wait_for_url("**/agents/agent_*")


@pytest.mark.parametrize(
    ("look", "said", "done"),
    [
        pytest.param(
            ("en-US", "light", 1440),
            "P-101.V read 6.2 mm/s",
            "Executed",
            id="English",
            marks=nightly,
        ),
        pytest.param(
            ("zh-CN", "dark", 390), "读数为 6.2 mm/s，上限 4.5 mm/s", "已执行", id="Chinese phone"
        ),
    ],
)
async def test_pump_monitor_is_created_activated_and_its_work_order_approved(
    office: Firm, browser: Windows, look: tuple[str, str, int], said: str, done: str
) -> None:
    await import_pump(office.gateway)
    for tag, value in (("P-101.V", 6.2), ("P-101.T", 40.0), ("P-101.P", 3.0)):
        await read(office.gateway, value, tag)
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        page = seen.page
        await create(seen)
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await page.click("form[action$='/activate'] button")
        await page.wait_for_selector("form[action$='/pause']")
        await run_agents(office.gateway)
        await page.reload()
        assert said in await page.inner_text("#proposals")
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await page.click("form[action$='/approve'] button")
        await page.wait_for_selector("#actions a[href*='/plant/objects/ent_']")
        assert done in await page.inner_text("#actions")
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await page.click("#actions a[href*='/plant/objects/ent_']")
        await page.wait_for_url("**/plant/objects/ent_*")
        assert "AG-" in await page.inner_text("main")
