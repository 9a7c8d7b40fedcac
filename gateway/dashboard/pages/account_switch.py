"""Switching: which of a person's accounts is shown, or the platform's pages."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from billing.accounts.accounts import PREFIX
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import fields_of
from gateway.dashboard.page_request import Viewing
from gateway.identity.memberships import belongings
from gateway.identity.sessions import show_account
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_PLATFORM = "platform"


@get("/switch", name="dashboard:switch", permission=None)
async def ask_switch(
    viewing: NamedDependency[Viewing], database: NamedDependency[Database]
) -> Response[str]:
    async with database.transaction() as session:
        places = await belongings(session, viewing.viewer.person_id)
    return viewing.page("switch.html", places=places)


@post("/switch", permission=None)
async def switch(
    viewing: NamedDependency[Viewing],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    request: Request[Any, Any, Any],
) -> Response[Any]:
    """Raises NotAMember, PageNotFound."""
    said = (await fields_of(request)).get("account", "")
    wanted = None if said == _PLATFORM else ids.parse(PREFIX, said)
    if wanted is None and said != _PLATFORM:
        raise PageNotFound("There is no such account among yours.")
    async with database.transaction() as session:
        await show_account(session, clock, viewing.viewer, wanted)
    return viewing.go("/dashboard")
