"""Looking in: beginning and ending to see an account's pages as its people see them."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.accounts import PREFIX
from billing.reports.customers import Customer, read_customer
from gateway.dashboard.forms import EMPTY, fields_of, mistaken
from gateway.dashboard.page_request import INVALID, Viewing, place_of
from gateway.dashboard.pages.platform.common import account_address, require_id
from gateway.identity.impersonation import begin, end
from gateway.identity.roles import Permission
from gateway.operations.accounts import ReasonMissing, require_reason
from infra.clock import Clock
from infra.database.database import Database


class LookingIn(Controller):
    """`/dashboard/platform/…look…`."""

    path = "/platform"

    @get("/accounts/{account:str}/look", permission=Permission.IMPERSONATE)
    async def ask_look(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
    ) -> Response[str]:
        customer = await _customer(database, clock, account)
        return viewing.page("platform/look.html", customer=customer, form=EMPTY)

    @post("/accounts/{account:str}/look", permission=Permission.IMPERSONATE)
    async def look(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        customer = await _customer(database, clock, account)
        said = {"reason": "", **await fields_of(request)}
        try:
            reason = require_reason(said["reason"])
        except ReasonMissing as error:
            form = mistaken(viewing, said, error)
            values = {"customer": customer, "form": form}
            return viewing.page("platform/look.html", status=INVALID, **values)
        address = place_of(request).address
        async with database.transaction() as session:
            await begin(session, clock, viewing.viewer, customer.account.id, address, reason)
        return viewing.go("/dashboard")

    @post("/look/end", permission=None)
    async def end_look(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Where nobody looks any more it leads home all the same."""
        viewer = viewing.viewer
        async with database.transaction() as session:
            await end(session, clock, viewer, place_of(request).address)
        looked = viewer.account_id if viewer.impersonated else None
        return viewing.go("/dashboard" if looked is None else account_address(looked))


async def _customer(database: Database, clock: Clock, account: str) -> Customer:
    account_id = require_id(PREFIX, account)
    async with database.transaction() as session:
        return await read_customer(session, account_id, clock.now(), invoices=0)
