"""Sign-in with an optional second factor, sign-out, and password reset."""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import (
    UNPROCESSABLE,
    PageRequest,
    PublicPageRequest,
    client_origin,
    safe_redirect_path,
)
from gateway.dashboard.security import expired_session_cookie, session_cookie
from gateway.identity.login import CredentialsWrong, SecondFactorRequired
from gateway.identity.one_time_tokens import LinkUnusable
from gateway.identity.passwords import PasswordInvalid, SignInBusy
from gateway.identity.services import IdentityServices
from gateway.identity.sessions import NewSession, end_session
from gateway.identity.throttling.lockout import LockedOut
from gateway.identity.totp import CodeWrong
from gateway.signups.service import SignupService
from infra.clock import Clock
from infra.database.database import Database

_SIGN_IN_ERRORS = (CredentialsWrong, LockedOut, SignInBusy)


class SignInPages(Controller):
    """Handlers that need no session, except sign-out."""

    @get("/sign-in", name="dashboard:sign-in")
    async def show_sign_in(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        signups: NamedDependency[SignupService],
        following: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the sign-in form and the identity providers."""
        return_to = safe_redirect_path(public_page.request.query_params.get("next"))
        return public_page.render(
            "sign_in.html",
            form=EMPTY_FORM,
            after=return_to,
            done=following,
            **sign_in_methods(identity),
            sign_up=signups.policy.enabled,
        )

    @post("/sign-in")
    async def sign_in(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Sign in with e-mail address and password."""
        fields = await read_form_fields(request)
        return_to = safe_redirect_path(fields.get("next"))
        try:
            new_session = await identity.login.sign_in(
                fields.get("email", ""), fields.get("password", ""), client_origin(request)
            )
        except SecondFactorRequired as required:
            ticket = required.ticket
            return public_page.render(
                "sign_in_code.html", form=EMPTY_FORM, after=return_to, ticket=ticket
            )
        except _SIGN_IN_ERRORS as error:
            form = with_errors(public_page, fields, error)
            return public_page.render(
                "sign_in.html",
                status=UNPROCESSABLE,
                form=form,
                after=return_to,
                done=None,
                **sign_in_methods(identity),
            )
        return start_session_response(public_page, clock, new_session, return_to)

    @post("/sign-in/code")
    async def verify_code(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Complete the sign-in with a two-step verification code."""
        fields = await read_form_fields(request)
        return_to, ticket = safe_redirect_path(fields.get("next")), fields.get("ticket", "")
        try:
            new_session = await identity.login.verify_second_factor(
                ticket, fields.get("code", ""), client_origin(request)
            )
        except (CodeWrong, LockedOut) as error:
            form = with_errors(public_page, {}, error)
            return public_page.render(
                "sign_in_code.html", status=UNPROCESSABLE, form=form, after=return_to, ticket=ticket
            )
        except LinkUnusable:
            form = FormState(error=public_page.translate("This took too long. Sign in again."))
            return public_page.render(
                "sign_in.html",
                status=UNPROCESSABLE,
                form=form,
                after=return_to,
                done=None,
                **sign_in_methods(identity),
            )
        return start_session_response(public_page, clock, new_session, return_to)

    @post("/sign-out", permission=None)
    async def sign_out(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[Any]:
        """End the session."""
        async with database.transaction() as session:
            await end_session(session, clock, page.viewer, page.viewer.session_id)
        response = page.redirect("/dashboard/sign-in")
        response.set_cookie(expired_session_cookie(secure=page.secure))
        return response

    @get("/forgot", name="dashboard:forgot")
    async def show_forgotten_password(
        self, public_page: NamedDependency[PublicPageRequest]
    ) -> Response[str]:
        """Show the form to request a password reset."""
        return public_page.render("forgot.html", sent=False)

    @post("/forgot")
    async def send_reset_link(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Send a password reset link by e-mail."""
        email = (await read_form_fields(request)).get("email", "")
        response = public_page.render("forgot.html", sent=True)
        # Runs after the response, so that timing does not reveal whether the address exists.
        response.background = BackgroundTask(
            identity.password_resets.request_link, email, client_origin(request)
        )
        return response

    @get("/reset/{secret:str}")
    async def show_new_password(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        secret: FromPath[str],
    ) -> Response[str]:
        """Show the form of a password reset link."""
        try:
            await identity.password_resets.require_valid_link(secret)
        except LinkUnusable:
            return public_page.render("link_unusable.html", status=LinkUnusable.status)
        return public_page.render("reset.html", form=EMPTY_FORM)

    @post("/reset/{secret:str}")
    async def set_password(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        secret: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Set the new password of a reset link."""
        fields = await read_form_fields(request)
        try:
            await identity.password_resets.reset_password(
                secret, fields.get("password", ""), client_origin(request)
            )
        except LinkUnusable:
            return public_page.render("link_unusable.html", status=LinkUnusable.status)
        except (PasswordInvalid, SignInBusy) as error:
            form = with_errors(public_page, fields, error)
            return public_page.render("reset.html", status=UNPROCESSABLE, form=form)
        return public_page.redirect("/dashboard/sign-in?following=reset")


def sign_in_methods(identity: IdentityServices) -> Mapping[str, Any]:
    """Return what the sign-in page shows besides the password: identity providers, passkeys."""
    return {
        "providers": identity.single_sign_on.providers,
        "passkeys": identity.passkeys.available,
    }


def start_session_response(
    page: PublicPageRequest, clock: Clock, new_session: NewSession, return_to: str
) -> Response[Any]:
    """Redirect with the cookie of the new session."""
    response = page.redirect(return_to)
    seconds = int((new_session.expires_at - clock.now()).total_seconds())
    response.set_cookie(session_cookie(new_session.token, seconds, secure=page.secure))
    return response
