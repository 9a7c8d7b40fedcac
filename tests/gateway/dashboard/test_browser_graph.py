"""The page *Knowledge graph* in headless Chromium: a question, and the diagram on a phone."""

from urllib.parse import quote

import pytest

from tests.gateway.dashboard.widths import too_wide
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.gateway.plants import import_all
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER

_ASSETS = (
    "asset,asset name,level,parent,brick\nS1,Works,site,,\nA1,锅炉房,area,S1,\n"
    "P-101,Feed pump 1,equipment,A1,Pump\nP-102,Feed pump 2,equipment,A1,Pump\n"
    "P-101-B,Bearing,component,P-101,\n"
)
_TAGS = "tag,unit,asset\nP-101.T,degC,P-101\nP-101.V,mm/s,P-101\n"
_ORDERS = (
    "work order,asset,date,failure mode,action\nWO-1,P-101,2026-01-10,,更换轴承\n"
    "WO-2,P-101,2026-02-01,Seal leak,\nWO-3,P-102,2026-03-01,Seal leak,\n"
)
_FMEA = (
    "component,failure mode,cause,effect,remedy,s,o,d\nP-101,Seal leak,干转,停机,更换密封,8,4,5\n"
)


@pytest.mark.parametrize(
    ("look", "question", "said"),
    [
        pytest.param(
            ("en-US", "light", 1440),
            "Which pumps leaked after the bearing was changed?",
            "1 asset",
            id="English",
            marks=nightly,
        ),
        pytest.param(
            ("zh-CN", "dark", 390),
            "更换轴承后哪些泵出现过密封泄漏？",
            "1 台设备",
            id="Chinese phone",
        ),
    ],
)
async def test_question_is_asked_and_the_asset_is_drawn(
    office: Firm, browser: Windows, look: tuple[str, str, int], question: str, said: str
) -> None:
    await import_all(office.gateway, _ASSETS, _TAGS, _ORDERS, _FMEA)
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        await seen.opens("/dashboard/plant/graph")
        await seen.page.fill("#question", question)
        await seen.page.press("#question", "Enter")
        await seen.page.wait_for_selector(".graph-answer")
        await seen.opens(f"/dashboard/plant/graph?question={quote(question)}")
        assert said in await seen.page.inner_text(".graph-answer")
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await seen.opens("/dashboard/plant/graph?asset=P-101")
        assert await seen.page.text_content("svg.graph .start + text") == "P-101"
        assert [*await seen.faults(), *await too_wide(seen)] == []
