"""The status of the service: current incidents and recent ones, for customers and for everybody."""

from functools import partial
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.dashboard.i18n import LANGUAGES
from gateway.dashboard.page_request import PageRequest, PublicPageRequest, client_origin
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.incidents.board import MAX_AGE_S, StatusBoard
from gateway.incidents.store import list_open_incidents, list_recent_incidents, load_updates
from gateway.incidents.summary import worst_impact
from gateway.incidents.views import INCIDENT_ID_PREFIX
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_TIME_ZONES = {"en": "UTC", "zh": "Asia/Shanghai"}


@get("/status", name="dashboard:status", permission=None)
async def show_status(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
) -> Response[str]:
    """Show open incidents and those resolved in the last 14 days, with their updates."""
    async with database.transaction() as session:
        current = await list_open_incidents(session)
        recent = await list_recent_incidents(session, clock.now())
        updates = await load_updates(session, [*current, *recent])
        zone = platform_zone()
        if page.viewer.account_id is not None:
            profile = await get_profile(session, page.viewer.account_id)
            zone = parse_time_zone(profile.time_zone)
    return page.render("status.html", current=current, recent=recent, updates=updates, zone=zone)


@get("/", name="status:public")
async def show_public_status(
    public_page: NamedDependency[PublicPageRequest],
    status_board: NamedDependency[StatusBoard],
    request: Request[Any, Any, Any],
    lang: FromQuery[str | None] = None,
) -> Response[str]:
    """Show the same to everybody, in the language `lang` or that of the browser.

    The page has no account's data and ignores the session, so it may be cached.
    Raises StatusRateLimited.
    """
    status_board.require_within_limit(client_origin(request).address)
    snapshot = await status_board.snapshot()
    page = public_page.in_language(lang) if lang in LANGUAGES else public_page
    zone = parse_time_zone(_TIME_ZONES[page.language])
    response = page.render(
        "status_public.html",
        current=snapshot.current,
        recent=snapshot.recent,
        updates=snapshot.updates,
        impact=worst_impact(snapshot.current) or "none",
        incident_id=partial(ids.format_id, INCIDENT_ID_PREFIX),
        zone=zone,
    )
    response.headers["cache-control"] = f"public, max-age={MAX_AGE_S}"
    response.headers["vary"] = "accept-language, cookie"
    response.headers["content-language"] = "zh-CN" if page.language == "zh" else page.language
    return response
