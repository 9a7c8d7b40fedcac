"""An inspection round on a phone in headless Chromium: offline, photos, submission and report."""

import asyncio
import os
from pathlib import Path

import pytest
from playwright.async_api import Route

from gateway.tables.agents import AgentStatus
from tests.gateway.dashboard.widths import too_wide
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.gateway.rounds import photo, route
from tests.support.gateway.watched_pumps import VIBRATION_TAG, add_agent, import_pump, run_agents
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER
_PICTURES = os.environ.get("ROUND_PICTURES")


async def picture(page: object, name: str) -> None:
    if _PICTURES:
        await page.screenshot(path=Path(_PICTURES) / name, full_page=True)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("look", "kept", "out"),
    [
        pytest.param(("zh-CN", "light", 390), "结果已保存在本机", "超限", id="Chinese"),
        pytest.param(
            ("en-US", "dark", 390),
            "answers are kept on this device",
            "Out of limits",
            id="English",
            marks=nightly,
        ),
    ],
)
async def test_round_is_answered_offline_on_a_phone_and_its_report_names_what_is_out_of_limits(
    office: Firm, browser: Windows, look: tuple[str, str, int], kept: str, out: str
) -> None:
    await import_pump(office.gateway)
    section = route()
    section["stops"][0]["questions"][0] = {
        **section["stops"][0]["questions"][0],
        "point": VIBRATION_TAG,
    }
    agent = await add_agent(office.gateway, AgentStatus.ACTIVE, rules=[], round=section)
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        page = seen.page
        await seen.opens(f"/dashboard/agents/{agent}")
        await page.click("form[action$='/rounds'] button")
        await page.wait_for_url("**/agents/rounds/round_*")
        await page.context.set_offline(True)
        await page.fill("#q0-vibration", "5,2")
        await page.check("input[name=q0-leak][value=yes]")
        await page.set_input_files(
            "fieldset[data-question=leak] input[type=file]",
            {"name": "leak.png", "mimeType": "image/png", "buffer": photo((900, 600), "PNG")},
        )
        await page.wait_for_selector("fieldset[data-question=leak] img")
        await page.wait_for_selector("[data-say=offline]:not([hidden])")
        assert kept in await page.inner_text(".round-bar")
        await picture(page, f"offline-{look[0]}.png")
        await page.context.set_offline(False)
        await page.check("input[name=q0-noise][value=low]")
        await page.wait_for_selector("[data-say=saved]:not([hidden])")
        seen.complaints.clear()  # of being offline
        await page.reload()
        assert await page.input_value("#q0-vibration") == "5.2"
        assert await page.evaluate("localStorage.length") == 0
        await page.wait_for_selector("fieldset[data-out][data-question=leak]")
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await picture(page, f"round-{look[0]}.png")
        await page.click(".round-bar button")
        await page.wait_for_selector("a[href$='/pdf']")
        await run_agents(office.gateway)
        await page.reload()
        assert out in await page.inner_text("main")
        assert await page.locator(".round-photos img").count() == 1
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await picture(page, f"report-{look[0]}.png")
        await seen.opens("/dashboard/agents/rounds")
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await picture(page, f"rounds-{look[0]}.png")
        await seen.opens(f"/dashboard/agents/{agent}")
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await picture(page, f"agent-{look[0]}.png")


async def test_answers_are_sent_when_the_gateway_was_busy_or_still_took_earlier_ones(
    office: Firm, browser: Windows
) -> None:
    await import_pump(office.gateway)
    agent = await add_agent(office.gateway, AgentStatus.ACTIVE, rules=[], round=route())
    answered = iter((503, 200, 200))
    held, asked = asyncio.Event(), asyncio.Event()

    async def answer(request: Route) -> None:
        status = next(answered)
        if status == 503:
            await request.fulfill(status=status, json={})
            return
        asked.set()
        await held.wait()
        await request.continue_()

    async with looked(browser, office.gateway.url, ("zh-CN", "light", 390), office.owner) as seen:
        page = seen.page
        await page.clock.install()
        await seen.opens(f"/dashboard/agents/{agent}")
        await page.click("form[action$='/rounds'] button")
        await page.wait_for_url("**/agents/rounds/round_*")
        await page.route("**/answers", answer)
        await page.check("input[name=q0-leak][value=no]")
        await page.clock.run_for(1_000)
        await page.wait_for_selector("[data-say=offline]:not([hidden])")
        await page.clock.run_for(16_000)
        await asked.wait()
        await page.check("input[name=q0-noise][value=low]")
        await page.clock.run_for(1_000)
        held.set()
        await page.clock.resume()
        await page.wait_for_selector("[data-say=saved]:not([hidden])")
        assert await page.evaluate("localStorage.length") == 0
