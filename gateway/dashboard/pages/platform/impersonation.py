"""Impersonation: start and end viewing an account's pages as its members see them."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.reports.customers import Customer, get_customer
from gateway.dashboard.forms import EMPTY_FORM, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest, client_origin
from gateway.dashboard.pages.platform.common import account_url, parse_id_or_404
from gateway.identity.impersonation import end_impersonation, start_impersonation
from gateway.identity.roles import Permission
from gateway.operations.accounts import ReasonMissing, validate_reason
from infra.clock import Clock
from infra.database.database import Database


class ImpersonationPages(Controller):
    """Handlers that start and end impersonation."""

    path = "/platform"

    @get("/accounts/{account:str}/look", permission=Permission.IMPERSONATE)
    async def show_impersonation(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
    ) -> Response[str]:
        """Show the confirmation to view an account as its customer."""
        customer = await _get_customer(database, clock, account)
        return page.render("platform/look.html", customer=customer, form=EMPTY_FORM)

    @post("/accounts/{account:str}/look", permission=Permission.IMPERSONATE)
    async def start_impersonation(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """View the account as its customer, for a limited time."""
        customer = await _get_customer(database, clock, account)
        fields = {"reason": "", **await read_form_fields(request)}
        try:
            reason = validate_reason(fields["reason"])
        except ReasonMissing as error:
            form = with_errors(page, fields, error)
            values = {"customer": customer, "form": form}
            return page.render("platform/look.html", status=UNPROCESSABLE, **values)
        address = client_origin(request).address
        async with database.transaction() as session:
            await start_impersonation(
                session, clock, page.viewer, customer.account.id, address, reason
            )
        return page.redirect("/dashboard")

    @post("/look/end", permission=None)
    async def end_impersonation(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """End the view as customer; redirects to the platform's pages also if none is active."""
        viewer = page.viewer
        async with database.transaction() as session:
            await end_impersonation(session, clock, viewer, client_origin(request).address)
        account_id = viewer.account_id if viewer.impersonated else None
        return page.redirect("/dashboard" if account_id is None else account_url(account_id))


async def _get_customer(database: Database, clock: Clock, account: str) -> Customer:
    """Load an account without its invoices. Raises PageNotFound, AccountNotFound."""
    account_id = parse_id_or_404(ACCOUNT_ID_PREFIX, account)
    async with database.transaction() as session:
        return await get_customer(session, account_id, clock.now(), invoices=0)
