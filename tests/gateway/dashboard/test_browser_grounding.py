"""Citations in the playground: passages below the answer, and whether they support it."""

import pytest

from tests.support.builders import CATALOG
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.fakes.upstream import FakeUpstream
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER
ASSISTANT = next(one.id for one in CATALOG.models.values() if one.assistant is not None)


@nightly
@pytest.mark.parametrize(
    ("look", "question", "said", "state", "mark"),
    [
        (
            ("en-US", "light", 1440),
            "The pump is cavitating. What do I check first?",
            "Cavitation means that liquid boils at the impeller inlet.",
            "Verified: each statement is in the cited passage.",
            "cited",
        ),
        (
            ("zh-CN", "dark", 390),
            "水泵气蚀先查什么？",
            "我不知道。",
            "未找到：段落中没有答案。",
            "",
        ),
    ],
    ids=["English", "Chinese"],
)
async def test_passages_are_folded_below_the_answer(
    office: Firm,
    upstream: FakeUpstream,
    browser: Windows,
    look: tuple[str, str, int],
    question: str,
    said: str,
    state: str,
    mark: str,
) -> None:
    upstream.says = said
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        await seen.opens(f"/dashboard/playground?model={ASSISTANT}")
        page = seen.page
        await page.fill("#prompt", question)
        await page.click("#play button:not([type=button])")
        await page.wait_for_selector("#played a")
        sources = page.locator("#talk .model .sources")
        assert await sources.locator("summary").inner_text() == state
        await sources.locator("summary").click()
        first = sources.locator("li").first
        assert len(await first.locator("p").inner_text()) > 50
        marks = await sources.locator("small").all_text_contents()
        assert set(marks) - {""} == ({mark} - {""})
        assert seen.complaints == []
