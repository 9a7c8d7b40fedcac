"""Platform pages: margins, upstreams with their state, and refused catalog files."""

from types import MappingProxyType

from gateway.process.catalog_reloader import CatalogStatus
from gateway.upstream.credentials import ResolvedUpstream
from models.catalog import Problem, Upstream
from tests.support.billing.making import count_all_usage
from tests.support.builders import CHAT
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, words
from tests.support.stories import story as stories

PLATFORM = "/dashboard/platform"


async def test_margins_are_shown_by_each_dimension_and_unknown_costs_as_unknown(
    firm: Firm, debtor: stories.Firm, support: Looker
) -> None:
    debtor.story.clock._now = firm.clock.now()
    await debtor.use("vib", rows=4_000, upstream="p", upstream_cost_nano=1_000_000_000)
    await count_all_usage(firm.gateway.parts.database, firm.clock)
    by_model = words(await support.page(f"{PLATFORM}/revenue"))
    assert "Margin of the last twelve months" in by_model
    # 30.00 of unknown cost, and 4.00 that cost 1.00.
    assert "vib 2 CN¥34.00 CN¥1.00 CN¥3.00 75% 1 CN¥30.00" in by_model
    assert f"{CHAT} 4" in by_model
    by_upstream = words(await support.page(f"{PLATFORM}/revenue?margin=upstream"))
    assert "p 1 CN¥4.00 CN¥1.00 CN¥3.00 75% –" in by_upstream
    assert "Own servers" in by_upstream
    assert "unknown unknown" in by_upstream
    assert "Big 2" in words(await support.page(f"{PLATFORM}/revenue?margin=account"))
    month = f"{firm.clock.now():%Y-%m}"
    assert month in words(await support.page(f"{PLATFORM}/revenue?margin=month"))
    page = await support.page(f"{PLATFORM}/revenue?margin=nonsense&month={month}&lang=zh")
    assert "毛利" in page or "Margin in" in words(page)


async def test_upstreams_and_refused_files_are_shown_without_secrets(
    firm: Firm, support: Looker
) -> None:
    parts = firm.gateway.parts
    upstream = Upstream(
        "provider",
        "https://api.example.com/v1",
        MappingProxyType({CHAT: "their-name"}),
        "provider",
    )
    parts.upstream_monitor.set_upstreams([ResolvedUpstream(upstream, {}, ("provider",))])
    problem = Problem("site.toml", "is an unknown field.", "the model 'x'", "prices")
    parts.catalog_reloader.status = CatalogStatus(firm.clock.now(), firm.clock.now(), (problem,))
    said = words(await support.page(f"{PLATFORM}/models"))
    assert "Catalog files refused" in said
    assert "site.toml: the model 'x' is not valid: prices is an unknown field." in said
    assert "provider https://api.example.com/v1 Secret missing provider" in said
    assert "their-name" not in said
