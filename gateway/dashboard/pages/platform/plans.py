"""Plans: what is sold, in which versions, at which prices; `maas plans publish` makes them."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.invoice_documents.price_format import percent, price_words
from billing.rating.products import model_of
from billing.reports.plan_sales import Sold, sold_plans
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database


class SoldPlanPages(Controller):
    """`/dashboard/platform/plans…`."""

    path = "/platform/plans"

    @get("/", name="platform:plans", permission=Permission.WATCH)
    async def plans(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        async with database.transaction() as session:
            rows = await sold_plans(session, clock.now())
        return viewing.page("platform/plans.html", rows=rows, zone=platform_zone())

    @get("/{version:str}", name="platform:version", permission=Permission.WATCH)
    async def plan(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        version: FromPath[str],
    ) -> Response[str]:
        async with database.transaction() as session:
            rows = await sold_plans(session, clock.now())
        sold = next((one for one in rows if one.version.id.hex == version), None)
        if sold is None:
            raise PageNotFound("There is no such version of a plan.")
        return viewing.page(
            "platform/plan.html",
            sold=sold,
            prices=_prices(sold, viewing.language),
            discounts=[(one.model, percent(one.ppm)) for one in sold.terms.discounts],
            zone=platform_zone(),
        )


def _prices(sold: Sold, language: str) -> list[tuple[str, str, str]]:
    """Model, meter and the price in words."""
    return [
        (one.model, one.meter, price_words(one.price, one.meter, language))
        for one in sorted(sold.terms.prices, key=lambda one: model_of(one.model))
    ]
