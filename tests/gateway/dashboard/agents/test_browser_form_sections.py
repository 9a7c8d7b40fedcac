"""Rows of an agent's form in headless Chromium: a command, a route and a pump, saved and kept."""

import os
from pathlib import Path

import pytest

from tests.gateway.dashboard.widths import too_wide
from tests.support.dashboard.browsing import NEEDS_BROWSER, Looked, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.gateway.watched_pumps import PUMP, VIBRATION_TAG, agent_row, import_pump
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER

AGENTS = "/dashboard/agents"
_PICTURES = os.environ.get("FORM_PICTURES")
_OPTIONS = "document.querySelectorAll('#point-list option').length"
SAVE = "main form .actions .button.primary"


async def picture(seen: Looked, name: str) -> None:
    if _PICTURES:
        await seen.page.screenshot(path=Path(_PICTURES) / name, full_page=True)


async def faults(seen: Looked) -> list[str]:
    return [*await seen.faults(), *await too_wide(seen)]


async def add_command(seen: Looked) -> None:
    """Add a command whose value is refused at first, and correct it."""
    page = seen.page
    await page.click("button[value='add:commands']")
    await page.wait_for_selector("#commands-last")
    assert await page.evaluate(_OPTIONS) > 2
    await page.fill("[id='commands[0].tag']", VIBRATION_TAG)
    await page.fill("[id='commands[0].value']", "much")
    await page.check("input[name='action:write']")
    await page.click(SAVE)
    await page.wait_for_selector("[id='commands[0].value-about'].error")
    await page.fill("[id='commands[0].value']", "3.5")


@nightly
@pytest.mark.parametrize(
    "look",
    [pytest.param(("en-US", "light", 1440), marks=nightly), ("zh-CN", "dark", 390)],
    ids=["English", "Chinese phone"],
)
async def test_route_and_command_are_entered_in_the_form(
    office: Firm, browser: Windows, look: tuple[str, str, int]
) -> None:
    await import_pump(office.gateway)
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        page = seen.page
        await seen.opens(f"{AGENTS}/new?template=inspection-round&asset={PUMP}")
        await page.click("button[value='add:round.stops']")
        await page.wait_for_selector("[id='round.stops[1].asset']")
        at = "round.stops[1].questions[0]"
        await page.fill("[id='round.stops[1].name']", "Filter")
        await page.fill(f"[id='{at}.text.en']", "Oil level")
        await page.fill(f"[id='{at}.text.zh']", "油位")
        await page.fill(f"[id='{at}.id']", "oil_level")
        await page.fill(f"[id='{at}.high']", "9")
        await page.fill(f"[id='{at}.point']", VIBRATION_TAG)
        await add_command(seen)
        assert await faults(seen) == []
        await picture(seen, f"form-{look[0]}.png")
        await page.click(SAVE)
        await page.wait_for_url("**/agents/agent_*")
        stored = (await agent_row(office.gateway, page.url.rpartition("/")[2])).definition
        assert stored["commands"][0]["value"] == 3.5
        assert stored["round"]["stops"][1]["questions"][0]["point"] == VIBRATION_TAG
        await seen.opens(f"{AGENTS}/new?template=energy-scheduler&asset={PUMP}")
        await page.click("button[value='add:schedule.pumps']")
        await page.wait_for_selector("[id='schedule.pumps[2].tag']")
        assert await faults(seen) == []
        await picture(seen, f"schedule-{look[0]}.png")
