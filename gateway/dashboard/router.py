"""The dashboard's composition: its pages and files under one router.

Owns building what pages work with, and which handlers there are. Does not own any page.
"""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import Provide

from gateway.causes import begin_cause
from gateway.dashboard.assets import Assets
from gateway.dashboard.faults import PageNotFound
from gateway.dashboard.pages.audit import AuditPages
from gateway.dashboard.pages.calls import CallPages
from gateway.dashboard.pages.invoices import InvoicePages
from gateway.dashboard.pages.key_page import KeyPage
from gateway.dashboard.pages.keys import KeyPages
from gateway.dashboard.pages.limits import LimitPages
from gateway.dashboard.pages.line_disputes import LineDisputePages
from gateway.dashboard.pages.outcomes import OutcomePages
from gateway.dashboard.pages.overview import overview
from gateway.dashboard.pages.own import OwnPages
from gateway.dashboard.pages.own_second_factor import SecondFactorPages
from gateway.dashboard.pages.plan import PlanPages
from gateway.dashboard.pages.platform.accounts import AccountPages
from gateway.dashboard.pages.platform.changes import AccountChanges
from gateway.dashboard.pages.platform.home import home
from gateway.dashboard.pages.platform.jobs import JobPages
from gateway.dashboard.pages.platform.looking_in import LookingIn
from gateway.dashboard.pages.platform.models import models
from gateway.dashboard.pages.platform.plans import SoldPlanPages
from gateway.dashboard.pages.platform.receivables import receivables
from gateway.dashboard.pages.platform.reconciliation import reconciliation
from gateway.dashboard.pages.platform.revenue import revenue
from gateway.dashboard.pages.platform.webhooks import WebhookPages
from gateway.dashboard.pages.playground import PlaygroundPages
from gateway.dashboard.pages.preferences import choose_language
from gateway.dashboard.pages.settlements import SettlementPages
from gateway.dashboard.pages.signing_in import SignInPages
from gateway.dashboard.pages.switching import ask_switch, switch
from gateway.dashboard.pages.team import TeamPages
from gateway.dashboard.pages.usage import UsagePages
from gateway.dashboard.pages.welcoming import WelcomePages
from gateway.dashboard.rendering import Pages
from gateway.dashboard.security import protect, require_own_origin
from gateway.dashboard.showing_faults import fault_handlers
from gateway.dashboard.viewing import provide_looking, provide_viewing
from gateway.identity.assembly import Identity, build_identity
from gateway.identity.links import Links
from gateway.identity.passwords import Passwords
from infra.clock import Clock
from infra.db import Database
from infra.secret import secret_key
from infra.settings import Settings

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


def dashboard_router(settings: Settings, database: Database, clock: Clock) -> Router:
    """Everything under `/dashboard`. Handlers get what the application provides, besides."""
    links = Links.of(settings)
    secure = links.base.startswith("https://")
    pepper = secret_key(settings)
    identity = build_identity(database, clock, pepper, links, Passwords())
    assets = Assets()
    pages = Pages(assets)
    return Router(
        path=PATH,
        route_handlers=[*HANDLERS, _assets(assets), _elsewhere()],
        dependencies={
            **_given(identity=identity, pages=pages, secure=secure, pepper=pepper),
            "looking": Provide(provide_looking),
            "viewing": Provide(provide_viewing),
        },
        before_request=_before,
        after_request=protect,
        exception_handlers=fault_handlers(pages, secure=secure),
        include_in_schema=False,
        request_max_body_size=_MOST_BYTES,
    )


def _given(identity: Identity, pages: Pages, secure: bool, pepper: bytes) -> dict[str, Provide]:
    values = {"identity": identity, "pages": pages, "secure": secure, "pepper": pepper}
    return {name: _always(value) for name, value in values.items()}


def _always(value: Any) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


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
