"""The pages of published plans: versions, subscribers and prices."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.invoice_documents.price_format import format_percent, format_price
from billing.plan_changes.price_change_views import list_price_changes
from billing.rating.products import model_of_product
from billing.reports.plan_sales import PlanVersionSales, list_plan_sales
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database

_MAX_CHANGES = 50


class PublishedPlanPages(Controller):
    """Handlers of `/dashboard/platform/plans`."""

    path = "/platform/plans"

    @get("/", name="platform:plans", permission=Permission.WATCH)
    async def list_plans(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show all plans with their subscribers."""
        async with database.transaction() as session:
            rows = await list_plan_sales(session, clock.now())
            changes = await list_price_changes(session)
        return page.render(
            "platform/plans.html",
            rows=rows,
            changes=changes[:_MAX_CHANGES],
            operates=page.viewer.has_permission(Permission.OPERATE),
            zone=platform_zone(),
        )

    @get("/{version:str}", name="platform:version", permission=Permission.WATCH)
    async def show_plan_version(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        version: FromPath[str],
    ) -> Response[str]:
        """Show a version of a plan."""
        async with database.transaction() as session:
            rows = await list_plan_sales(session, clock.now())
        sold = next((row for row in rows if row.version.id.hex == version), None)
        if sold is None:
            raise PageNotFound("Plan version not found.")
        return page.render(
            "platform/plan.html",
            sold=sold,
            operates=page.viewer.has_permission(Permission.OPERATE),
            prices=_price_rows(sold, page.language),
            discounts=[
                (discount.model, format_percent(discount.ppm)) for discount in sold.terms.discounts
            ],
            zone=platform_zone(),
        )


def _price_rows(sold: PlanVersionSales, language: str) -> list[tuple[str, str, str]]:
    """Return a row for each price of a plan version: model, meter and price as text."""
    return [
        (
            price.model,
            price.meter,
            format_price(price.price, price.meter, sold.terms.currency, language),
        )
        for price in sorted(sold.terms.prices, key=lambda price: model_of_product(price.model))
    ]
