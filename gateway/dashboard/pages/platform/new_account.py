"""The page to create an account, with the same function as the CLI and the Admin API."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from billing.accounts.accounts import AccountNameInvalid, AccountNameTaken
from billing.accounts.profiles import ProfileInvalid
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import account_url
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.customer_accounts import CURRENCIES, open_customer
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_PRESERVED = PreservedFields("/dashboard/platform/new-account", ("name", "currency"))


class NewAccountPages(Controller):
    """Handlers of `/dashboard/platform/new-account`."""

    path = "/platform/new-account"
    opt = {"permission": Permission.OPERATE}  # noqa: RUF012  # declared by Litestar

    @get("/", name="platform:new-account")
    async def show(
        self, page: NamedDependency[PageRequest], settings: NamedDependency[Settings]
    ) -> Response[str]:
        """Show the form."""
        return _render(page, settings, restored_form(page))

    @post("/", keeps=_PRESERVED)
    async def create(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Create the account and show it. A second submission finds the name taken."""
        fields = {"name": "", "currency": "", **await read_form_fields(request)}
        try:
            async with database.transaction() as session:
                place = (session, clock, settings, page.actor)
                account = await open_customer(*place, fields["name"], fields["currency"])
        except (AccountNameInvalid, AccountNameTaken, ProfileInvalid) as error:
            error.param = error.param or "name"
            form = with_errors(page, fields, error)
            return _render(page, settings, form, UNPROCESSABLE)
        return page.redirect(account_url(account.id))


def _render(
    page: PageRequest, settings: Settings, form: FormState, status: int = 200
) -> Response[str]:
    """Render the form."""
    return page.render(
        "platform/new_account.html",
        status=status,
        form=form,
        currencies=[(code, code) for code in CURRENCIES],
        currency=settings.currency,
    )
