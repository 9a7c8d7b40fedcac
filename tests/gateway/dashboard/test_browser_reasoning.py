"""Reasoning in the browser: chosen in the playground, folded above the answer, counted."""

from collections.abc import AsyncIterator

import pytest

from tests.support.builders import CHAT, PLENTY, Limited
from tests.support.clocks import ShiftedClock
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm, looked_at
from tests.support.gateway.reasoning import REASONING
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER
WIDE = ("en-US", "light", 1440)


@pytest.fixture
async def thinking(limited: Limited) -> AsyncIterator[Firm]:
    """An account whose models include one that can reason."""
    clock = ShiftedClock()
    async with (
        limited(PLENTY, clock=clock, catalog=REASONING) as gateway,
        looked_at(gateway, clock) as firm,
    ):
        yield firm


@nightly
async def test_thoughts_are_folded_above_the_answer_and_counted(
    thinking: Firm, browser: Windows
) -> None:
    async with looked(browser, thinking.gateway.url, WIDE, thinking.owner) as seen:
        await seen.opens(f"/dashboard/playground?model={CHAT}")
        page = seen.page
        await page.fill("#prompt", "one two")
        await page.click("#play summary")
        await page.select_option("#reasoning_effort", "low")
        await page.fill("#max_tokens", "40")
        await page.locator("#code", has_text="reasoning_effort").wait_for()
        await page.click("#play button:not([type=button])")
        await page.wait_for_selector("#played a")
        thoughts = page.locator("#talk .model details")
        assert await thoughts.count() == 1
        assert (await thoughts.locator("p").text_content() or "").split() == ["thought"] * 8
        turns = page.locator("#play [name=turn]")
        assert "thought" not in (await turns.nth(1).get_attribute("value") or "")
        await page.click("#played a")
        await page.wait_for_selector("text=Reasoning tokens")
        assert "8" in (await page.locator("dd", has_text="not billed separately").inner_text())
        assert seen.complaints == []
