"""Sign-ups for operators: those that wait for a review, recent ones, and the review of one."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlmodel import col, select

from billing.accounts.companies import find_company_accounts
from billing.tables import Account
from gateway.dashboard.forms import (
    FormState,
    read_form_fields,
    restored_form,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import parse_id_or_404, platform_zone
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.accounts import ReasonMissing, validate_reason
from gateway.operations.signups import SignupReview
from gateway.signups.errors import CreditCodeTaken, NotInReview
from gateway.signups.opening import SIGNUP_ID_PREFIX
from gateway.signups.queries import find_signup, list_signups
from gateway.signups.service import SignupService
from infra.clock import Clock
from infra.database.database import Database

_URL = "/dashboard/platform/signups"
_RECENT = 50
_REASON = PreservedFields(f"{_URL}/{{signup}}", ("reason",))


class PlatformSignupPages(Controller):
    """Handlers of `/dashboard/platform/signups`."""

    path = "/platform/signups"
    opt = {"permission": Permission.WATCH}  # noqa: RUF012  # declared by Litestar

    @get("/", name="platform:signups")
    async def list_all(
        self, page: NamedDependency[PageRequest], database: NamedDependency[Database]
    ) -> Response[str]:
        """Show the sign-ups that wait for a review, and recent ones."""
        async with database.transaction() as session:
            waiting = await list_signups(session)
            recent = await list_signups(session, None, _RECENT)
        rows = [row for row in recent if row.status != "review"]
        return page.render(
            "platform/signups.html", waiting=waiting, recent=rows, zone=platform_zone()
        )

    @get("/{signup:str}", name="platform:signup")
    async def show(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        signup: FromPath[str],
    ) -> Response[str]:
        """Show a sign-up."""
        return await _render(page, database, signup, restored_form(page), 200)

    @post("/{signup:str}", permission=Permission.OPERATE, keeps=_REASON)
    async def review(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        signups: NamedDependency[SignupService],
        signup: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Approve or reject a sign-up."""
        parse_id_or_404(SIGNUP_ID_PREFIX, signup)
        fields = {"reason": "", "action": "", **await read_form_fields(request)}
        reviewing = SignupReview.of_service(signups, clock)
        try:
            note = validate_reason(fields["reason"])
            async with database.transaction() as session:
                if fields["action"].startswith("approve"):
                    grant = fields["action"] == "approve"
                    await reviewing.approve(session, page.actor, signup, note, grant=grant)
                else:
                    await reviewing.reject(session, page.actor, signup, note)
        except (ReasonMissing, NotInReview, CreditCodeTaken) as error:
            form = with_errors(page, fields, error)
            return await _render(page, database, signup, form, UNPROCESSABLE)
        return page.redirect(_URL)


async def _render(
    page: PageRequest, database: Database, signup: str, form: FormState, status: int
) -> Response[str]:
    """Render a sign-up with the accounts of the same company and the form of its review."""
    parse_id_or_404(SIGNUP_ID_PREFIX, signup)
    async with database.transaction() as session:
        row = await find_signup(session, signup)
        found = await find_company_accounts(session, row.name_key, row.credit_code)
        others = [one.account_id for one in found if one.account_id != row.account_id]
        query = select(Account.id, Account.name).where(col(Account.id).in_(others))
        same = [(account_id, name) for account_id, name in await session.execute(query)]
    return page.render(
        "platform/signup.html",
        status=status,
        row=row,
        same=same,
        form=form,
        operates=page.viewer.has_permission(Permission.OPERATE),
        zone=platform_zone(),
    )
