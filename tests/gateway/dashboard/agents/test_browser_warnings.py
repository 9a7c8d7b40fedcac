"""The page of a learned warning rule in headless Chromium."""

import pytest

from tests.gateway.dashboard.widths import too_wide
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.gateway.agent_api import post
from tests.support.gateway.warning_machines import (
    RULES,
    add_rule,
    machine,
    train_all,
    training_body,
)
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER

PAGE = "/dashboard/agents/warnings"


@nightly
@pytest.mark.parametrize(
    ("look", "said"),
    [
        pytest.param(("en-US", "light", 1440), "Ready", marks=nightly),
        (("zh-CN", "dark", 390), "可启用"),
    ],
    ids=["English", "Chinese phone"],
)
async def test_page_of_a_rule_is_accessible_and_fits(
    office: Firm, browser: Windows, look: tuple[str, str, int], said: str
) -> None:
    rule = await add_rule(office.gateway, await machine(office.gateway))
    await post(office.gateway, f"{RULES}/{rule}/train", training_body())
    await train_all(office.gateway)
    async with looked(browser, office.gateway.url, look, office.owner) as seen:
        await seen.opens(PAGE)
        assert [*await seen.faults(), *await too_wide(seen)] == []
        await seen.opens(f"{PAGE}/{rule}")
        assert said in await seen.page.inner_text("#versions")
        assert [*await seen.faults(), *await too_wide(seen)] == []
