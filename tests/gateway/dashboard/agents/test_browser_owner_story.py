"""The owner of a pump: monitor from a template, replay, activation, and the morning report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from tests.gateway.dashboard.widths import too_wide
from tests.support.builders import Gateway
from tests.support.dashboard.browsing import NEEDS_BROWSER, Looked, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.gateway.watched_pumps import PUMP, VIBRATION_TAG, import_pump, run_agents
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER

AGENTS = "/dashboard/agents"
ENGLISH = ("en-US", "light", 1440)
CHINESE = ("zh-CN", "dark", 390)
# What the owner reads the next morning: what, why, cost, and what it saved.
SAID = {
    ENGLISH: (
        "Since yesterday",
        "P-101.V read 6.8 mm/s",
        "¥0.00",
        "Event followed",
        "-CN¥120.00 to",
    ),
    CHINESE: ("昨日以来", "读数为 6.8 mm/s", "¥0.00", "事件已发生", "-¥120.00 至"),
}
MAX_CLICKS = 12


@dataclass
class Hand:
    """An owner's hand on a page, who counts clicks and choices."""

    seen: Looked
    done: list[str] = field(default_factory=list)

    async def clicks(self, selector: str) -> None:
        self.done.append(selector)
        await self.seen.page.click(selector)

    async def chooses(self, selector: str, value: str) -> None:
        self.done.append(selector)
        await self.seen.page.select_option(selector, value)

    async def fills(self, selector: str, value: str) -> None:
        self.done.append(selector)
        await self.seen.page.fill(selector, value)

    async def faults(self) -> list[str]:
        return [*await self.seen.faults(), *await too_wide(self.seen)]


async def send(gateway: Gateway, values: Sequence[tuple[str, datetime, float]]) -> None:
    """Send readings as an edge connector does."""
    readings = [{"tag": tag, "time": at.isoformat(), "value": value} for tag, at, value in values]
    answer = await gateway.http.post("/v1/plant/readings", json={"readings": readings})
    assert answer.status_code == 200, answer.text


def quiet(times: Sequence[datetime]) -> list[tuple[str, datetime, float]]:
    """Return readings of temperature and pressure within their limits."""
    return [
        (tag, at, value) for tag, value in (("P-101.T", 40.0), ("P-101.P", 3.0)) for at in times
    ]


async def send_last_month(gateway: Gateway, now: datetime) -> None:
    """Send hourly readings of 31 days, with high vibration on the tenth day before now."""
    hours = [now - timedelta(hours=one) for one in range(31 * 24, 0, -1)]
    high = (now - timedelta(days=10), now - timedelta(days=9))
    values = [(VIBRATION_TAG, at, 6.0 if high[0] <= at < high[1] else 2.0) for at in hours]
    await send(gateway, [(VIBRATION_TAG, now, 2.0), *values, *quiet(hours), *quiet([now])])


async def note_repair(gateway: Gateway, at: datetime) -> None:
    """Record what the technician found: a work order of the pump with a failure mode."""
    nodes = []
    for kind, properties in (
        ("work_order", {"date": {"value": at.isoformat()}}),
        ("failure_mode", {}),
    ):
        body = {"kind": kind, "code": f"REPAIR-{kind}", "name": "Worn bearing"}
        answer = await gateway.http.post(
            "/v1/plant/entities", json={**body, "properties": properties}
        )
        nodes.append({"kind": kind, "id": answer.json()["id"]})
    for predicate, target in (("on", {"kind": "asset", "id": PUMP}), ("found", nodes[1])):
        relation = {"subject": nodes[0], "predicate": predicate, "target": target}
        answer = await gateway.http.post("/v1/plant/relations", json=relation)
        assert answer.status_code == 200, answer.text


async def create_agent(hand: Hand) -> None:
    """Create the monitor: template, asset, two corrections, a time for the report."""
    await hand.clicks(f"a[href='{AGENTS}/new']")
    await hand.clicks(".plan a.button[href*='template=pump-monitor']")
    await hand.clicks("text=Feed pump 1")
    assert await hand.faults() == []
    await hand.chooses("[id='rules[1].point']", "P-101.T")
    await hand.fills("[id='rules[0].held_for']", "")
    await hand.fills("[id='recipients.daily_report']", "08:00")
    await hand.clicks("main form .actions .button.primary")
    await hand.seen.page.wait_for_url("**/agents/agent_*")


@nightly
@pytest.mark.parametrize(
    "look",
    [
        pytest.param(ENGLISH, id="English", marks=nightly),
        pytest.param(CHINESE, id="Chinese phone"),
    ],
)
async def test_owner_creates_replays_activates_and_reads_the_next_morning(
    office: Firm, browser: Windows, look: tuple[str, str, int]
) -> None:
    gateway, clock = office.gateway, office.clock
    await import_pump(gateway)
    await send_last_month(gateway, clock.now())
    async with looked(browser, gateway.url, look, office.owner) as seen:
        hand, page = Hand(seen), seen.page
        await seen.opens(AGENTS)
        await create_agent(hand)
        await hand.clicks("form[action*='/replay'] button")
        await page.wait_for_selector("#replay table")
        assert await hand.faults() == []
        await hand.clicks("form[action$='/activate'] button")
        await page.wait_for_selector("form[action$='/pause']")
        await run_agents(gateway)
        assert len(hand.done) <= MAX_CLICKS

        # Else the gateway may run the agent between the change of the clock and the readings.
        await gateway.parts.agent_runner.stop()
        clock.to(clock.now() + timedelta(hours=8))
        now = clock.now()
        await send(gateway, [(VIBRATION_TAG, now, 6.8), *quiet([now])])
        await gateway.parts.agent_runner.run_due()
        await gateway.parts.agent_runner.start()
        await page.reload()
        await hand.clicks("form[action$='/approve'] button")
        await page.wait_for_selector("#actions a[href*='/plant/objects/ent_']")

        clock.to(clock.now() + timedelta(hours=8))
        await note_repair(gateway, clock.now() - timedelta(hours=1))
        await page.reload()
        read = await page.inner_text("#report") + await page.inner_text("#savings")
        for text in SAID[look]:
            assert text in read
        assert await hand.faults() == []
