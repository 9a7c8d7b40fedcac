"""The page to announce a price change: the accounts that it moves, the day, confirmation."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.plan_changes.price_change_views import PriceChangePreview, preview_price_change
from billing.price_changes.price_changes import PriceChangeInvalid, PriceChangeNotFound
from billing.rating.terms import LIST_PLAN, PACK_PLAN
from billing.tables import PlanVersion
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.price_changes import announce_change, parse_effective, withdraw_change
from infra.clock import Clock
from infra.database.database import Database

_PLANS = "/dashboard/platform/plans"
_PRESERVED = PreservedFields(_PLANS + "/{version}/announce", ("effective",))


class PriceChangePages(Controller):
    """Handlers of `/dashboard/platform/plans/{version}/announce` and `/changes`."""

    path = "/platform/plans"
    opt = {"permission": Permission.OPERATE}  # noqa: RUF012  # declared by Litestar

    @get("/{version:str}/announce", name="platform:announce")
    async def show_announcement(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        version: FromPath[str],
    ) -> Response[str]:
        """Show the accounts on earlier versions of the plan, and the form to announce a day."""
        async with database.transaction() as session:
            preview = await _preview(session, clock, version)
        return _render(page, preview, restored_form(page), 200)

    @post("/{version:str}/announce", keeps=_PRESERVED)
    async def announce(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        version: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Announce the change to its accounts by e-mail."""
        fields = {"effective": "", **await read_form_fields(request)}
        async with database.transaction() as session:
            preview = await _preview(session, clock, version)
        try:
            effective_at = parse_effective(fields["effective"].strip())
            async with database.transaction() as session:
                # Read again: accounts may have changed their plan since the page was shown.
                current = await _preview(session, clock, version)
                await announce_change(session, clock, page.actor, current, effective_at)
        except PriceChangeInvalid as error:
            error.param = error.param or "effective"
            return _render(page, preview, with_errors(page, fields, error), UNPROCESSABLE)
        return page.redirect(_PLANS)

    @post("/changes/{change:str}/withdraw")
    async def withdraw_price_change(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        change: FromPath[str],
    ) -> Response[Any]:
        """Withdraw an open price change."""
        try:
            async with database.transaction() as session:
                await withdraw_change(session, clock, page.actor, change)
        except PriceChangeNotFound as error:
            raise PageNotFound("No open price change has this ID.") from error
        return page.redirect(_PLANS)


async def _preview(session: AsyncSession, clock: Clock, version: str) -> PriceChangePreview:
    """Return what a change to a version would announce. Raises PageNotFound."""
    try:
        row = await session.get(PlanVersion, UUID(version))
    except ValueError:
        row = None
    if row is None or row.plan in (LIST_PLAN, PACK_PLAN):
        raise PageNotFound("Plan version not found.")
    return await preview_price_change(session, clock, row.plan, row.currency, row.number)


def _render(
    page: PageRequest, preview: PriceChangePreview, form: FormState, status: int
) -> Response[str]:
    """Render the page."""
    address = f"{_PLANS}/{preview.version.id.hex}"
    values = {"preview": preview, "form": form, "address": address}
    return page.render("platform/announce_price_change.html", status=status, **values)
