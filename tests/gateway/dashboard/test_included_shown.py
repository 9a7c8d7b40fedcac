"""Included units on pages: covered calls show "Included"; amounts are after included units."""

import re

from gateway.identity.roles import Role
from tests.support.billing.making import count_all_usage
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.stories.included import subscribe

NOTE = "Usage charges after included units, before discounts and tax"
OLD = "before the plan's included units"


async def covered(office: Firm, output_tokens: int) -> list[str]:
    """Make two calls of 2 input and 5 output tokens each, with this many output tokens included.
    Returns the addresses of the calls' pages, newest first."""
    await subscribe(office.gateway, input_tokens=100_000, output_tokens=output_tokens)
    for _ in range(2):
        assert (await office.gateway.chat("one two", max_tokens=5)).status_code == 200
    await count_all_usage(office.gateway.parts.database, office.clock)
    page = await office.owner.page("/dashboard/usage/calls")
    return re.findall(r'href="(/dashboard/usage/calls/req_\w+)"', page)


class TestIncludedUsage:
    async def test_fully_covered_calls_are_shown_as_included_on_all_pages(
        self, office: Firm
    ) -> None:
        call = (await covered(office, 1_000))[0]
        for page in ("/dashboard/usage", "/dashboard/usage?by=day", "/dashboard/usage?by=key"):
            said = words(await office.owner.page(page))
            assert "Included worth < CN¥0.01" in said, page
            assert NOTE in said
            assert OLD not in said
        assert "Cost Included" in words(await office.owner.page("/dashboard/usage"))
        overview = words(await office.owner.page("/dashboard"))
        assert NOTE in overview
        assert OLD not in overview
        assert overview.count("Succeeded 7 Included") == 2
        said = words(await office.owner.page(call))
        assert "Cost of the call Included" in said

    async def test_platform_models_page_shows_covered_usage_as_included(self, office: Firm) -> None:
        await covered(office, 1_000)
        gateway = office.gateway
        async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as operator:
            said = words(await operator.page("/dashboard/platform/models"))
        assert "Revenue: usage charges after included units, before discounts and tax." in said
        assert "Included worth < CN¥0.01" in said

    async def test_partly_covered_usage_shows_the_cost_of_uncovered_units(
        self, office: Firm
    ) -> None:
        """5 of 10 output tokens are included: 5 tokens at 0.000002 cost 0.00001."""
        newest, oldest = await covered(office, 5)
        rows = (await office.gateway.http.get("/v1/usage")).json()["data"]
        assert [row["cost"] for row in rows] == ["0.000010000", "0.000000000"]
        assert "Cost of the call Included" in words(await office.owner.page(oldest))
        assert "Cost of the call CN¥0.00001" in words(await office.owner.page(newest))
        said = words(await office.owner.page("/dashboard/usage"))
        assert "< CN¥0.01 plus < CN¥0.01 included" in said
        calls = words(await office.owner.page("/dashboard/usage/calls"))
        assert "CN¥0.00001 2 units included" in calls
        assert "7 Included" in calls
