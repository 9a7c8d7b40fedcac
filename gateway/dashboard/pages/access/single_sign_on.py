"""Sign-in with an identity provider, and linking identities to the signed-in person.

Linking begins with a form, whose token proves that the person wants it: another site could
otherwise link its own identity to the person. Browsers do not follow a form's redirect to another
site (content-security-policy), so that the next page has a link to the provider.
"""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.dashboard.forms import EMPTY_FORM, FormState, with_errors
from gateway.dashboard.page_request import (
    PageRequest,
    PublicPageRequest,
    client_origin,
    safe_redirect_path,
)
from gateway.dashboard.pages.access.login import sign_in_methods, start_session_response
from gateway.dashboard.pages.access.profile import require_not_impersonated
from gateway.dashboard.security import sign_in_attempt_cookie, sign_in_attempt_cookie_name
from gateway.identity.login import SecondFactorRequired
from gateway.identity.memberships import NoAccount
from gateway.identity.services import IdentityServices
from gateway.identity.sso.linked_identities import IdentityTaken, unlink_identities
from gateway.identity.sso.provider import IdentityNotVerified, ProviderUnavailable
from gateway.identity.sso.sign_on import (
    ATTEMPT_LIFETIME,
    IdentityUnknown,
    ProviderNotFound,
    ReturnedBrowser,
)
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_PROFILE = "/dashboard/me"
_ERRORS = (ProviderNotFound, ProviderUnavailable, IdentityNotVerified, IdentityUnknown, NoAccount)


class SingleSignOnPages(Controller):
    """Handlers of `/dashboard/sign-in/with/{provider}`, without a session."""

    path = "/sign-in/with/{provider:str}"

    @get("/", name="dashboard:sign-in-with")
    async def begin_sign_in(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        provider: FromPath[str],
    ) -> Response[Any]:
        """Send the browser to the provider."""
        return_to = safe_redirect_path(public_page.request.query_params.get("next"))
        try:
            begun = await identity.single_sign_on.begin(provider, return_to)
        except _ERRORS as error:
            return _render_error(public_page, identity, error)
        response = public_page.redirect(begun.url)
        _set_attempt_cookie(response, public_page, begun.cookie)
        return response

    @get("/return", name="dashboard:sign-in-return")
    async def complete_sign_in(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        provider: FromPath[str],
    ) -> Response[Any]:
        """Sign the person in, or continue with the linking that the browser began."""
        browser = _returned_browser(public_page)
        if identity.single_sign_on.is_linking(provider, browser.cookie):
            query = request.scope["query_string"].decode("latin-1")
            return public_page.redirect(f"{_PROFILE}/identities/{provider}/return?{query}")
        try:
            new_session, return_to = await identity.single_sign_on.complete(provider, browser)
        except SecondFactorRequired as required:
            return public_page.render(
                "sign_in_code.html", form=EMPTY_FORM, after="/dashboard", ticket=required.ticket
            )
        except _ERRORS as error:
            return _render_error(public_page, identity, error)
        response = start_session_response(public_page, clock, new_session, return_to)
        _set_attempt_cookie(response, public_page, "")
        return response


class LinkedIdentityPages(Controller):
    """Handlers of `/dashboard/me/identities/{provider}`, for the signed-in person."""

    path = "/me/identities/{provider:str}"

    @post("/link", permission=None)
    async def begin_link(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        provider: FromPath[str],
    ) -> Response[Any]:
        """Show the link to the provider at which the person proves the identity."""
        require_not_impersonated(page)
        try:
            begun = await identity.single_sign_on.begin(provider, _PROFILE, page.viewer)
        except ProviderUnavailable:
            return page.redirect(f"{_PROFILE}?done=provider_unavailable")
        names = {one.id: one.names[page.language] for one in identity.single_sign_on.providers}
        response = page.render("own_identity.html", url=begun.url, provider=names[provider])
        _set_attempt_cookie(response, page, begun.cookie)
        return response

    @get("/return", permission=None)
    async def complete_link(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        provider: FromPath[str],
    ) -> Response[Any]:
        """Link the identity with which the provider sent the browser back."""
        require_not_impersonated(page)
        done = "linked"
        try:
            await identity.single_sign_on.complete_link(
                provider, _returned_browser(page), page.viewer
            )
        except IdentityTaken:
            done = "identity_taken"
        except _ERRORS:
            done = "not_linked"
        response = page.redirect(f"{_PROFILE}?done={done}")
        _set_attempt_cookie(response, page, "")
        return response

    @post("/unlink", permission=None)
    async def unlink(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        provider: FromPath[str],
    ) -> Response[Any]:
        """Remove the person's identities at the provider. Sessions stay."""
        require_not_impersonated(page)
        async with database.transaction() as session:
            await unlink_identities(session, clock, page.actor, page.viewer.account_id, provider)
        return page.redirect(f"{_PROFILE}?done=unlinked")


def _returned_browser(page: PublicPageRequest) -> ReturnedBrowser:
    """Return the parameters and the cookie with which a browser came back."""
    request = page.request
    cookie = request.cookies.get(sign_in_attempt_cookie_name(page.secure))
    parameters = {name: str(value) for name, value in request.query_params.items()}
    return ReturnedBrowser(parameters, cookie, client_origin(request))


def _set_attempt_cookie(response: Response[Any], page: PublicPageRequest, value: str) -> None:
    """Set the attempt's cookie, or delete it if the value is empty."""
    seconds = int(ATTEMPT_LIFETIME.total_seconds()) if value else 0
    response.set_cookie(sign_in_attempt_cookie(value, seconds, secure=page.secure))


def _render_error(
    page: PublicPageRequest, identity: IdentityServices, error: AppError
) -> Response[Any]:
    """Show the sign-in page with an error."""
    form: FormState = with_errors(page, {}, error)
    return page.render(
        "sign_in.html",
        status=error.status,
        form=form,
        after="/dashboard",
        done=None,
        **sign_in_methods(identity),
    )
