"""The dashboard's composition: its pages and files under one router.

Owns building what pages work with, and which handlers there are.
"""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import Provide

from gateway.asgi.log_context import begin_cause
from gateway.dashboard.assets import Assets
from gateway.dashboard.error_pages import Secured, fault_handlers
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.page_request import provide_looking, provide_viewing
from gateway.dashboard.pages.account_switch import ask_switch, switch
from gateway.dashboard.pages.audit import AuditPages
from gateway.dashboard.pages.calls import CallPages
from gateway.dashboard.pages.invitation import WelcomePages
from gateway.dashboard.pages.invoices import InvoicePages
from gateway.dashboard.pages.key_detail import KeyPage
from gateway.dashboard.pages.keys import KeyPages
from gateway.dashboard.pages.limits import LimitPages
from gateway.dashboard.pages.line_disputes import LineDisputePages
from gateway.dashboard.pages.login import SignInPages
from gateway.dashboard.pages.outcomes import OutcomePages
from gateway.dashboard.pages.overview import overview
from gateway.dashboard.pages.plan import PlanPages
from gateway.dashboard.pages.platform.account_actions import AccountChanges
from gateway.dashboard.pages.platform.accounts import AccountPages
from gateway.dashboard.pages.platform.home import home
from gateway.dashboard.pages.platform.impersonation import LookingIn
from gateway.dashboard.pages.platform.jobs import JobPages
from gateway.dashboard.pages.platform.models import models
from gateway.dashboard.pages.platform.plans import SoldPlanPages
from gateway.dashboard.pages.platform.receivables import receivables
from gateway.dashboard.pages.platform.reconciliation import reconciliation
from gateway.dashboard.pages.platform.revenue import revenue
from gateway.dashboard.pages.platform.webhooks import WebhookPages
from gateway.dashboard.pages.playground import PlaygroundPages
from gateway.dashboard.pages.preferences import choose_language
from gateway.dashboard.pages.profile import OwnPages
from gateway.dashboard.pages.second_factor import SecondFactorPages
from gateway.dashboard.pages.settlements import SettlementPages
from gateway.dashboard.pages.team import TeamPages
from gateway.dashboard.pages.usage import UsagePages
from gateway.dashboard.rendering import Pages
from gateway.dashboard.security import protect, require_own_origin

PATH = "/dashboard"
HANDLERS = (
    overview,
    UsagePages,
    CallPages,
    KeyPages,
    KeyPage,
    LimitPages,
    TeamPages,
    AuditPages,
    OwnPages,
    SecondFactorPages,
    PlaygroundPages,
    PlanPages,
    InvoicePages,
    LineDisputePages,
    OutcomePages,
    SettlementPages,
    SignInPages,
    WelcomePages,
    choose_language,
    ask_switch,
    switch,
    home,
    AccountPages,
    AccountChanges,
    LookingIn,
    revenue,
    receivables,
    WebhookPages,
    JobPages,
    reconciliation,
    models,
    SoldPlanPages,
)
# Forms are short; a page takes no more.
_MOST_BYTES = 64 << 10


def dashboard_router(parts: Secured) -> Router:
    """Everything under `/dashboard`. Handlers get what the application provides, besides."""
    assets = Assets()
    pages = Pages(assets)
    return Router(
        path=PATH,
        route_handlers=[*HANDLERS, _assets(assets), _elsewhere()],
        dependencies={
            "pages": Provide(lambda: pages, sync_to_thread=False),
            "looking": Provide(provide_looking),
            "viewing": Provide(provide_viewing),
        },
        before_request=_before,
        after_request=protect,
        exception_handlers=fault_handlers(pages, parts),
        include_in_schema=False,
        request_max_body_size=_MOST_BYTES,
    )


async def _before(request: Request[Any, Any, Any]) -> None:
    """For every address, before anything is read: changes come from our own pages alone."""
    await begin_cause(request)
    require_own_origin(request)


def _assets(assets: Assets) -> Any:
    @get("/assets/{name:str}", sync_to_thread=False, include_in_schema=False)
    def asset(request: Request[Any, Any, Any]) -> Response[bytes]:
        return assets.answer(request)

    return asset


def _elsewhere() -> Any:
    """Any other address below ours: a page that says so, instead of the API's answer."""

    @get("/{rest:path}", sync_to_thread=False, include_in_schema=False)
    def elsewhere(request: Request[Any, Any, Any]) -> None:
        raise PageNotFound("There is no such page.")

    return elsewhere
