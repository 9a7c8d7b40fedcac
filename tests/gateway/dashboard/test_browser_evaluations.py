"""An evaluation in headless Chromium: choose a file, see the price, start, watch the progress."""

import json
from pathlib import Path

from tests.support.builders import CHAT
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.evaluator import QUESTIONS, Evaluator
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER


@nightly
async def test_run_is_started_from_a_file_and_reloads_when_it_has_ended(
    office: Firm, browser: Windows, upstream: FakeUpstream, tmp_path: Path
) -> None:
    Evaluator(office.gateway, upstream)
    upstream.delay_s = 0.2
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(json.dumps(one) for one in QUESTIONS))
    look = ("en-US", "light", 1440)
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        await seen.opens("/dashboard/evaluations/new")
        await seen.page.set_input_files("#upload", file)
        await seen.page.select_option("#model", CHAT)
        await seen.page.fill("#max_tokens", "8")
        await seen.page.click("text=Show price")
        await seen.page.click("text=Start evaluation")
        await seen.page.wait_for_selector("#progress")
        await seen.page.wait_for_selector("text=Completed")
        assert "3 of 3" in await seen.page.inner_text("#progress")
        assert await seen.faults() == []
