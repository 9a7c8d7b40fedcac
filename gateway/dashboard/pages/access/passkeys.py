"""Passkeys: sign-in with a device, and the passkeys of the signed-in person.

The page's script (static/passkeys.js) asks for options and sends the device's answer as JSON.
"""

from base64 import urlsafe_b64decode
from typing import Any

import msgspec
from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.dashboard.page_request import (
    PageRequest,
    PublicPageRequest,
    client_origin,
    safe_redirect_path,
)
from gateway.dashboard.pages.access.profile import require_not_impersonated
from gateway.dashboard.security import (
    passkey_cookie,
    passkey_cookie_name,
    session_cookie,
)
from gateway.identity.memberships import NoAccount
from gateway.identity.passkeys.ceremony import CEREMONY_LIFETIME, Ceremony, PasskeyRefused
from gateway.identity.passkeys.service import (
    PasskeysUnavailable,
    TooManyPasskeys,
    remove_passkey,
)
from gateway.identity.services import IdentityServices
from gateway.identity.throttling.lockout import LockedOut
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_PROFILE = "/dashboard/me"
_REFUSED = (PasskeyRefused, PasskeysUnavailable, TooManyPasskeys, LockedOut, NoAccount)


class _Answer(msgspec.Struct):
    """What the script sends: the device's answer, unchanged, and the name of a new passkey."""

    credential: msgspec.Raw
    name: str = ""


class PasskeySignInPages(Controller):
    """Handlers of `/dashboard/sign-in/passkey`, without a session."""

    path = "/sign-in/passkey"

    @post("/options", status_code=200)
    async def begin_sign_in(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
    ) -> Response[Any]:
        """Return options for the browser."""
        try:
            return _options(public_page, identity.passkeys.begin_sign_in())
        except PasskeysUnavailable as error:
            return _error(error)

    @post("/", status_code=200)
    async def sign_in(
        self,
        public_page: NamedDependency[PublicPageRequest],
        identity: NamedDependency[IdentityServices],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Sign in with the device's answer."""
        try:
            answer = await _read_answer(request)
            new_session = await identity.passkeys.sign_in(
                _cookie_of(public_page), bytes(answer.credential), client_origin(request)
            )
        except _REFUSED as error:
            return _error(error)
        return_to = safe_redirect_path(request.query_params.get("next"))
        response: Response[Any] = Response({"next": return_to})
        seconds = int((new_session.expires_at - clock.now()).total_seconds())
        response.set_cookie(session_cookie(new_session.token, seconds, secure=public_page.secure))
        response.set_cookie(passkey_cookie("", 0, secure=public_page.secure))
        return response


class PasskeyPages(Controller):
    """Handlers of `/dashboard/me/passkeys`, for the signed-in person."""

    path = "/me/passkeys"

    @post("/options", status_code=200, permission=None)
    async def begin_registration(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
    ) -> Response[Any]:
        """Return options for the browser to create a passkey."""
        require_not_impersonated(page)
        try:
            return _options(page, await identity.passkeys.begin_registration(page.viewer))
        except _REFUSED as error:
            return _error(error)

    @post("/", status_code=200, permission=None)
    async def register(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Store the passkey of the device's answer."""
        require_not_impersonated(page)
        try:
            answer = await _read_answer(request)
            await identity.passkeys.register(
                page.viewer, page.actor, _cookie_of(page), bytes(answer.credential), answer.name
            )
        except _REFUSED as error:
            return _error(error)
        response: Response[Any] = Response({"next": f"{_PROFILE}?done=passkey"})
        response.set_cookie(passkey_cookie("", 0, secure=page.secure))
        return response

    @post("/{passkey:str}/remove", permission=None)
    async def remove(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        passkey: FromPath[str],
    ) -> Response[Any]:
        """Remove a passkey. Sessions stay."""
        require_not_impersonated(page)
        try:
            passkey_id = urlsafe_b64decode(passkey)
        except ValueError:
            return page.redirect(_PROFILE)
        async with database.transaction() as session:
            await remove_passkey(session, clock, page.viewer, page.actor, passkey_id)
        return page.redirect(f"{_PROFILE}?done=passkey_removed")


async def _read_answer(request: Request[Any, Any, Any]) -> _Answer:
    """Parse the script's request. Raises PasskeyRefused."""
    try:
        return msgspec.json.decode(await request.body(), type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PasskeyRefused("The device's answer is not valid.") from error


def _cookie_of(page: PublicPageRequest) -> str | None:
    """Return the cookie of the browser's ceremony."""
    return page.request.cookies.get(passkey_cookie_name(page.secure))


def _options(page: PublicPageRequest, ceremony: Ceremony) -> Response[Any]:
    """Return the options as JSON, with the ceremony's cookie."""
    response: Response[Any] = Response(ceremony.options, media_type="application/json")
    seconds = int(CEREMONY_LIFETIME.total_seconds())
    response.set_cookie(passkey_cookie(ceremony.cookie, seconds, secure=page.secure))
    return response


def _error(error: AppError) -> Response[Any]:
    """Return an error's code for the script, which shows the page's own text."""
    return Response({"error": {"code": error.code}}, status_code=error.status)
