"""The start page of operators: redirects to the list of accounts."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency

from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import ACCOUNTS_URL
from gateway.identity.roles import Permission


@get("/platform", name="platform:platform", permission=Permission.WATCH)
async def redirect_to_accounts(page: NamedDependency[PageRequest]) -> Response[Any]:
    """Redirect to the list of accounts."""
    return page.redirect(ACCOUNTS_URL)
