"""The page of a pump schedule: plan, savings, learning, promotion and taking back."""

from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.gateway.tank_api import (
    learn_all,
    read_now,
    scheduler,
    shadow_days,
    tank,
    tick,
)

AGENTS = "/dashboard/agents"
DAYS = 16


async def post(firm: Firm, path: str, expected: int = 303) -> str:
    """Submit a form of the page and return what it says."""
    answer = await firm.owner.send(path)
    assert answer.status_code == expected, words(answer.text)
    return words(answer.text)


async def test_schedule_is_planned_learned_promoted_and_taken_back(office: Firm) -> None:
    gateway = office.gateway
    code = await tank(gateway, DAYS)
    agent = (await scheduler(gateway, code))["id"]
    await read_now(gateway, code, 180.0, 0)
    await tick(gateway, agent)
    url = f"{AGENTS}/{agent}"
    shown = words(await office.owner.page(url))
    assert "0 pumps running, 2 wanted." in shown
    assert "Planned stop" not in shown
    page = await office.owner.page(f"{url}/schedule")
    assert 'class="line schedule"' in page
    assert "Two-level control within the safety limits decides." in words(page)
    async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as viewer:
        assert "Learn from" not in words(await viewer.page(f"{url}/schedule"))
        assert (await viewer.send(f"{url}/schedule/learn")).status_code == 403
    await post(office, f"{url}/schedule/learn")
    await learn_all(gateway)
    page = await office.owner.page(f"{url}/schedule")
    assert "In the shadow" in words(page)
    policy = page.partition("/schedule/policies/")[2].partition("/")[0]
    promote = f"{url}/schedule/policies/{policy}/promote"
    assert "not shown to be better yet" in await post(office, promote, 422)
    await shadow_days(gateway, agent, policy, 20.0)
    await post(office, promote)
    assert f"The learned schedule {policy} decides" in words(
        await office.owner.page(f"{url}/schedule")
    )
    await post(office, f"{url}/schedule/rollback")
    assert "Taken back" in words(await office.owner.page(f"{url}/schedule"))
