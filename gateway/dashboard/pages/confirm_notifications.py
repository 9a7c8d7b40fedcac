"""The page of the link that confirms a mailbox for notifications; it needs no session.

Opening it changes nothing, since mail filters open links; the button confirms.
"""

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.notifications.endpoints.confirmation import (
    CONFIRMATION_PAGE,
    NotificationConfirmationInvalid,
)
from gateway.dashboard.page_request import PublicPageRequest
from gateway.operations.notifications import NotificationService

_GONE = 410


class NotificationConfirmationPages(Controller):
    """Handlers of `/dashboard/confirm-notifications`."""

    path = "/confirm-notifications/{secret:str}"

    @get("/", name="dashboard:confirm-notifications")
    async def show_confirmation(
        self,
        public_page: NamedDependency[PublicPageRequest],
        notifications: NamedDependency[NotificationService],
        secret: FromPath[str],
    ) -> Response[str]:
        """Show who wants to send to which address."""
        return await _render(public_page, notifications, secret, confirms=False)

    @post("/")
    async def confirm_mailbox(
        self,
        public_page: NamedDependency[PublicPageRequest],
        notifications: NamedDependency[NotificationService],
        secret: FromPath[str],
    ) -> Response[str]:
        """Confirm the address."""
        return await _render(public_page, notifications, secret, confirms=True)


async def _render(
    page: PublicPageRequest, notifications: NotificationService, token: str, *, confirms: bool
) -> Response[str]:
    """Confirm the address if wanted, and render the page."""
    try:
        account, address = await notifications.read_confirmation(token, confirms=confirms)
    except NotificationConfirmationInvalid:
        return page.render("confirm_notifications.html", status=_GONE, account=None)
    return page.render(
        "confirm_notifications.html",
        account=account,
        address=address,
        is_confirmed=confirms,
        path=f"{CONFIRMATION_PAGE}/{token}",
    )
