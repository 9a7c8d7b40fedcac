"""Accepting an invitation, as a new person or with an existing login."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import (
    UNPROCESSABLE,
    PageRequest,
    PublicPageRequest,
    client_origin,
    sign_in_url,
)
from gateway.dashboard.pages.access.login import start_session_response
from gateway.identity.email_address import EmailInvalid
from gateway.identity.invitation_acceptance import (
    InvitationEmailMismatch,
    PersonAlreadyExists,
    Registration,
)
from gateway.identity.one_time_tokens import LinkUnusable
from gateway.identity.passwords import PasswordInvalid, SignInBusy
from gateway.identity.profile import PersonInvalid
from gateway.identity.services import IdentityServices
from gateway.identity.sessions import switch_account
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors

_FORM_ERRORS = (
    EmailInvalid,
    PersonInvalid,
    PasswordInvalid,
    PersonAlreadyExists,
    SignInBusy,
    SeveralErrors,
)


class InvitationPages(Controller):
    """Handlers of the link in an invitation e-mail, `/dashboard/invitation/{secret}`."""

    path = "/invitation/{secret:str}"

    @get("/", name="dashboard:invitation")
    async def show_invitation(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        secret: FromPath[str],
    ) -> Response[str]:
        """Show an invitation link: a form to join, or to sign in first."""
        return await _render_invitation(public_page, identity, secret, EMPTY_FORM, 200)

    @post("/")
    async def accept_as_new_person(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        clock: NamedDependency[Clock],
        secret: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Accept the invitation as a new person with a password."""
        fields = await read_form_fields(request)
        registration = Registration(
            fields.get("name", ""),
            fields.get("password", ""),
            public_page.language,
            fields.get("email"),
        )
        try:
            new_session = await identity.invitation_acceptance.accept(
                secret, registration, client_origin(request)
            )
        except LinkUnusable:
            return public_page.render("link_unusable.html", status=LinkUnusable.status)
        except _FORM_ERRORS as error:
            form = with_errors(public_page, fields, error)
            return await _render_invitation(public_page, identity, secret, form, UNPROCESSABLE)
        return start_session_response(public_page, clock, new_session, "/dashboard")

    @get("/join", permission=None)
    async def show_join_confirmation(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        secret: FromPath[str],
    ) -> Response[str]:
        """Show the confirmation to join, after an existing person signed in."""
        try:
            invited = await identity.invitation_acceptance.preview(secret)
        except LinkUnusable:
            return page.render("link_unusable.html", status=LinkUnusable.status)
        return page.render("join.html", invited=invited, form=EMPTY_FORM)

    @post("/join", permission=None)
    async def join_account(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        secret: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Accept the invitation as the signed-in person."""
        origin, viewer = client_origin(request), page.viewer
        try:
            async with database.transaction() as session:
                account_id = await identity.invitation_acceptance.join(
                    session, viewer, secret, origin.address
                )
                await switch_account(session, clock, viewer, account_id)
        except LinkUnusable:
            return page.render("link_unusable.html", status=LinkUnusable.status)
        except InvitationEmailMismatch as error:
            invited = await identity.invitation_acceptance.preview(secret)
            form = with_errors(page, {}, error)
            return page.render("join.html", status=UNPROCESSABLE, invited=invited, form=form)
        return page.redirect("/dashboard")


async def _render_invitation(
    public_page: PublicPageRequest,
    identity: IdentityServices,
    secret: str,
    form: FormState,
    status: int,
) -> Response[str]:
    """Render the registration form of an invitation, or the page of an invalid link."""
    try:
        invited = await identity.invitation_acceptance.preview(secret)
    except LinkUnusable:
        return public_page.render("link_unusable.html", status=LinkUnusable.status)
    join = sign_in_url(f"/dashboard/invitation/{secret}/join")
    return public_page.render(
        "invitation.html", status=status, invited=invited, form=form, join=join
    )
