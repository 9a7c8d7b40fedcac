"""The Litestar router of the dashboard: all page handlers, assets and exception handlers."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import Provide

from gateway.asgi.log_context import bind_request
from gateway.dashboard.assets import Assets
from gateway.dashboard.error_pages import HttpsAware, exception_handlers_for
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.page_request import provide_page, provide_public_page
from gateway.dashboard.pages.access.account_switch import show_account_switch, submit_account_switch
from gateway.dashboard.pages.access.admin_keys import AccountAdminKeyPages
from gateway.dashboard.pages.access.invitation import InvitationPages
from gateway.dashboard.pages.access.key_detail import KeyPage
from gateway.dashboard.pages.access.keys import KeyPages
from gateway.dashboard.pages.access.login import SignInPages
from gateway.dashboard.pages.access.passkeys import PasskeyPages, PasskeySignInPages
from gateway.dashboard.pages.access.preferences import choose_language
from gateway.dashboard.pages.access.profile import ProfilePages
from gateway.dashboard.pages.access.second_factor import SecondFactorPages
from gateway.dashboard.pages.access.single_sign_on import LinkedIdentityPages, SingleSignOnPages
from gateway.dashboard.pages.access.team import TeamPages
from gateway.dashboard.pages.agents.agent import AgentPages
from gateway.dashboard.pages.agents.board import AgentBoardPages
from gateway.dashboard.pages.agents.commands import AgentCommandPages
from gateway.dashboard.pages.agents.creating import NewAgentPages
from gateway.dashboard.pages.agents.deciding import AgentActionPages
from gateway.dashboard.pages.agents.editing import AgentEditPages
from gateway.dashboard.pages.agents.learning import AgentLearningPages
from gateway.dashboard.pages.agents.listing import AgentListPages
from gateway.dashboard.pages.agents.rounds.answers import RoundAnswerPages
from gateway.dashboard.pages.agents.rounds.listing import RoundListPages, RoundPages
from gateway.dashboard.pages.agents.rounds.submission import RoundSubmissionPages
from gateway.dashboard.pages.agents.running import AgentRunPages
from gateway.dashboard.pages.agents.schedule import AgentSchedulePages
from gateway.dashboard.pages.agents.teams import AgentTeamPages
from gateway.dashboard.pages.agents.warnings.pages import LearnedWarningPages
from gateway.dashboard.pages.audit import AuditPages
from gateway.dashboard.pages.auto_top_up import AutoTopUpPages
from gateway.dashboard.pages.batches import BatchPages
from gateway.dashboard.pages.confirm_notifications import NotificationConfirmationPages
from gateway.dashboard.pages.credit import show_credit
from gateway.dashboard.pages.evaluations import EvaluationPages
from gateway.dashboard.pages.fapiao import FapiaoPages, InvoiceFapiaoPages
from gateway.dashboard.pages.guard import GuardPages
from gateway.dashboard.pages.invoices import InvoicePages
from gateway.dashboard.pages.limits import LimitPages
from gateway.dashboard.pages.line_disputes import LineDisputePages
from gateway.dashboard.pages.new_evaluation import NewEvaluationPages
from gateway.dashboard.pages.notifications import NotificationPages
from gateway.dashboard.pages.outcomes import OutcomePages
from gateway.dashboard.pages.overview import show_overview
from gateway.dashboard.pages.own_models.comparisons import ComparisonPages
from gateway.dashboard.pages.own_models.job import OwnModelJobPages
from gateway.dashboard.pages.own_models.listing import OwnModelPages
from gateway.dashboard.pages.own_models.new_model import NewModelPages
from gateway.dashboard.pages.own_models.prediction import PredictionPages
from gateway.dashboard.pages.own_models.retraining import RetrainingPages
from gateway.dashboard.pages.own_models.shadow import ShadowPages
from gateway.dashboard.pages.own_models.tags import TagPages
from gateway.dashboard.pages.own_models.variant import VariantPages
from gateway.dashboard.pages.packs import PackPages, VoucherPages
from gateway.dashboard.pages.payment_proofs import PaymentProofPages, download_any_proof
from gateway.dashboard.pages.payments import PaymentOrderPages, WalletPages
from gateway.dashboard.pages.plans.add_on import AddOnPages
from gateway.dashboard.pages.plans.plan import PlanPages
from gateway.dashboard.pages.plant.alignment import PlantAlignmentPages
from gateway.dashboard.pages.plant.asset import PlantAssetPages
from gateway.dashboard.pages.plant.asset_edit import AssetEditPages
from gateway.dashboard.pages.plant.asset_predict import AssetPredictPages
from gateway.dashboard.pages.plant.asset_views import AssetViewPages
from gateway.dashboard.pages.plant.comparisons import PlantComparisonPages
from gateway.dashboard.pages.plant.entities import PlantEntityPages
from gateway.dashboard.pages.plant.event_queries import EventQueryPages
from gateway.dashboard.pages.plant.event_subscriptions import EventSubscriptionPages
from gateway.dashboard.pages.plant.graph import PlantGraphPages
from gateway.dashboard.pages.plant.identifiers import IdentifierPages
from gateway.dashboard.pages.plant.imports import PlantImportPages
from gateway.dashboard.pages.plant.mappings import PlantMappingPages
from gateway.dashboard.pages.plant.model_inputs import PlantModelInputPages
from gateway.dashboard.pages.plant.point_edit import PointEditPages
from gateway.dashboard.pages.plant.readings import ReadingPages
from gateway.dashboard.pages.plant.trace import show_trace
from gateway.dashboard.pages.plant.tree import PlantTreePages
from gateway.dashboard.pages.platform.account_actions import AccountActionPages
from gateway.dashboard.pages.platform.accounts import AccountPages
from gateway.dashboard.pages.platform.admin_keys import AdminKeyPages
from gateway.dashboard.pages.platform.bank import BankPages
from gateway.dashboard.pages.platform.credit import PlatformCreditPages
from gateway.dashboard.pages.platform.fapiao import PlatformFapiaoPages
from gateway.dashboard.pages.platform.home import redirect_to_accounts
from gateway.dashboard.pages.platform.impersonation import ImpersonationPages
from gateway.dashboard.pages.platform.inbox import InboxPages
from gateway.dashboard.pages.platform.incidents import PlatformIncidentPages
from gateway.dashboard.pages.platform.jobs import JobPages
from gateway.dashboard.pages.platform.models import list_models
from gateway.dashboard.pages.platform.new_account import NewAccountPages
from gateway.dashboard.pages.platform.nodes import show_nodes
from gateway.dashboard.pages.platform.packs import PlatformPackPages
from gateway.dashboard.pages.platform.payment_actions import PlatformPaymentPages
from gateway.dashboard.pages.platform.payments import show_payments
from gateway.dashboard.pages.platform.plans import PublishedPlanPages
from gateway.dashboard.pages.platform.publishing.credit_policy import CreditPolicyPublishingPages
from gateway.dashboard.pages.platform.publishing.pack import PackPublishingPages
from gateway.dashboard.pages.platform.publishing.plan import PlanPublishingPages
from gateway.dashboard.pages.platform.publishing.price_change import PriceChangePages
from gateway.dashboard.pages.platform.receivables import show_receivables
from gateway.dashboard.pages.platform.reconciliation import show_reconciliation
from gateway.dashboard.pages.platform.revenue import download_deferred_revenue, show_revenue
from gateway.dashboard.pages.platform.securities import SecuritiesPages
from gateway.dashboard.pages.platform.signups import PlatformSignupPages
from gateway.dashboard.pages.platform.webhooks import WebhookPages
from gateway.dashboard.pages.playground.page import PlaygroundPages
from gateway.dashboard.pages.predictions import PredictionLedgerPages
from gateway.dashboard.pages.projects.detail import ProjectPage
from gateway.dashboard.pages.projects.listing import ProjectPages
from gateway.dashboard.pages.projects.people import ProjectPeoplePages
from gateway.dashboard.pages.settlements import SettlementPages
from gateway.dashboard.pages.sign_up.pages import SignUpPages
from gateway.dashboard.pages.status import show_public_status, show_status
from gateway.dashboard.pages.usage.calls import CallPages
from gateway.dashboard.pages.usage.overview import UsagePages
from gateway.dashboard.pages.wallet_payment import WalletPaymentPages
from gateway.dashboard.rendering import PageRenderer
from gateway.dashboard.security import add_security_headers, require_same_origin

PATH, STATUS_PATH = "/dashboard", "/status"
HANDLERS = (
    show_overview,
    UsagePages,
    CallPages,
    ReadingPages,
    KeyPages,
    AccountAdminKeyPages,
    ProjectPages,
    ProjectPage,
    ProjectPeoplePages,
    KeyPage,
    LimitPages,
    NotificationPages,
    NotificationConfirmationPages,
    show_status,
    GuardPages,
    TeamPages,
    AuditPages,
    ProfilePages,
    LinkedIdentityPages,
    PasskeyPages,
    SecondFactorPages,
    PlaygroundPages,
    ComparisonPages,
    NewModelPages,
    OwnModelJobPages,
    OwnModelPages,
    PredictionPages,
    RetrainingPages,
    ShadowPages,
    TagPages,
    VariantPages,
    PlantTreePages,
    PlantAssetPages,
    AssetViewPages,
    AssetEditPages,
    PointEditPages,
    AssetPredictPages,
    PlantModelInputPages,
    PlantEntityPages,
    PlantImportPages,
    PlantMappingPages,
    PlantAlignmentPages,
    PlantComparisonPages,
    PlantGraphPages,
    AgentListPages,
    AgentBoardPages,
    LearnedWarningPages,
    AgentTeamPages,
    AgentCommandPages,
    NewAgentPages,
    AgentPages,
    AgentEditPages,
    AgentSchedulePages,
    AgentActionPages,
    AgentRunPages,
    AgentLearningPages,
    RoundListPages,
    RoundPages,
    RoundAnswerPages,
    RoundSubmissionPages,
    NewEvaluationPages,
    EvaluationPages,
    BatchPages,
    IdentifierPages,
    EventQueryPages,
    EventSubscriptionPages,
    show_trace,
    PlanPages,
    AddOnPages,
    InvoicePages,
    LineDisputePages,
    show_credit,
    FapiaoPages,
    InvoiceFapiaoPages,
    PaymentProofPages,
    WalletPages,
    AutoTopUpPages,
    PaymentOrderPages,
    WalletPaymentPages,
    PackPages,
    VoucherPages,
    OutcomePages,
    SettlementPages,
    PredictionLedgerPages,
    SignInPages,
    SingleSignOnPages,
    PasskeySignInPages,
    InvitationPages,
    SignUpPages,
    choose_language,
    show_account_switch,
    submit_account_switch,
    redirect_to_accounts,
    AccountPages,
    AccountActionPages,
    ImpersonationPages,
    show_revenue,
    download_deferred_revenue,
    show_receivables,
    BankPages,
    download_any_proof,
    PlatformFapiaoPages,
    PlatformCreditPages,
    CreditPolicyPublishingPages,
    SecuritiesPages,
    PlatformSignupPages,
    PlatformIncidentPages,
    AdminKeyPages,
    InboxPages,
    NewAccountPages,
    show_payments,
    PlatformPaymentPages,
    PlatformPackPages,
    PackPublishingPages,
    WebhookPages,
    JobPages,
    show_reconciliation,
    show_nodes,
    list_models,
    PublishedPlanPages,
    PlanPublishingPages,
    PriceChangePages,
)
# Dashboard forms are short; larger request bodies are rejected.
_MAX_FORM_BYTES = 64 << 10


def dashboard_routers(components: HttpsAware) -> list[Router]:
    """Build the routers of `/dashboard` and of the public `/status`.

    Handlers also receive the application's dependencies.
    """
    assets = Assets()
    renderer, pages = PageRenderer(assets), [_asset_handler(assets), _not_found_handler()]
    return [
        _router(components, renderer, PATH, [*HANDLERS, *pages]),
        _router(components, renderer, STATUS_PATH, [show_public_status]),
    ]


def _router(
    components: HttpsAware, renderer: PageRenderer, path: str, handlers: Sequence[Any]
) -> Router:
    """Build a router of pages below a path."""
    return Router(
        path=path,
        route_handlers=handlers,
        dependencies={
            "renderer": Provide(lambda: renderer, sync_to_thread=False),
            "public_page": Provide(provide_public_page),
            "page": Provide(provide_page),
        },
        before_request=_check_request,
        after_request=add_security_headers,
        exception_handlers=exception_handlers_for(renderer, components),
        include_in_schema=False,
        request_max_body_size=_MAX_FORM_BYTES,
    )


async def _check_request(request: Request[Any, Any, Any]) -> None:
    """Bind the request to the log context and check a POST's origin, before the body is read."""
    await bind_request(request)
    require_same_origin(request)


def _asset_handler(assets: Assets) -> Any:
    """Return the handler that serves static files."""

    @get("/assets/{name:str}", sync_to_thread=False, include_in_schema=False)
    def asset(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return a static file."""
        return assets.respond(request)

    return asset


def _not_found_handler() -> Any:
    """Return the handler of all other paths: the dashboard's 404 page instead of the API's JSON."""

    @get("/{rest:path}", sync_to_thread=False, include_in_schema=False)
    def elsewhere(request: Request[Any, Any, Any]) -> None:
        """Raise PageNotFound."""
        raise PageNotFound("Page not found.")

    return elsewhere
