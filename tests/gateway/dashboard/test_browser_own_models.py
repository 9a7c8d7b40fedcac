"""A model in headless Chromium: choose a table, confirm its columns, start the training."""

from pathlib import Path

import pytest

from tests.gateway.dashboard.widths import too_wide
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.plant_tags import TAG_PAGE, tag_outputs
from tests.support.fakes.upstream import FakeUpstream
from tests.support.models.tables import csv, machines
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER


@pytest.mark.parametrize(
    ("look", "check", "start", "queued"),
    [
        pytest.param(
            ("en-US", "light", 1440),
            "Check the file",
            "Start training",
            "The job is queued.",
            id="English",
            marks=nightly,
        ),
        pytest.param(
            ("zh-CN", "dark", 390), "检查文件", "开始训练", "任务已排队。", id="Chinese phone"
        ),
    ],
)
async def test_table_is_confirmed_and_its_training_starts(
    office: Firm,
    browser: Windows,
    tmp_path: Path,
    look: tuple[str, str, int],
    check: str,
    start: str,
    queued: str,
) -> None:
    file = tmp_path / "line 3.csv"
    file.write_bytes(csv(machines(4, 20)))
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        await seen.opens("/dashboard/models/new")
        await seen.page.set_input_files("#upload", file)
        await seen.page.click(f"button:has-text('{check}')")
        await seen.page.wait_for_selector("select[name=role0]")
        assert await seen.page.input_value("select[name=role0]") == "machine"
        await seen.page.select_option("select[name=role5]", "ignored")
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await seen.page.click(f"button:has-text('{start}')")
        await seen.page.wait_for_selector("#progress")
        assert queued in await seen.page.inner_text("#progress")
        assert await seen.faults() == []


async def test_tags_are_corrected_with_the_keyboard_and_trained_on(
    office: Firm, upstream: FakeUpstream, browser: Windows
) -> None:
    upstream.outputs = tag_outputs
    tags = [f"{letter}{letter}_{number}" for number, letter in enumerate("abcdefghijkl")]
    async with looked(browser, office.gateway.url, ("zh-CN", "light", 390), office.owner) as seen:
        await seen.opens(TAG_PAGE)
        await seen.page.fill("#tags", "\n".join(tags))
        await seen.page.fill("#concepts", "RT; Room temperature\nSAT; Supply air temperature")
        await seen.page.click("button[value=propose]")
        await seen.page.wait_for_selector("#concept-11")
        await seen.page.focus("#concept-0")
        await seen.page.keyboard.press("Enter")
        await seen.page.keyboard.type("SAT")
        await seen.page.keyboard.press("Shift+Enter")
        assert await seen.page.evaluate("document.activeElement.id") == "concept-0"
        assert await seen.page.input_value("#concept-1") == "SAT"
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await seen.page.click("button[value=price]")
        await seen.page.wait_for_selector("button[value=train]")
        assert await seen.page.input_value("#concept-1") == "SAT"
        await seen.page.click("button[value=train]")
        await seen.page.wait_for_selector("#progress")
        assert "任务已排队。" in await seen.page.inner_text("#progress")
