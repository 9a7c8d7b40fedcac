"""Home: where the platform's people come in."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency

from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.platform.common import ACCOUNTS
from gateway.identity.roles import Permission


@get("/platform", name="platform:platform", permission=Permission.WATCH)
async def home(viewing: NamedDependency[Viewing]) -> Response[Any]:
    return viewing.go(ACCOUNTS)
