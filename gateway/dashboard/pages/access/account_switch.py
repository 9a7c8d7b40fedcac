"""Selecting which of the viewer's accounts is shown, or the platform's pages."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import read_form_fields
from gateway.dashboard.page_request import PageRequest
from gateway.identity.memberships import list_memberships
from gateway.identity.sessions import switch_account
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_PLATFORM = "platform"


@get("/switch", name="dashboard:switch", permission=None)
async def show_account_switch(
    page: NamedDependency[PageRequest], database: NamedDependency[Database]
) -> Response[str]:
    """Show the confirmation to switch to another account."""
    async with database.transaction() as session:
        memberships = await list_memberships(session, page.viewer.person_id)
    return page.render("switch.html", places=memberships)


@post("/switch", permission=None)
async def submit_account_switch(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    request: Request[Any, Any, Any],
) -> Response[Any]:
    """Switch the session to another account. Raises NotAMember, PageNotFound."""
    account = (await read_form_fields(request)).get("account", "")
    account_id = None if account == _PLATFORM else ids.parse_id(ACCOUNT_ID_PREFIX, account)
    if account_id is None and account != _PLATFORM:
        raise PageNotFound("Account not found.")
    async with database.transaction() as session:
        await switch_account(session, clock, page.viewer, account_id)
    return page.redirect("/dashboard")
