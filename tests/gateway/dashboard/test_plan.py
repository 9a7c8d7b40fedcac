"""Plan pages: selecting, changing and cancelling a plan, at the amounts of the API."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from billing.plan_changes.price_change_views import preview_price_change
from billing.price_changes.price_changes import announce_price_change
from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from tests.support.builders import CHAT, PLENTY, Gateway, Limited
from tests.support.clocks import ShiftedClock
from tests.support.dashboard.firm import Firm, looked_at
from tests.support.dashboard.looking import looker, words
from tests.support.gateway.subscribing import LARGE as _LARGE
from tests.support.gateway.subscribing import SMALL, choose, offer
from tests.support.money_lines import money_lines

LARGE = _LARGE.replace("Small", "Large").replace("小型", "大型")
INCLUDING = """
[[allowance]]
meter = "output_tokens"
quantity = 1000
[[discount]]
model = "*"
percent = "10"
"""

TIER = """
[[tier]]
name = "priority"
percent = 150
"""


@pytest.fixture
async def firm(limited: Limited) -> AsyncIterator[Firm]:
    """An account before its first call, at the beginning of a month."""
    clock = ShiftedClock()
    clock.to_next_month()
    async with limited(PLENTY, clock=clock) as gateway, looked_at(gateway, clock) as firm:
        yield firm


async def actions(gateway: Gateway) -> list[str]:
    async with gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, gateway.account.id)
        return [one.action for one in entries if one.action != "key.created"]


def seen_on(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found is not None
    return found[1]


class TestPlanPage:
    async def test_available_plans_are_compared_by_price_and_included_units(
        self, firm: Firm
    ) -> None:
        await offer(firm.gateway, SMALL + INCLUDING, LARGE)
        said = words(await firm.owner.page("/dashboard/plan"))
        assert said.index("Small CN¥310.00") < said.index("Large CN¥620.00")
        assert "1,000 output tokens included, all models" in said
        assert "10% off all models" in said
        assert "CN¥0.50 per 1M tokens" in said

    async def test_service_tier_prices_have_readable_model_names(self, firm: Firm) -> None:
        await offer(firm.gateway, SMALL + TIER, LARGE)
        page = await firm.owner.page("/dashboard/plan")
        assert f"{CHAT}, priority" in words(page)
        assert "@priority" not in page
        models = re.findall(r'<th scope="row">([^<]+)', page)
        last = len(models) - 1 - models[::-1].index(CHAT)
        assert models[last + 1 :].count(f"{CHAT}, priority") > 0
        assert models[last + 1].startswith(f"{CHAT}, ")

    async def test_plan_in_force_shows_used_share_of_included_units(self, firm: Firm) -> None:
        await firm.gateway.chat("a call before the plan")
        await offer(firm.gateway, SMALL + INCLUDING)
        await choose(firm.gateway, "small")
        said = words(await firm.owner.page("/dashboard/plan"))
        assert "Included in the plan · Output tokens 0%" in said
        assert "Active" in said
        assert "Change to Small" not in said


class TestPlanChange:
    async def test_shown_amount_equals_the_api_preview(self, firm: Firm) -> None:
        await offer(firm.gateway, SMALL, LARGE)
        await choose(firm.gateway, "small")
        preview = (await choose(firm.gateway, "large", preview=True, key="p")).json()
        page = await firm.owner.page("/dashboard/plan/change/large")
        assert f"Total, including tax CN¥{preview['total']}" in words(page)
        assert "Small: unused fixed fee" in words(page)
        answer = await firm.owner.send("/dashboard/plan/change/large", seen=seen_on(page))
        assert answer.headers["location"] == "/dashboard/plan?done=changed"
        assert "Your plan Large" in words(await firm.owner.page("/dashboard/plan?done=changed"))
        assert await actions(firm.gateway) == ["plan.changed"]

    async def test_repeated_submission_changes_the_plan_once(self, firm: Firm) -> None:
        await offer(firm.gateway, SMALL)
        before = len((await firm.gateway.http.get("/v1/invoices")).json()["data"])
        seen = seen_on(await firm.owner.page("/dashboard/plan/change/small"))
        for _ in range(2):
            answer = await firm.owner.send("/dashboard/plan/change/small", seen=seen)
            assert answer.status_code == 303
        assert len((await firm.gateway.http.get("/v1/invoices")).json()["data"]) == before + 1
        assert await actions(firm.gateway) == ["plan.changed"]
        again = await firm.owner.http.get("/dashboard/plan/change/small")
        assert again.headers["location"] == "/dashboard/plan"

    async def test_outdated_amount_is_rejected_and_plan_is_unchanged(self, firm: Firm) -> None:
        await offer(firm.gateway, SMALL)
        answer = await firm.owner.send("/dashboard/plan/change/small", seen="x 1")
        assert answer.status_code == 422
        assert "has changed since this page was loaded" in words(answer.text)
        assert (await firm.gateway.http.get("/v1/subscription")).json()["status"] == "none"

    async def test_plan_with_trial_starts_without_a_charge(self, firm: Firm) -> None:
        await offer(firm.gateway, SMALL.replace("fixed_fee", "trial_days = 14\nfixed_fee"))
        page = await firm.owner.page("/dashboard/plan/change/small")
        assert "The first 14 days are free" in words(page)
        await firm.owner.send("/dashboard/plan/change/small", seen=seen_on(page))
        assert "Trial" in words(await firm.owner.page("/dashboard/plan"))

    async def test_downgrade_takes_effect_at_period_end_and_can_be_undone(self, firm: Firm) -> None:
        await offer(firm.gateway, SMALL, LARGE)
        await choose(firm.gateway, "large")
        page = await firm.owner.page("/dashboard/plan/change/small")
        assert "The change takes effect on" in words(page)
        await firm.owner.send("/dashboard/plan/change/small", seen=seen_on(page))
        page = await firm.owner.page("/dashboard/plan?done=planned")
        assert "Changes to Small on" in words(page)
        for _ in range(2):
            answer = await firm.owner.send("/dashboard/plan/resume")
            assert answer.status_code == 303
        assert "it changes to" not in words(await firm.owner.page("/dashboard/plan?done=resumed"))
        assert await actions(firm.gateway) == ["plan.resumed", "plan.changed"]


class TestPlanCancellation:
    @pytest.mark.parametrize(
        ("when", "left"), [("end", "The plan ends on"), ("now", "Pay as you go")]
    )
    async def test_plan_ends_at_the_selected_time(self, firm: Firm, when: str, left: str) -> None:
        await offer(firm.gateway, SMALL)
        await choose(firm.gateway, "small")
        for _ in range(2):
            answer = await firm.owner.send("/dashboard/plan/cancel", when=when)
            assert answer.status_code == 303
        said = words(await firm.owner.page("/dashboard/plan?done=cancelled"))
        assert left in said
        assert "The plan is cancelled." in said


class TestPlanPause:
    async def test_pause_is_announced_and_undone(self, firm: Firm) -> None:
        await offer(firm.gateway, SMALL)
        await choose(firm.gateway, "small")
        await firm.owner.send("/dashboard/plan/pause", resumes_on="")
        said = words(await firm.owner.page("/dashboard/plan?done=paused"))
        assert "until you resume it" in said
        assert "The pause is scheduled." in said
        await firm.owner.send("/dashboard/plan/resume")
        assert "until you resume it" not in words(await firm.owner.page("/dashboard/plan"))
        assert await actions(firm.gateway) == ["plan.resumed", "plan.paused"]

    async def test_paused_plan_is_resumed_with_its_fee(self, firm: Firm) -> None:
        gateway = firm.gateway
        await offer(gateway, SMALL)
        await choose(gateway, "small")
        async with gateway.parts.database.transaction() as session:
            await session.execute(
                text("update subscription_phase set ends_at = starts_at, paused = true")
            )
        assert "Calls are charged at list prices." in words(
            await firm.owner.page("/dashboard/plan")
        )
        await firm.owner.send("/dashboard/plan/resume")
        assert (await gateway.http.get("/v1/subscription")).json()["status"] == "active"

    @pytest.mark.parametrize("day", ["2000-01-01", "soon"])
    async def test_impossible_day_is_refused_with_a_reason(self, firm: Firm, day: str) -> None:
        await offer(firm.gateway, SMALL)
        await choose(firm.gateway, "small")
        answer = await firm.owner.send("/dashboard/plan/pause", resumes_on=day)
        assert "Choose a day" in words(await firm.owner.page(answer.headers["location"]))
        assert (await firm.gateway.http.get("/v1/subscription")).json()["pause"] is None

    async def test_form_sent_without_a_plan_returns_to_the_page(self, firm: Firm) -> None:
        answer = await firm.owner.send("/dashboard/plan/pause", resumes_on="")
        assert answer.headers["location"] == "/dashboard/plan"


async def test_announced_prices_are_shown_with_their_day(firm: Firm) -> None:
    parts = firm.gateway.parts
    await offer(firm.gateway, SMALL)
    await choose(firm.gateway, "small")
    await offer(firm.gateway, SMALL.replace("310.00", "341.00"))
    async with parts.database.transaction() as session:
        preview = await preview_price_change(session, parts.clock, "small", "CNY")
        effective_at = parts.clock.now() + timedelta(days=45)
        await announce_price_change(session, parts.clock, preview, effective_at)
    said = words(await firm.owner.page("/dashboard/plan"))
    assert "New prices of Small from" in said
    assert "The fee will be CN¥341.00." in said


class TestPlanRoles:
    async def test_only_owner_can_change_the_plan(self, firm: Firm) -> None:
        gateway = firm.gateway
        await offer(gateway, SMALL)
        for role in (Role.VIEWER, Role.DEVELOPER, Role.FINANCE):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                assert "Choose Small" not in await one.page("/dashboard/plan")
                await one.page("/dashboard/plan/change/small", 403)
                for name in ("change/small", "cancel", "pause", "resume"):
                    answer = await one.send(f"/dashboard/plan/{name}")
                    assert answer.status_code == 403


class TestMoneyEventLog:
    async def test_plan_change_log_line_names_person_and_address(self, firm: Firm) -> None:
        await offer(firm.gateway, SMALL)
        page = await firm.owner.page("/dashboard/plan/change/small")
        with money_lines() as lines:
            await firm.owner.send("/dashboard/plan/change/small", seen=seen_on(page))
        started = next(line for line in lines if line["event"] == "plan.started")
        assert started["caused_by"].keys() == {"address", "person"}
        assert started["caused_by"]["address"].startswith("POST /dashboard/plan/change/{")
