"""The routers of all endpoints for admin keys: request ids, metrics, limits of bodies."""

from collections.abc import Callable, Sequence
from typing import Protocol

from litestar import Router
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler, Message, Receive, Scope, Send

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.api.admin.accounts import AdminAccountRoutes
from gateway.api.admin.context import (
    REQUEST_STATE,
    provide_admin,
    provide_admin_change,
    provide_organization,
)
from gateway.api.admin.credit.accounts import AdminAccountCreditRoutes
from gateway.api.admin.credit.exposure import AdminExposureRoutes
from gateway.api.admin.credit.policies import AdminCreditPolicyRoutes
from gateway.api.admin.credit.securities import AdminDepositRoutes, AdminGuaranteeRoutes
from gateway.api.admin.disputes import AdminLineDisputeRoutes, AdminOutcomeDisputeRoutes
from gateway.api.admin.fapiao import AdminFapiaoRoutes
from gateway.api.admin.incidents import AdminIncidentRoutes
from gateway.api.admin.invoices import AdminBillingRunRoutes, AdminInvoiceRoutes
from gateway.api.admin.keys import AdminAccountKeyRoutes
from gateway.api.admin.limits import AdminLimitRoutes
from gateway.api.admin.packs import AdminPackPurchaseRoutes, AdminPackRoutes
from gateway.api.admin.payments import (
    AdminBankLineRoutes,
    AdminDiscrepancyRoutes,
    AdminPaymentOrderRoutes,
)
from gateway.api.admin.plans import AdminPlanRoutes, AdminSubscriptionRoutes
from gateway.api.admin.platform import AdminEntityRoutes, AdminPeopleRoutes
from gateway.api.admin.price_changes import AdminPriceChangeRoutes
from gateway.api.admin.reports import AdminReconciliationRoutes, AdminReportRoutes
from gateway.api.admin.signups import AdminSignupRoutes
from gateway.api.admin.vouchers import AdminVoucherRoutes
from gateway.api.admin.wallets import AdminWalletRoutes
from gateway.api.organization.admin_api_keys import OrganizationKeyRoutes
from gateway.api.organization.audit_logs import AdminAuditRoutes, OrganizationAuditRoutes
from gateway.api.organization.invites import OrganizationInviteRoutes
from gateway.api.organization.users import OrganizationUserRoutes
from infra import ids
from infra.telemetry.metrics import Metrics

ADMIN_PATH, ORGANIZATION_PATH = "/v1/admin", "/v1/organization"
_REQUEST_ID_HEADER = b"x-request-id"
_MAX_BODY_BYTES = 1 << 20
ADMIN_ROUTES: Sequence[ControllerRouterHandler] = (
    AdminAccountRoutes,
    AdminAccountKeyRoutes,
    AdminLimitRoutes,
    AdminWalletRoutes,
    AdminSubscriptionRoutes,
    AdminPlanRoutes,
    AdminPriceChangeRoutes,
    AdminPackRoutes,
    AdminPackPurchaseRoutes,
    AdminVoucherRoutes,
    AdminCreditPolicyRoutes,
    AdminAccountCreditRoutes,
    AdminDepositRoutes,
    AdminGuaranteeRoutes,
    AdminExposureRoutes,
    AdminSignupRoutes,
    AdminInvoiceRoutes,
    AdminBillingRunRoutes,
    AdminBankLineRoutes,
    AdminPaymentOrderRoutes,
    AdminDiscrepancyRoutes,
    AdminLineDisputeRoutes,
    AdminOutcomeDisputeRoutes,
    AdminFapiaoRoutes,
    AdminReportRoutes,
    AdminReconciliationRoutes,
    AdminEntityRoutes,
    AdminPeopleRoutes,
    AdminIncidentRoutes,
    AdminAuditRoutes,
)
ORGANIZATION_ROUTES: Sequence[ControllerRouterHandler] = (
    OrganizationKeyRoutes,
    OrganizationUserRoutes,
    OrganizationInviteRoutes,
    OrganizationAuditRoutes,
)


class AdminComponents(Protocol):
    """The components that the routers need, looked up for each request."""

    @property
    def metrics(self) -> Metrics:
        """Return the metrics of the process."""
        ...


def admin_routers(components: AdminComponents) -> Sequence[Router]:
    """Return the routers of the Admin API and of accounts' administrators."""
    return [
        _router(components, ADMIN_PATH, ADMIN_ROUTES),
        _router(components, ORGANIZATION_PATH, ORGANIZATION_ROUTES),
    ]


def _router(
    components: AdminComponents, path: str, routes: Sequence[ControllerRouterHandler]
) -> Router:
    """Return a router whose responses, also of errors, have a request id and are counted."""
    return Router(
        path=path,
        route_handlers=routes,
        dependencies={
            "admin": Provide(provide_admin),
            "admin_change": Provide(provide_admin_change),
            "organization": Provide(provide_organization),
        },
        middleware=[_identify_requests(components, path)],
        request_max_body_size=_MAX_BODY_BYTES,
        security=[{"admin_key": []}],
    )


def _identify_requests(components: AdminComponents, path: str) -> Callable[[ASGIApp], ASGIApp]:
    """Return a middleware that gives requests an id, which responses carry, and counts them."""

    def wrap(app: ASGIApp) -> ASGIApp:
        """Wrap the handlers of the router."""

        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            """Pass a request on with its id."""
            request_id = ids.format_id(REQUEST_ID_PREFIX, ids.new_id())
            scope["state"][REQUEST_STATE] = request_id
            area = scope["path"].removeprefix(path).strip("/").partition("/")[0]

            async def identify(message: Message) -> None:
                """Add the id to the head of the response, and count it."""
                if message["type"] == "http.response.start":
                    header = (_REQUEST_ID_HEADER, request_id.encode())
                    message["headers"] = [*message["headers"], header]
                    method = str(scope.get("method", ""))
                    labels = (f"{path}/{area}", method, str(message["status"]))
                    components.metrics.admin.requests.labels(*labels).inc()
                await send(message)

            await app(scope, receive, identify)

        return call

    return wrap
